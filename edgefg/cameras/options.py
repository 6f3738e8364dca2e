"""How to read a camera."""

from dataclasses import dataclass, fields

from ..errors import OptionError
from ..utils.validation import check_choice, check_count, check_number


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
        check_choice("transport", self.transport, ("tcp", "udp"))
        for option in fields(self):
            value = getattr(self, option.name)
            if option.name.endswith("_s") or (option.name == "fps" and value is not None):
                check_number(option.name, value, above=0)
        check_count("decode_threads", self.decode_threads)
        if self.stall_s > self.read_timeout_s:
            raise OptionError(f"stall_s must not be above read_timeout_s; got {self.stall_s} and {self.read_timeout_s}")
        if self.min_delay_s > self.max_delay_s:
            raise OptionError(
                f"min_delay_s must not be above max_delay_s; got {self.min_delay_s} and {self.max_delay_s}"
            )
