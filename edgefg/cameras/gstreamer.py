"""Cameras that a GStreamer pipeline reads through PyGObject, which also reaches a Jetson's decoder."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from importlib.util import find_spec
from types import ModuleType
from typing import Any

import numpy as np

from ..errors import CameraError, MissingDependencyError, OptionError
from ..imaging.io import Image
from ..utils.redaction import redacted
from .source import DecodedFrame, DecodedFrames, Gap, Waits

_INSTALL = (
    "sudo apt-get install python3-gi gir1.2-gstreamer-1.0 gir1.2-gst-plugins-base-1.0 gstreamer1.0-plugins-base "
    "gstreamer1.0-plugins-good, in an environment made with --system-site-packages"
)
# Only the newest picture is kept, and none waits for its presentation time.
_SINK = "appsink name=edgefg max-buffers=1 drop=true sync=false"
_CONVERTED = f"videoconvert ! video/x-raw,format=BGR ! {_SINK}"
_WAIT_NS = 100_000_000
# A second thread must not use GStreamer while a first one still loads it: it would find no elements.
_LOADING = threading.Lock()


class GStreamerSource:
    """A pipeline in the syntax of ``gst-launch-1.0``, whose last element returns raw video; see `CameraSource`."""

    live = True

    def __init__(self, description: str, camera: Mapping[str, str] | None = None) -> None:
        """Keeps the pipeline's description.

        Args:
            description: The pipeline.
            camera: Properties of the element named ``camera``, as they are: a description would need them quoted.

        Raises:
            MissingDependencyError: PyGObject is not installed.
        """
        if find_spec("gi") is None:
            raise MissingDependencyError(f"PyGObject is not installed, which a GStreamer pipeline needs: {_INSTALL}")
        self._description = description
        self._camera = camera or {}

    @contextmanager
    def connect(self, waits: Waits) -> Iterator[DecodedFrames]:
        gst, video, errors = _import_gstreamer()
        try:
            pipeline = gst.parse_launch(f"{self._description} ! {_CONVERTED}")
        except errors as reason:
            # Another attempt would not help.
            raise OptionError(f"cannot make the GStreamer pipeline: {redacted(reason.message)}") from None
        for name, value in self._camera.items():
            pipeline.get_by_name("camera").set_property(name, value)
        try:
            pipeline.set_state(gst.State.PLAYING)
            yield _pictures(gst, video, pipeline)
        finally:
            pipeline.set_state(gst.State.NULL)


def has_elements(names: Sequence[str]) -> bool:
    """Returns whether GStreamer has all of these elements.

    Raises:
        MissingDependencyError: GStreamer or PyGObject is not installed.
    """
    gst, _, _ = _import_gstreamer()
    return all(gst.ElementFactory.find(name) is not None for name in names)


def _import_gstreamer() -> tuple[ModuleType, ModuleType, type[Any]]:
    with _LOADING:
        try:
            import gi

            gi.require_version("Gst", "1.0")
            gi.require_version("GstVideo", "1.0")
            from gi.repository import GLib, Gst, GstVideo
        except (ImportError, ValueError) as reason:
            raise MissingDependencyError(f"cannot load GStreamer ({reason}): {_INSTALL}") from reason
        Gst.init(None)
        return Gst, GstVideo, GLib.Error


def _pictures(gst: Any, video: Any, pipeline: Any) -> DecodedFrames:
    sink, bus = pipeline.get_by_name("edgefg"), pipeline.get_bus()
    while True:
        sample = sink.emit("try-pull-sample", _WAIT_NS)
        if sample is not None:
            yield _picture(gst, video, sample)
            continue
        message = bus.pop_filtered(gst.MessageType.ERROR | gst.MessageType.EOS)
        if message is None:
            yield Gap.NOTHING
        elif message.type == gst.MessageType.EOS:
            return
        else:
            error, _ = message.parse_error()
            raise CameraError(f"GStreamer: {redacted(error.message)}")


def _picture(gst: Any, video: Any, sample: Any) -> DecodedFrame:
    info = video.VideoInfo.new_from_caps(sample.get_caps())
    buffer = sample.get_buffer()
    data = buffer.extract_dup(0, buffer.get_size())
    lines = np.frombuffer(data, np.uint8)[: info.height * info.stride[0]].reshape(info.height, info.stride[0])
    image = lines[:, : info.width * 3].reshape(info.height, info.width, 3)
    pts_s = None if buffer.pts == gst.CLOCK_TIME_NONE else buffer.pts / gst.SECOND
    return DecodedFrame(partial(_writable, image), pts_s, image)


def _writable(image: Image) -> Image:
    return image.copy()
