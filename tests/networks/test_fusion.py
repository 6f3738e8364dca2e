import pytest

torch = pytest.importorskip("torch")
from edgefg.build.networks.fusion import (
    ADD,
    ADD_GAIN,
    ADD_STD,
    CONCAT,
    FUSIONS,
    IMAGE_MEAN,
    IMAGE_STD,
    LIMIT,
    Fusion,
    fusion_named,
)
from edgefg.build.networks.sizes import MARGIN, PAPER, VGG_LITE
from edgefg.build.networks.stage2 import UNetDecoder
from edgefg.errors import OptionError

both = pytest.mark.parametrize("fusion", FUSIONS.values(), ids=list(FUSIONS))


def test_add_rounds_the_map_and_adds_it_to_the_frame() -> None:
    frame = torch.full((1, 8, 8, 3), 100, dtype=torch.uint8)
    fused = ADD.fuse(frame, torch.full((1, 2, 2), 6.6))
    assert fused.shape == (1, 3, 8, 8)
    assert fused.unique().tolist() == pytest.approx([(100 + ADD_GAIN * 7 - IMAGE_MEAN) / ADD_STD])


def test_concat_leaves_the_frame_as_it_is_and_puts_the_rounded_map_beside_it() -> None:
    frame = torch.full((1, 8, 8, 3), 100, dtype=torch.uint8)
    fused = CONCAT.fuse(frame, torch.full((1, 2, 2), 6.6))
    assert fused.shape == (1, 4, 8, 8)
    assert fused[:, :3].unique().tolist() == pytest.approx([(100 - IMAGE_MEAN) / IMAGE_STD])
    assert fused[:, 3].unique().tolist() == pytest.approx([7 / MARGIN])


@both
def test_fusion_caps_the_map(fusion: Fusion) -> None:
    frame = torch.zeros(1, 4, 4, 3, dtype=torch.uint8)
    far, farther = torch.full((1, 1, 1), LIMIT), torch.full((1, 1, 1), 1e9)
    assert torch.equal(fusion.fuse(frame, farther), fusion.fuse(frame, far))


def test_a_changed_pixels_map_outweighs_the_image_that_it_is_added_to() -> None:
    # The map must span several times the image's own spread, or the decoder can't see it.
    assert ADD_GAIN * MARGIN >= 3 * 255


@both
@pytest.mark.parametrize("size", [VGG_LITE, PAPER], ids=lambda size: size.name)
def test_each_fusion_gives_a_mask_at_each_size(fusion: Fusion, size: object) -> None:
    with torch.inference_mode():
        frame = torch.zeros(1, 48, 64, 3, dtype=torch.uint8)
        assert UNetDecoder(size, fusion).eval()(frame, torch.zeros(1, 12, 16)).shape == (1, 48, 64)


def test_an_unknown_fusion() -> None:
    with pytest.raises(OptionError, match="fusion must be one of add, concat; got 'multiply'"):
        fusion_named("multiply")
