"""The sizes of the networks: one width multiplier spans the paper's system and the small one."""

from dataclasses import dataclass
from typing import Literal

from edgefg.errors import OptionError

INPUT_SIZE = (320, 240)
"""Default width and height, in pixels, of the frames in training and in engines."""

SIDE_MULTIPLE = 16
"""Stage 2 halves the frame four times."""

MAX_SIDE = 4096
"""Largest side of an input, in pixels: beyond it, one frame's features take gigabytes."""

MARGIN = 30.0
"""Distance, in map units, beyond which a changed pixel costs nothing (the paper's m)."""


@dataclass(frozen=True)
class Size:
    """The size of the two networks.

    Attributes:
        name: Name in commands, cards and manifests.
        width: Multiplier of the paper's channel counts (VGG16's 64, 128, 256, 512).
        early_stride: Stride of each network's first convolution, 1 or 2. With 2, the second pooling
            of stage 1 keeps its size, so that the distance map is a quarter of the frame either way.
        feature_channels: Depth of stage 1's features.
        fine_channels: How many of them, the last ones, hold the frame's own colours in detail. They reach stage 2 in
            the context, and do not count in the distance.
        batch_norm: Whether training normalises batches. Export folds it away; a start from
            pretrained VGG16 weights, which have none, needs it off.
        backbone: Backbone of stage 1. Width and early stride do not apply to ``efficientnet_lite0``.
        context_channels: Depth of what stage 1 tells stage 2 of both frames, apart from their distance; 0 for nothing.
    """

    name: str
    width: float
    early_stride: int
    feature_channels: int
    batch_norm: bool
    backbone: Literal["vgg", "efficientnet_lite0"] = "vgg"
    context_channels: int = 0
    fine_channels: int = 0

    def channels(self, paper_channels: int) -> int:
        """Scales a channel count of the paper to a multiple of 8, which suits tensor cores and SIMD units."""
        return max(8, int(paper_channels * self.width / 8 + 0.5) * 8)


PAPER = Size("paper", width=1.0, early_stride=1, feature_channels=512, batch_norm=False)
VGG_LITE = Size("vgg-lite", width=0.1875, early_stride=2, feature_channels=64, batch_norm=True)
LITE = Size(
    "lite",
    width=0.1875,
    early_stride=2,
    feature_channels=60,
    batch_norm=True,
    backbone="efficientnet_lite0",
    context_channels=44,
    fine_channels=12,
)
SIZES = {size.name: size for size in (LITE, VGG_LITE, PAPER)}


def size_named(name: str) -> Size:
    """Returns a size by its name.

    Raises:
        OptionError: No size has that name.
    """
    if name not in SIZES:
        raise OptionError(f"size must be one of {', '.join(SIZES)}; got {name!r}")
    return SIZES[name]


def check_input_size(input_size: tuple[int, int]) -> None:
    """Refuses a width and height that the networks cannot take.

    Raises:
        OptionError: A side is not a multiple of 16, or too large.
    """
    if any(side % SIDE_MULTIPLE or not 0 < side <= MAX_SIDE for side in input_size):
        raise OptionError(
            f"expected an input size whose sides are multiples of {SIDE_MULTIPLE}, at most {MAX_SIDE}, got "
            f"{input_size[0]}x{input_size[1]}"
        )
