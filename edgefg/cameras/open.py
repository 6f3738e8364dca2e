"""Choice of the source that reads an address, and the source of files and images."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from ..errors import CameraError, MissingFileError
from ..imaging.io import Image
from ..media.reader import check_exists, open_video
from ..utils.redaction import redacted
from .options import CameraOptions
from .source import CameraSource, DecodedFrame, DecodedFrames, Waits

STREAM_SCHEMES = ("rtsp", "rtsps", "http", "https")
_DEVICE = re.compile(r"/dev/video[0-9]+")
_EXPECTED = (
    "a stream (rtsp://, rtsps://, http://, https://), a device (/dev/video0), a video file, a folder of images, "
    "a glob, or a GStreamer pipeline (rtspsrc location=... ! ...)"
)


def source_for(url: str, options: CameraOptions) -> CameraSource:
    """Returns the source that reads an address. It opens nothing, so it never blocks.

    Raises:
        CameraError: No camera can have this address.
        MissingFileError: The file or folder does not exist.
        MissingDependencyError: A package that reads such a source is not installed.
    """
    # A file's name may look like anything. Not Path.is_file, which raises an error if it is too long for a name.
    if os.path.isfile(url):  # noqa: PTH113
        return FileSource(url, options)
    scheme, separator, rest = url.partition("://")
    # Checked first, because a pipeline may contain addresses.
    if " ! " in url:
        from .gstreamer import GStreamerSource

        return GStreamerSource(url)
    if separator:
        if scheme.lower() not in STREAM_SCHEMES or not rest.strip("/"):
            raise CameraError(f"{redacted(url)}: expected {_EXPECTED}")
        if scheme.lower().startswith("http"):
            from .over_http import HttpSource

            return HttpSource(url, options)
        from .rtsp import rtsp_source

        return rtsp_source(url, options)
    if url.isdecimal() and not Path(url).exists():
        url = f"/dev/video{url}"
    if _DEVICE.fullmatch(url):
        from .v4l2 import V4l2Source

        return V4l2Source(url)
    if not url:
        raise CameraError(f"expected {_EXPECTED}; got an empty address")
    try:
        check_exists(url)
    except MissingFileError as error:
        if "@" not in url:
            raise
        raise MissingFileError(f"{error}; a stream's address begins with rtsp:// or http://") from None
    return FileSource(url, options)


class FileSource:
    """A video file, the images of a folder, or those that a glob matches; see `CameraSource`."""

    live = False

    def __init__(self, path: str, options: CameraOptions) -> None:
        self._path = path
        self._fps = options.fps
        self._value_range = options.value_range
        self._loop = options.loop

    @contextmanager
    def connect(self, waits: Waits) -> Iterator[DecodedFrames]:
        yield self._pictures()

    def _pictures(self) -> DecodedFrames:
        # Opened only now, because the file may be on a sleeping disk or a network drive.
        source = open_video(self._path, value_range=self._value_range)
        step_s = 1 / (self._fps or source.fps)
        begun_s = 0.0
        while True:
            time_s = 0.0
            for number, frame in enumerate(source.timed()):
                time_s = number * step_s if self._fps else frame.time_s
                yield DecodedFrame(partial(_unchanged, frame.image), begun_s + time_s, frame.image)
            if not self._loop:
                return
            begun_s += time_s + step_s


def _unchanged(image: Image) -> Image:
    return image
