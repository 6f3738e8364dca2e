"""Options for reading a camera."""

from dataclasses import dataclass, fields

from ..errors import OptionError
from ..imaging.levels import ValueRange, check_value_range
from ..utils.validation import check_choice, check_count, check_number, shown


@dataclass(frozen=True)
class CameraOptions:
    """Options for reading a camera.

    Attributes:
        paced: Whether a file or folder returns its frames at their own rate, like a camera. Otherwise they are returned
            as fast as you read them, and none is dropped.
        loop: Whether a file or folder starts again at its end.
        fps: Frames per second of a file or folder; None takes the file's own times, or 25.
        value_range: Levels of a file or folder that become 0 and 255, as `edgefg.open_video` takes them.
        transport: Transport of RTSP, ``"tcp"`` or ``"udp"``.
        decoder: Decoder of RTSP: ``"cpu"``, which is FFmpeg; ``"nvdec"``, a Jetson's through GStreamer; or ``"auto"``,
            which takes a Jetson's where GStreamer has it, and FFmpeg elsewhere.
        trust_clock: Whether to measure a frame's age by the source's own clock, which includes the time in transit.
            Otherwise the age is the time since the frame arrived.
        connect_timeout_s: Maximum time to wait for a connection, and then for the first frame.
        stall_s: Time without a new frame after which a camera is stalled.
        read_timeout_s: Time without a new frame after which the camera is reconnected.
        max_wait_s: Longest time that a slow camera is waited for. The times above, ``max_lag_s`` and ``frozen_s`` grow
            with the usual time between its frames, up to this.
        poll_s: Time between two pictures that are fetched from a snapshot address, which returns one at a time.
        max_lag_s: Delay of frames from which, after some seconds, the camera is reconnected to skip queued frames.
        frozen_s: Time with a bit-identical picture after which a camera is frozen.
        min_delay_s: First pause before a reconnection; each further pause is half as long again.
        max_delay_s: Longest pause.
        decode_threads: CPU threads that decode one camera. More than 1 helps only if a picture has several slices.

    Raises:
        OptionError: An option is invalid.
    """

    paced: bool = True
    loop: bool = False
    fps: float | None = None
    value_range: ValueRange = None
    transport: str = "tcp"
    decoder: str = "auto"
    trust_clock: bool = True
    connect_timeout_s: float = 10.0
    stall_s: float = 2.0
    read_timeout_s: float = 5.0
    max_wait_s: float = 120.0
    poll_s: float = 1.0
    max_lag_s: float = 3.0
    frozen_s: float = 10.0
    min_delay_s: float = 1.0
    max_delay_s: float = 30.0
    decode_threads: int = 1

    def __post_init__(self) -> None:
        check_value_range(self.value_range)
        check_choice("transport", self.transport, ("tcp", "udp"))
        check_choice("decoder", self.decoder, ("auto", "cpu", "nvdec"))
        for name in ("paced", "loop", "trust_clock"):
            if not isinstance(getattr(self, name), bool):
                raise OptionError(f"{name} must be true or false; got {shown(getattr(self, name))}")
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
