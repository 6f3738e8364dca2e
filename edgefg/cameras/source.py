"""What a camera's thread needs of a source: pictures one by one, and never a wait without an end."""

import enum
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from ..imaging.io import Image


@dataclass(frozen=True, eq=False)
class DecodedFrame:
    """One decoded picture.

    Attributes:
        to_bgr: Gives ``(H, W, 3) uint8 BGR``. A picture that nobody reads is never converted.
        pts_s: When it was taken, in seconds by the source's own clock; None if the source does not say.
        pixels: ``(H, W) uint8`` or ``(H, W, C) uint8``, enough to tell two pictures apart. Only to be looked at.
        one_behind: Whether it was held back until the next one began.
    """

    to_bgr: Callable[[], Image]
    pts_s: float | None
    pixels: npt.NDArray[np.uint8]
    one_behind: bool = False


class Gap(enum.Enum):
    """What came in place of a picture."""

    NOTHING = "nothing"
    UNDECODABLE = "undecodable"
    DAMAGED = "damaged"


DecodedFrames = Generator[DecodedFrame | Gap, None, None]


class CameraSource(Protocol):
    """A place that pictures come from, which can be connected to again and again.

    Attributes:
        live: Whether pictures come in their own time, whoever reads, and should never end. A picture of a source that
            is not live has its time since the start in ``pts_s``.
    """

    live: bool

    def connect(self) -> AbstractContextManager[DecodedFrames]:
        """Connects, and gives pictures, and a gap at least every few seconds in which there is none.

        Raises:
            CameraError: It cannot be connected to, or is lost while pictures are taken. Another try may help.
            EdgefgError: No further try will help.
        """
