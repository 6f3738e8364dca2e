"""Cameras, each with its own thread, which keeps only the newest frame and reconnects indefinitely.

    with open_camera("rtsp://user:password@192.168.1.20/stream") as camera:
        for frame in camera:
            print(frame.image.shape, frame.age_ms, camera.state)

A camera goes through these states; `edgefg.Camera.take_changes` reports when and why:

    CONNECTING --> LIVE --> STALLED         no new frame for a while; the next one makes it live again
                     |         |
                     +---------+--> RECONNECTING --> LIVE      with pauses of 1 s to 30 s between attempts
    ENDED          a file at its end, or a failure that no further attempt can fix
"""

import atexit
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from ..errors import ClosedError, StreamEndedError
from ..utils.closeable import Closeable
from ..utils.own_process import OwnProcess
from ..utils.redaction import redacted
from .latest_frame import LatestFrame
from .open import source_for
from .options import CameraOptions
from .reader import read_camera
from .source import CameraSource
from .state import CameraChange, CameraFrame, CameraState, CameraStatistics

_CLOSE_WAIT_S = 2.0

_OPEN: "set[Camera]" = set()
"""Cameras whose threads may still be running."""


def open_camera(url: str | Path, name: str | None = None, options: CameraOptions | None = None) -> "Camera":
    """Opens a camera, a file, a folder of images or a GStreamer pipeline. It never blocks: another thread connects.

    Args:
        url: ``rtsp://``; ``http://`` or ``https://`` (MJPEG, any other format that FFmpeg reads, or a snapshot address,
            which returns one picture at a time); ``/dev/video0``, or 0; a video file, a folder of images or a glob; or
            a GStreamer pipeline whose last element returns raw video, such as
            ``rtspsrc location=rtsp://... ! decodebin``.
        name: Name of the camera in messages; None takes the address without its credentials.
        options: Options for reading the camera.

    Raises:
        CameraError: No camera can have this address.
        MissingFileError: The file or folder does not exist.
        MissingDependencyError: A package that reads such a source is not installed.
    """
    chosen = options or CameraOptions()
    return Camera(source_for(str(url), chosen), redacted(name or str(url)), chosen)


class Camera(Closeable):
    """A camera that is being read; made by `edgefg.open_camera`. You may call any method from any thread.

    In a process that was forked after the camera was opened, everything raises OtherProcessError, except ``close``,
    which does nothing.

    Attributes:
        name: Name of the camera in messages, without credentials.
    """

    def __init__(self, source: CameraSource, name: str, options: CameraOptions) -> None:
        """Starts the camera's thread."""
        self.name = name
        self._home = OwnProcess("Camera")
        self._latest = LatestFrame(name, options.stall_s if source.live else None, options.max_wait_s)
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
        """The camera's current state."""
        return self._latest.state

    @property
    def error(self) -> str:
        """Reason why the camera is not live, or last was not: one line without credentials; empty if it always was."""
        return self._latest.error

    @property
    def frozen(self) -> bool:
        """Whether the picture has been bit-identical for ``frozen_s``."""
        return self._latest.frozen

    @property
    def statistics(self) -> CameraStatistics:
        """Counts of the camera's frames and failures so far."""
        return self._latest.statistics

    def take_changes(self) -> list[CameraChange]:
        """Returns the changes since the last call, oldest first. Only the newest 256 are kept."""
        return self._latest.take_changes()

    def read(self, timeout_s: float = 1.0) -> CameraFrame | None:
        """Returns the newest frame that was not read before. Waits for one if there is none.

        Args:
            timeout_s: Maximum time to wait.

        Returns:
            The frame, or None if none arrived in that time; ``state`` and ``error`` say why.

        Raises:
            StreamEndedError: There will be no more frames, because the file is at its end or the camera failed for
                good; the message says which. Earlier frames are returned first.
            ClosedError: The camera was closed, before or during this call.
        """
        unread = self._latest.take(timeout_s)
        if unread is None:
            return None
        return CameraFrame(
            unread.picture.to_bgr(), unread.captured_s, unread.picture.pts_s, unread.sequence, unread.dropped
        )

    def __iter__(self) -> Iterator[CameraFrame]:
        """Yields frames, waiting while there is none, until the source ends or the camera is closed."""
        while True:
            try:
                frame = self.read()
            except (StreamEndedError, ClosedError):
                return
            if frame is not None:
                yield frame

    def close(self, wait_s: float = _CLOSE_WAIT_S) -> None:
        """Stops the camera's thread, and wakes all waiting readers. Closing twice is fine.

        Args:
            wait_s: Maximum time to wait for the thread. A thread that is connecting ends when that attempt ends, and
                does not connect again. To close many cameras, close each with 0 first.
        """
        # The thread, and its connection, are the parent's.
        if not self._home.is_this:
            return
        self._latest.close()
        self._thread.join(wait_s)

    def _read_all(self, source: CameraSource, options: CameraOptions) -> None:
        """Reads the source, in the camera's thread."""
        try:
            read_camera(source, options, self._latest)
        finally:
            # Done here, because the thread may end long after close().
            _OPEN.discard(self)


@atexit.register
def _close_all() -> None:
    """Closes all cameras at exit, because a thread that is inside a library when Python exits can crash the program."""
    left = list(_OPEN)
    for camera in left:
        camera.close(wait_s=0)
    deadline_s = time.monotonic() + _CLOSE_WAIT_S
    for camera in left:
        camera.close(max(0.0, deadline_s - time.monotonic()))
