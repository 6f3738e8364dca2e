"""NV12, the form in which hardware decoders write frames: a plane of luma, and one of chroma at half its size."""

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from ..utils.validation import check_choice

YuvMatrix = Literal["bt601", "bt709"]

# Weights of red and blue in luma: ITU-R BT.601-7, section 2.5.1, and BT.709-6, section 3.2.
_RED_AND_BLUE = {"bt601": (0.299, 0.114), "bt709": (0.2126, 0.0722)}


class YuvToBgr(NamedTuple):
    """Factors that turn YUV into BGR: ``blue = (y - black) * gain + blue_u * (u - 128)``, and so on."""

    black: float
    gain: float
    blue_u: float
    green_u: float
    green_v: float
    red_v: float


@dataclass(frozen=True, eq=False)
class Nv12Frame:
    """An NV12 frame in GPU memory, such as NVDEC writes it. It is scaled and converted there.

    Attributes:
        luma: Array of any library with a ``__cuda_array_interface__``, ``(H, W) uint8``, both sides even. Rows may lie
            apart.
        chroma: As luma, ``(H/2, W/2, 2)`` or ``(H/2, W) uint8``: U and V in turns.
        matrix: Colours of the video: ``"bt601"``, which most decoders take where nothing is said, or ``"bt709"``, of
            most HD cameras that say so.
        full_range: Whether black is 0 and white 255, instead of 16 and 235.

    Raises:
        OptionError: The matrix is neither of these.
    """

    luma: Any
    chroma: Any
    matrix: YuvMatrix = "bt601"
    full_range: bool = False

    def __post_init__(self) -> None:
        check_choice("matrix", self.matrix, tuple(_RED_AND_BLUE))

    @property
    def to_bgr(self) -> YuvToBgr:
        """How these colours become BGR."""
        red, blue = _RED_AND_BLUE[self.matrix]
        green = 1 - red - blue
        black, gain, spread = (0.0, 1.0, 1.0) if self.full_range else (16.0, 255 / 219, 255 / 224)
        return YuvToBgr(
            black=black,
            gain=gain,
            blue_u=2 * (1 - blue) * spread,
            green_u=-2 * blue * (1 - blue) / green * spread,
            green_v=-2 * red * (1 - red) / green * spread,
            red_v=2 * (1 - red) * spread,
        )
