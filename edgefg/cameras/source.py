"""The protocol of a camera's source, which yields pictures one by one and never blocks indefinitely."""

import enum
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from ..errors import CameraError
from ..imaging.io import Image


@dataclass(frozen=True, eq=False)
class DecodedFrame:
    """One decoded picture.

    Attributes:
        to_bgr: Function that returns ``(H, W, 3) uint8 BGR``. A picture that is not read is never converted.
        pts_s: Time of capture in seconds, by the source's own clock; None if the source does not state it.
        pixels: ``(H, W) uint8`` or ``(H, W, C) uint8``, read-only, sufficient to distinguish two pictures.
        one_behind: Whether the picture was held back until the next one began.
    """

    to_bgr: Callable[[], Image]
    pts_s: float | None
    pixels: npt.NDArray[np.uint8]
    one_behind: bool = False


class SilenceError(CameraError):
    """A camera that is there, but from which nothing came in time."""


class Gap(enum.Enum):
    """Reason why there is no picture."""

    NOTHING = "nothing"
    UNDECODABLE = "undecodable"
    DAMAGED = "damaged"
    PAUSE = "pause"
    """None is due yet: the source fetches each itself."""
    UNCHANGED = "unchanged"
    """It is the same picture as before, so there is nothing to decode."""


@dataclass(frozen=True)
class Waits:
    """How long a source may wait.

    Attributes:
        connect_s: For a connection.
        read_s: For data.
    """

    connect_s: float
    read_s: float


DecodedFrames = Generator[DecodedFrame | Gap, None, None]


class CameraSource(Protocol):
    """A source of pictures, which can be connected to any number of times.

    Attributes:
        live: Whether pictures arrive at their own rate, independent of readers, and should never end. A picture of a
            source that is not live has its time since the start in ``pts_s``.
    """

    live: bool

    def connect(self, waits: Waits) -> AbstractContextManager[DecodedFrames]:
        """Connects and yields pictures, and a gap at least every few seconds while there is none.

        Args:
            waits: How long to wait. A source of files ignores it.

        Raises:
            SilenceError: Nothing came in that time. A longer wait may help.
            CameraError: The connection failed or was lost. Another attempt may help.
            EdgefgError: The source failed, and no further attempt will help.
        """
