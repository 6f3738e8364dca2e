"""Fresh networks of a size."""

from .fusion import Fusion
from .pyramid import PyramidDistance
from .sizes import Size
from .stage1 import SiameseDistance
from .stage2 import ContextDecoder, MaskDecoder, UNetDecoder
from .vgg import VggDistance


def make_stage1(size: Size) -> SiameseDistance:
    """Returns stage 1 of a size with random weights."""
    return VggDistance(size) if size.backbone == "vgg" else PyramidDistance(size)


def make_stage2(size: Size, fusion: Fusion) -> MaskDecoder:
    """Returns stage 2 of a size with random weights."""
    return ContextDecoder(size, fusion) if size.context_channels else UNetDecoder(size, fusion)
