"""Cameras, each with a thread of its own that keeps only the newest frame and connects again for ever.

    with open_camera("rtsp://user:password@192.168.1.20/stream") as camera:
        for frame in camera:
            print(frame.image.shape, frame.age_ms, camera.state)

A camera goes through these states; `Camera.take_changes` tells when and why:

    CONNECTING --> LIVE --> STALLED         no new frame for a while; the next one makes it live again
                     |         |
                     +---------+--> RECONNECTING --> LIVE      with pauses of 1 s to 30 s between the tries
    ENDED          a file at its end, or what no further try can mend
"""

import atexit
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from ..errors import ClosedError, StreamEndedError
from ..utils.closeable import Closeable
from ..utils.redaction import redacted
from .latest_frame import LatestFrame
from .open import source_for
from .options import CameraOptions
from .reader import read_camera
from .source import CameraSource
from .state import CameraChange, CameraFrame, CameraState, CameraStatistics

_CLOSE_WAIT_S = 2.0

_OPEN: "set[Camera]" = set()
"""The cameras whose threads may still run."""


def open_camera(url: str | Path, name: str | None = None, options: CameraOptions | None = None) -> "Camera":
    """Opens a camera, a file, a folder of images or a GStreamer pipeline. Never waits: a thread of its own connects.

    Args:
        url: ``rtsp://``, ``http://`` or ``https://`` (MJPEG, and whatever else FFmpeg reads); ``/dev/video0``, or 0; a
            video file, a folder of images or a glob; or a GStreamer pipeline whose last element gives raw video, such
            as ``rtspsrc location=rtsp://... ! decodebin``.
        name: What to call it in messages; None is the address without its credentials.
        options: How to read it.

    Raises:
        CameraError: No camera can have this address.
        MissingFileError: There is no such file or folder.
        MissingDependencyError: A package that reads such a source is not installed.
    """
    chosen = options or CameraOptions()
    return Camera(source_for(str(url), chosen), redacted(name or str(url)), chosen)


class Camera(Closeable):
    """A camera that is being read; made by `open_camera`. Any thread may call anything.

    Attributes:
        name: What it is called in messages; without credentials.
    """

    def __init__(self, source: CameraSource, name: str, options: CameraOptions) -> None:
        """Starts its thread."""
        self.name = name
        self._latest = LatestFrame(name, options.stall_s if source.live else None)
        self._thread = threading.Thread(
            target=self._read_all, args=(source, options), name=f"camera {name}", daemon=True
        )
        _OPEN.add(self)
        try:
            self._thread.start()
        except BaseException:
            _OPEN.discard(self)
            raise

    @property
    def state(self) -> CameraState:
        """What it is doing."""
        return self._latest.state

    @property
    def error(self) -> str:
        """Why it is not live, or was not the last time: one line without credentials; empty if it always was."""
        return self._latest.error

    @property
    def frozen(self) -> bool:
        """Whether the same picture, to the last bit, has come again and again for ``frozen_s``."""
        return self._latest.frozen

    @property
    def statistics(self) -> CameraStatistics:
        """What it has given so far."""
        return self._latest.statistics

    def take_changes(self) -> list[CameraChange]:
        """The changes since this was last called, oldest first; of more than 256 the oldest are forgotten."""
        return self._latest.take_changes()

    def read(self, timeout_s: float = 1.0) -> CameraFrame | None:
        """Gives the newest frame that was not read before; waits for one if there is none.

        Args:
            timeout_s: How long to wait.

        Returns:
            The frame, or None if none came in that time: ``state`` and ``error`` say why.

        Raises:
            StreamEndedError: There will be no more frames: the file is at its end, or no further try can help; then the
                message says why. Frames that came before are given first.
            ClosedError: The camera was closed, before or while this call waited.
        """
        unread = self._latest.take(timeout_s)
        if unread is None:
            return None
        return CameraFrame(
            unread.picture.to_bgr(), unread.captured_s, unread.picture.pts_s, unread.sequence, unread.dropped
        )

    def __iter__(self) -> Iterator[CameraFrame]:
        """Gives frame after frame, waiting while there is none, until the source ends or the camera is closed."""
        while True:
            try:
                frame = self.read()
            except (StreamEndedError, ClosedError):
                return
            if frame is not None:
                yield frame

    def close(self, wait_s: float = _CLOSE_WAIT_S) -> None:
        """Lets its thread end, and wakes all that read. Closing twice is fine.

        Args:
            wait_s: How long to wait for the thread. If it is inside a try to connect, it ends by itself when that does,
                and connects no more. To close many cameras, close each with 0 first.
        """
        self._latest.close()
        self._thread.join(wait_s)

    def _read_all(self, source: CameraSource, options: CameraOptions) -> None:
        """What its thread does."""
        try:
            read_camera(source, options, self._latest)
        finally:
            # Here, because it may end long after it was closed.
            _OPEN.discard(self)


@atexit.register
def _close_all() -> None:
    """Threads that are inside a library when Python ends may take the program down, so they get a moment to end."""
    left = list(_OPEN)
    for camera in left:
        camera.close(wait_s=0)
    deadline_s = time.monotonic() + _CLOSE_WAIT_S
    for camera in left:
        camera.close(max(0.0, deadline_s - time.monotonic()))
