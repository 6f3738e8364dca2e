"""RTSP, decoded by a Jetson's own decoder through GStreamer where there is one, and by FFmpeg elsewhere."""

import platform
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec

from ..errors import CameraError, MissingDependencyError
from .ffmpeg import FfmpegSource
from .gstreamer import GStreamerSource, has_elements
from .options import CameraOptions
from .source import CameraSource, DecodedFrames, Waits

_ELEMENTS = ("rtspsrc", "decodebin", "nvv4l2decoder", "nvvidconv")
# decodebin finds the codec, and ranks nvv4l2decoder before the others. nvvidconv brings pictures out of its memory.
_DECODED = "decodebin ! nvvidconv ! video/x-raw,format=BGRx"


def rtsp_source(url: str, options: CameraOptions) -> CameraSource:
    """Returns the source that reads an address with the decoder that the options name.

    Raises:
        MissingDependencyError: A package that the decoder needs is not installed.
    """
    if options.decoder == "nvdec":
        return NvdecSource(url, options)
    # Elsewhere GStreamer is not even loaded, which takes memory, and seconds when it looks at its plugins again.
    if options.decoder == "auto" and platform.machine() == "aarch64" and find_spec("gi") is not None:
        return AutoSource(url, options)
    return FfmpegSource(url, options)


class NvdecSource:
    """RTSP through ``nvv4l2decoder``; see `CameraSource`."""

    live = True

    def __init__(self, url: str, options: CameraOptions) -> None:
        # A camera may offer sound, too.
        received = f"rtspsrc name=camera protocols={options.transport} latency=0 ! application/x-rtp,media=video"
        self._pipeline = GStreamerSource(f"{received} ! {_DECODED}", {"location": url})

    @contextmanager
    def connect(self, waits: Waits) -> Iterator[DecodedFrames]:
        try:
            with self._pipeline.connect(waits) as pictures:
                yield pictures
        except CameraError as problem:
            raise type(problem)(f"{problem} (nvdec; decoder=cpu takes FFmpeg instead)") from None


class AutoSource:
    """RTSP through ``nvv4l2decoder`` if GStreamer has it, and FFmpeg if not; see `CameraSource`."""

    live = True

    def __init__(self, url: str, options: CameraOptions) -> None:
        self._nvdec, self._ffmpeg = NvdecSource(url, options), FfmpegSource(url, options)

    @contextmanager
    def connect(self, waits: Waits) -> Iterator[DecodedFrames]:
        source = self._nvdec if _has_nvdec() else self._ffmpeg
        with source.connect(waits) as pictures:
            yield pictures


@cache
def _has_nvdec() -> bool:
    """Returns whether GStreamer has all elements; only a camera's thread may wait for that."""
    try:
        return has_elements(_ELEMENTS)
    except MissingDependencyError:
        return False
