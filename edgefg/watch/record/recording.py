"""Recorders for one camera: a clip of each event, with the time before it; and a video of everything."""

from collections import deque
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from ...imaging.draw import overlay
from ...imaging.io import Image
from ..work_queue import WorkQueue
from .cleanup import DiskShare
from .naming import file_time
from .split_video import SplitVideo

MAX_CLIP_S = 120.0
_MAX_PIECE_S = 600.0
_MAX_WAITING_FRAMES = 24
_MAX_KEPT_FRAMES = 600
_CATCH_UP_FRAMES = 3
_PRE_ROLL_QUALITY = 92


@dataclass(frozen=True, eq=False)
class _Kept:
    """A frame of the time before an event, compressed."""

    jpeg: "np.ndarray[tuple[int], np.dtype[np.uint8]]"
    at_s: float


class ClipRecorder:
    """Clips of one camera's events.

    Attributes:
        queue: The frames that wait for the disk.
    """

    name = "record"

    def __init__(
        self, folder: Path, camera: str, pre_roll_s: float, max_disk_mb: float, keep_days: float | None = None
    ) -> None:
        """Starts its thread.

        Args:
            folder: Where clips go.
            camera: The camera's name.
            pre_roll_s: How much of the time before an event a clip shows.
            max_disk_mb: How much clips may take before the oldest are removed.
            keep_days: Older ones are removed, too; None has no limit.
        """
        self._folder = folder
        self._camera = camera
        self._pre_roll_s = pre_roll_s
        self._share = DiskShare(folder, camera, max_disk_mb, keep_days)
        self._before: deque[_Kept] = deque(maxlen=_MAX_KEPT_FRAMES)
        self._video: SplitVideo | None = None
        self.queue = WorkQueue(f"edgefg record {camera}", _MAX_WAITING_FRAMES)

    def add(self, image: Image, at_s: float) -> None:
        """Adds a frame, taken at that time by ``time.monotonic()``."""
        self.queue.put(lambda: self._add(image, at_s))

    def start(self, event_id: str, snapshot: bytes | None) -> str:
        """Begins a clip.

        Returns:
            The name of its files, without their suffixes: ``.mp4`` and, for the snapshot, ``.jpg``.
        """
        name = f"{self._camera}-{file_time()}-{event_id}"
        self.queue.put(lambda: self._start(name, snapshot), needed=True)
        return name

    def stop(self) -> None:
        """Completes the clip."""
        self.queue.put(self._stop, needed=True)

    def tidy(self) -> None:
        """Removes what has become too old, also where nothing new is recorded."""
        self.queue.put(self._share.prune)

    def close(self) -> None:
        """Completes the clip, if there is one, and ends the thread."""
        self.stop()
        self.queue.close()

    def _add(self, image: Image, at_s: float) -> None:
        self._before.append(_Kept(_compressed(image), at_s))
        if self._video is not None:
            # A few at a time: all earlier frames at once would hold up the new ones.
            self._write(_CATCH_UP_FRAMES)
            return
        # Of a slow camera, the frame on which motion was first seen stays, however long ago it came.
        least = 2 if self._pre_roll_s else 1
        while len(self._before) > least and at_s - self._before[0].at_s > self._pre_roll_s:
            self._before.popleft()

    def _start(self, name: str, snapshot: bytes | None) -> None:
        self._stop()
        # Each file counts once it is complete, also before the end of the clip: motion may never end.
        self._video = SplitVideo(self._folder, name, MAX_CLIP_S, self._share.add)
        if snapshot is not None:
            path = self._folder / f"{name}.jpg"
            path.write_bytes(snapshot)
            self._share.add(path)

    def _stop(self) -> None:
        if self._video is not None:
            video = self._video
            try:
                self._write(_MAX_KEPT_FRAMES)
            finally:
                self._video = None
                video.close()

    def _write(self, max_frames: int) -> None:
        """Moves the oldest frames to the video."""
        assert self._video is not None
        for _ in range(min(max_frames, len(self._before))):
            kept = self._before.popleft()
            image = np.asarray(cv2.imdecode(kept.jpeg, cv2.IMREAD_COLOR), np.uint8)
            self._video.write(image, kept.at_s)


class OverlayRecorder:
    """Everything that one camera sees, with the foreground tinted, in files of ten minutes.

    Attributes:
        queue: The frames that wait for the disk.
    """

    name = "overlay"

    def __init__(self, folder: Path, camera: str, max_disk_mb: float, keep_days: float | None = None) -> None:
        """Starts its thread; the arguments are those of `ClipRecorder`."""
        self._share = DiskShare(folder, camera, max_disk_mb, keep_days)
        self._video = SplitVideo(folder, f"{camera}-{file_time()}", _MAX_PIECE_S, self._share.add)
        self.queue = WorkQueue(f"edgefg overlay {camera}", _MAX_WAITING_FRAMES)

    def add(self, image: Image, mask: Image, at_s: float) -> None:
        """Adds a frame and its mask, taken at that time by ``time.monotonic()``."""
        self.queue.put(lambda: self._video.write(overlay(image, mask), at_s))

    def tidy(self) -> None:
        """Removes what has become too old."""
        self.queue.put(self._share.prune)

    def close(self) -> None:
        """Completes the file, and ends the thread."""
        self.queue.put(self._video.close, needed=True)
        self.queue.close()


def _compressed(image: Image) -> "np.ndarray[tuple[int], np.dtype[np.uint8]]":
    return np.asarray(cv2.imencode(".jpg", image, (cv2.IMWRITE_JPEG_QUALITY, _PRE_ROLL_QUALITY))[1], np.uint8)
