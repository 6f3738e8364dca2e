"""What a camera returns: frames, its state, its changes and its counts."""

import enum
import time
from dataclasses import dataclass

from ..imaging.io import Image


class CameraState(enum.Enum):
    """What a camera is doing."""

    CONNECTING = "connecting"
    LIVE = "live"
    STALLED = "stalled"
    RECONNECTING = "reconnecting"
    ENDED = "ended"


@dataclass(frozen=True, eq=False)
class CameraFrame:
    """One frame of a camera. The image is the reader's own.

    Attributes:
        image: ``(H, W, 3) uint8 BGR``. Its size may change when a camera is connected to anew.
        captured_s: When it was taken, by ``time.monotonic()``, as far as that can be told on this side.
        pts_s: When it was taken, in seconds by the source's own clock; None if the source does not say.
        sequence: Its number within the camera, from 0. Frames that were replaced have numbers too.
        dropped: How many frames were replaced by newer ones between the one read before and this one.
    """

    image: Image
    captured_s: float
    pts_s: float | None
    sequence: int
    dropped: int

    @property
    def age_ms(self) -> float:
        """Milliseconds since it was taken."""
        return (time.monotonic() - self.captured_s) * 1e3


@dataclass(frozen=True)
class CameraStatistics:
    """What a camera has given so far.

    Attributes:
        received: Frames that were decoded and offered to the reader.
        dropped: Of those, how many were replaced by a newer one before they were read.
        reconnects: How often the camera was connected to anew and gave frames again.
        decode_errors: Packets that did not decode, or only in part, and places where frames are missing.
        damaged: Frames that were held back, because they build on something that did not decode or did not come.
        repeated: Frames that were the same, to the last bit, as the one before.
        clock_jumps: How often the source's clock jumped.
    """

    received: int = 0
    dropped: int = 0
    reconnects: int = 0
    decode_errors: int = 0
    damaged: int = 0
    repeated: int = 0
    clock_jumps: int = 0


@dataclass(frozen=True)
class CameraChange:
    """A change of a camera's state, of whether its picture is frozen, or of what keeps it from being live.

    Attributes:
        state: The state from then on.
        frozen: Whether the same picture comes again and again.
        reason: Why, in one line without credentials; empty if all is well.
        at_s: When, by ``time.monotonic()``.
    """

    state: CameraState
    frozen: bool
    reason: str
    at_s: float
