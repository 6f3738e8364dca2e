"""The two networks: their shapes, their arithmetic, their cost."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from edgefg.build.networks.cost import multiply_adds
from edgefg.build.networks.fusion import CONCAT
from edgefg.build.networks.make import make_stage1, make_stage2
from edgefg.build.networks.sizes import LITE, PAPER, VGG_LITE, Size, size_named
from edgefg.build.networks.stage1 import feature_distance
from edgefg.build.networks.vgg import VggDistance
from edgefg.errors import OptionError

NARROW = Size("narrow", width=0.125, early_stride=1, feature_channels=8, batch_norm=False)


def frame_of(height: int, width: int, seed: int = 0) -> "torch.Tensor":
    return torch.from_numpy(np.random.default_rng(seed).integers(0, 256, (1, height, width, 3), np.uint8))


EVERY_SIZE = pytest.mark.parametrize("size", [VGG_LITE, LITE, NARROW], ids=lambda size: size.name)


@EVERY_SIZE
def test_what_stage_1_finds_is_a_quarter_of_the_frame(size: Size) -> None:
    stage1 = make_stage1(size).eval()
    with torch.inference_mode():
        features = stage1.features(frame_of(48, 64))
        found = stage1(frame_of(48, 64), features)
    assert features.shape == found.features.shape == (1, size.feature_channels, 12, 16)
    assert found.distance.shape == (1, 12, 16)
    assert found.distance.dtype == torch.float32
    context = None if found.context is None else found.context.shape
    assert context == ((1, size.context_channels, 12, 16) if size.context_channels else None)


@EVERY_SIZE
def test_mask_logits_have_the_frames_size(size: Size) -> None:
    context = torch.zeros(1, size.context_channels, 12, 16) if size.context_channels else None
    with torch.inference_mode():
        logits = make_stage2(size, CONCAT).eval()(frame_of(48, 64), torch.zeros(1, 12, 16), context)
    assert logits.shape == (1, 48, 64)


@EVERY_SIZE
def test_a_frame_is_at_no_distance_from_itself(size: Size) -> None:
    stage1 = make_stage1(size).eval()
    with torch.inference_mode():
        found = stage1(frame_of(48, 64), stage1.features(frame_of(48, 64)))
    assert float(found.distance.max()) <= 0.0011  # The root of the epsilon.


def test_distance_is_euclidean() -> None:
    a, b = torch.zeros(1, 2, 1, 1), torch.tensor([3.0, 4.0]).view(1, 2, 1, 1)
    assert float(feature_distance(a, b)) == pytest.approx(5.0)


def test_distance_has_a_gradient_where_nothing_differs() -> None:
    features = torch.ones(1, 4, 2, 2, requires_grad=True)
    feature_distance(features, torch.ones(1, 4, 2, 2)).sum().backward()
    assert features.grad is not None
    assert torch.isfinite(features.grad).all()


def test_distance_of_half_precision_features_does_not_overflow() -> None:
    far = torch.full((1, 64, 1, 1), 200.0, dtype=torch.float16)
    assert float(feature_distance(far, -far)) == pytest.approx(3200.0, rel=1e-3)


def test_the_papers_backbone_is_vgg16_with_dilated_conv4() -> None:
    convs = [m for m in VggDistance(PAPER).backbone.modules() if isinstance(m, torch.nn.Conv2d)]
    assert [c.out_channels for c in convs] == [64, 64, 128, 128, 256, 256, 256, 512, 512, 512]
    assert [c.dilation[0] for c in convs] == [1] * 7 + [2] * 3
    assert {c.stride for c in convs} == {(1, 1)}


@pytest.mark.parametrize(
    ("size", "most"), [(VGG_LITE, 5e9), (LITE, 3.1e9)], ids=lambda value: getattr(value, "name", "")
)
def test_small_sizes_stay_within_their_budget_of_operations(size: Size, most: float) -> None:
    frame = torch.zeros(1, 240, 320, 3, dtype=torch.uint8)
    features = torch.zeros(1, size.feature_channels, 60, 80)
    stage1, stage2 = make_stage1(size).eval(), make_stage2(size, CONCAT).eval()
    with torch.inference_mode():
        found = stage1.compare(features, features)
    total = multiply_adds(stage1, frame, features) + multiply_adds(stage2, frame, found.distance, found.context)
    assert 2 * total <= most


def test_multiply_adds_of_known_layers() -> None:
    conv = torch.nn.Conv2d(3, 8, 3, 2, 1)
    up = torch.nn.ConvTranspose2d(8, 4, 2, 2)
    total = multiply_adds(torch.nn.Sequential(conv, up), torch.zeros(1, 3, 16, 16))
    assert total == 8 * 8 * 8 * 3 * 9 + 4 * 16 * 16 * 8


def test_a_depthwise_convolution_costs_one_filter_a_channel() -> None:
    assert multiply_adds(torch.nn.Conv2d(8, 8, 3, padding=1, groups=8), torch.zeros(1, 8, 4, 4)) == 8 * 16 * 9


def test_channels_are_multiples_of_eight() -> None:
    assert [VGG_LITE.channels(c) for c in (64, 128, 256, 512)] == [16, 24, 48, 96]


def test_an_unknown_size_is_refused() -> None:
    with pytest.raises(OptionError, match=r"lite, vgg-lite, paper.*'huge'"):
        size_named("huge")
