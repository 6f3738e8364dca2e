"""What one says to a camera, and what one gets from it."""

import enum
import math
import time
from dataclasses import dataclass, fields

from ..errors import OptionError
from ..imaging.io import Image


class CameraState(enum.Enum):
    """What a camera is doing."""

    CONNECTING = "connecting"
    LIVE = "live"
    STALLED = "stalled"
    RECONNECTING = "reconnecting"
    ENDED = "ended"


@dataclass(frozen=True)
class CameraOptions:
    """How to read a camera.

    Attributes:
        paced: A file or folder gives its frames in their own time, like a camera; otherwise as fast as they are
            read, and none is dropped.
        loop: A file or folder begins anew at its end.
        fps: Frames a second of a file or folder; None is what the file says, or 25.
        transport: ``"tcp"`` or ``"udp"``, for RTSP.
        trust_clock: Tell the age of a frame by the source's own clock, which knows how long it was under way. Without,
            a frame is as old as the time since it arrived.
        connect_timeout_s: How long to wait for a connection, and then for the first frame.
        stall_s: A camera without a new frame for this long is stalled.
        read_timeout_s: And after this long it is connected to anew.
        max_lag_s: So it is when its frames have come later than this for some seconds, to skip what waits on the way.
        frozen_s: A camera whose picture has been the same, to the last bit, for this long is frozen.
        min_delay_s: The first pause before a camera is connected to anew; each further one is half as long again.
        max_delay_s: The longest pause.
        decode_threads: CPU threads that decode one camera; more than 1 helps only where a picture has several slices.

    Raises:
        OptionError: An option makes no sense.
    """

    paced: bool = True
    loop: bool = False
    fps: float | None = None
    transport: str = "tcp"
    trust_clock: bool = True
    connect_timeout_s: float = 10.0
    stall_s: float = 2.0
    read_timeout_s: float = 5.0
    max_lag_s: float = 3.0
    frozen_s: float = 10.0
    min_delay_s: float = 1.0
    max_delay_s: float = 30.0
    decode_threads: int = 1

    def __post_init__(self) -> None:
        if self.transport not in ("tcp", "udp"):
            raise OptionError(f"transport must be tcp or udp; got {self.transport!r}")
        for option in fields(self):
            value = getattr(self, option.name)
            if option.name.endswith("_s") or (option.name == "fps" and value is not None):
                _check_above_zero(option.name, value)
        if isinstance(self.decode_threads, bool) or not isinstance(self.decode_threads, int) or self.decode_threads < 1:
            raise OptionError(f"decode_threads must be a whole number above 0; got {self.decode_threads!r}")
        if self.stall_s > self.read_timeout_s:
            raise OptionError(f"stall_s must not be above read_timeout_s; got {self.stall_s} and {self.read_timeout_s}")
        if self.min_delay_s > self.max_delay_s:
            raise OptionError(
                f"min_delay_s must not be above max_delay_s; got {self.min_delay_s} and {self.max_delay_s}"
            )


def _check_above_zero(name: str, value: object) -> None:
    # Written so that NaN is refused too.
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < math.inf:
        raise OptionError(f"{name} must be a number above 0; got {value!r}")


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
