"""Records that a camera returns: its frames, state, changes and counts."""

import enum
import time
from dataclasses import dataclass

from ..imaging.io import Image


class CameraState(enum.Enum):
    """The state of a camera; see `edgefg.Camera`."""

    CONNECTING = "connecting"
    LIVE = "live"
    STALLED = "stalled"
    RECONNECTING = "reconnecting"
    ENDED = "ended"


@dataclass(frozen=True, eq=False)
class CameraFrame:
    """One frame of a camera. You own the image and may change it.

    Attributes:
        image: ``(H, W, 3) uint8 BGR``. Its size may change when the camera is reconnected.
        captured_s: Estimated time of capture, by ``time.monotonic()``.
        pts_s: Time of capture in seconds, by the source's own clock; None if the source does not state it.
        sequence: Number of the frame within the camera, from 0. Replaced frames are numbered too.
        dropped: Number of frames that newer ones replaced between the frame read before and this one.
    """

    image: Image
    captured_s: float
    pts_s: float | None
    sequence: int
    dropped: int

    @property
    def age_ms(self) -> float:
        """Milliseconds since the frame was captured."""
        return (time.monotonic() - self.captured_s) * 1e3


@dataclass(frozen=True)
class CameraStatistics:
    """Counts of a camera's frames and failures so far.

    Attributes:
        received: Frames that were decoded and made available.
        dropped: Received frames that were replaced by a newer one before you read them.
        reconnects: Reconnections after which frames arrived again.
        decode_errors: Packets that did not decode completely, and places where frames are missing.
        damaged: Frames that were held back, because they depend on missing or damaged data.
        repeated: Frames that were bit-identical to the one before.
        clock_jumps: Jumps of the source's clock.
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
    """A change of a camera's state, of its frozen flag, or of the reason why it is not live.

    Attributes:
        state: State after the change.
        frozen: Whether the picture is frozen.
        reason: Reason for the state, in one line without credentials; empty if the camera works.
        at_s: Time of the change, by ``time.monotonic()``.
    """

    state: CameraState
    frozen: bool
    reason: str
    at_s: float
