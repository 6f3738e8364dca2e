"""Videos of what a camera saw: a clip for each event, with the time before it; or everything, in pieces."""

from collections import deque
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from ...errors import OutputError
from ...imaging.convert import size_of
from ...imaging.draw import overlay
from ...imaging.io import Image
from ...media.writers import VideoWriter
from ..work_queue import WorkQueue
from .naming import file_time, own_videos, piece_name

# Players want a rate; frames lie on this grid where their times put them.
_GRID_FPS = 30
_MAX_CLIP_S = 120.0
_MAX_PIECE_S = 600.0
_WAITING_FRAMES = 24
_KEPT_FRAMES = 600
_CATCH_UP_FRAMES = 3
_PRE_ROLL_QUALITY = 92


class Film:
    """A video that goes on in another file when the frames' size changes, or when a file is long enough."""

    def __init__(self, folder: Path, name: str, longest_s: float) -> None:
        self._folder = folder
        self._name = name
        self._longest_s = longest_s
        self._video: VideoWriter | None = None
        self._size = (0, 0)
        self._from_s = 0.0
        self._pieces = 0

    def write(self, image: Image, at_s: float) -> bool:
        """Adds a frame, taken at that time by ``time.monotonic()``.

        Returns:
            Whether a file was completed.

        Raises:
            OutputError: The disk is full, or the folder gone. The file is given up; the next frame begins another.
        """
        over = self._video is not None and (size_of(image) != self._size or at_s - self._from_s >= self._longest_s)
        if over:
            self.close()
        if self._video is None:
            self._pieces += 1
            self._size, self._from_s = size_of(image), at_s
            path = self._folder / piece_name(self._name, self._pieces)
            self._video = VideoWriter(path, fps=_GRID_FPS, size=self._size)
        try:
            self._video.write(image, at_s - self._from_s)
        except OutputError:
            self._video.discard()
            self._video = None
            raise
        return over

    def close(self) -> None:
        """Completes the file."""
        if self._video is not None:
            video, self._video = self._video, None
            try:
                video.close()
            except OutputError:
                video.discard()
                raise


@dataclass(frozen=True, eq=False)
class _Kept:
    """A frame of the time before an event, packed."""

    jpeg: "np.ndarray[tuple[int], np.dtype[np.uint8]]"
    at_s: float


class ClipRecorder:
    """Clips of one camera's events."""

    name = "record"

    def __init__(self, folder: Path, camera: str, pre_roll_s: float, max_disk_mb: float) -> None:
        """Starts its thread.

        Args:
            folder: Where clips go.
            camera: Whose.
            pre_roll_s: How much of the time before an event a clip shows.
            max_disk_mb: How much clips may take before the oldest go.
        """
        self._folder = folder
        self._camera = camera
        self._pre_roll_s = pre_roll_s
        self._max_disk_mb = max_disk_mb
        self._before: deque[_Kept] = deque(maxlen=_KEPT_FRAMES)
        self._film: Film | None = None
        self.backlog = WorkQueue(f"edgefg record {camera}", _WAITING_FRAMES)

    def add(self, image: Image, at_s: float) -> None:
        """Takes note of a frame, taken at that time by ``time.monotonic()``."""
        self.backlog.put(lambda: self._add(image, at_s))

    def start(self, event_id: str, snapshot: bytes | None) -> str:
        """Begins a clip.

        Returns:
            The name of its files, without their suffixes: ``.mp4`` and, for the snapshot, ``.jpg``.
        """
        name = f"{self._camera}-{file_time()}-{event_id}"
        self.backlog.put(lambda: self._start(name, snapshot), needed=True)
        return name

    def stop(self) -> None:
        """Completes the clip."""
        self.backlog.put(self._stop, needed=True)

    def close(self) -> None:
        """Completes what there is, and ends the thread."""
        self.stop()
        self.backlog.close()

    def _add(self, image: Image, at_s: float) -> None:
        self._before.append(_Kept(_packed(image), at_s))
        if self._film is not None:
            # A few at a time: all that came before at once would hold up what comes now.
            self._write(_CATCH_UP_FRAMES)
            return
        while self._before and at_s - self._before[0].at_s > self._pre_roll_s:
            self._before.popleft()

    def _start(self, name: str, snapshot: bytes | None) -> None:
        self._stop()
        self._film = Film(self._folder, name, _MAX_CLIP_S)
        if snapshot is not None:
            (self._folder / f"{name}.jpg").write_bytes(snapshot)

    def _stop(self) -> None:
        if self._film is not None:
            film = self._film
            try:
                self._write(_KEPT_FRAMES)
            finally:
                self._film = None
                film.close()
                prune(self._folder, self._camera, self._max_disk_mb)

    def _write(self, most: int) -> None:
        """Moves the oldest frames to the film."""
        assert self._film is not None
        for _ in range(min(most, len(self._before))):
            kept = self._before.popleft()
            image = np.asarray(cv2.imdecode(kept.jpeg, cv2.IMREAD_COLOR), np.uint8)
            # Not only at its end: motion may never be over.
            if self._film.write(image, kept.at_s):
                prune(self._folder, self._camera, self._max_disk_mb)


class OverlayRecorder:
    """Everything that one camera sees, with the foreground tinted, in files of ten minutes."""

    name = "overlay"

    def __init__(self, folder: Path, camera: str, max_disk_mb: float) -> None:
        self._folder = folder
        self._camera = camera
        self._max_disk_mb = max_disk_mb
        self._film = Film(folder, f"{camera}-{file_time()}", _MAX_PIECE_S)
        self.backlog = WorkQueue(f"edgefg overlay {camera}", _WAITING_FRAMES)

    def add(self, image: Image, mask: Image, at_s: float) -> None:
        """Takes note of a frame and its mask, taken at that time by ``time.monotonic()``."""
        self.backlog.put(lambda: self._add(overlay(image, mask), at_s))

    def close(self) -> None:
        """Completes the file, and ends the thread."""
        self.backlog.put(self._film.close, needed=True)
        self.backlog.close()

    def _add(self, image: Image, at_s: float) -> None:
        if self._film.write(image, at_s):
            prune(self._folder, self._camera, self._max_disk_mb)


def checked_folder(folder: Path, option: str) -> Path:
    """Makes a folder for videos.

    Raises:
        OutputError: It cannot be made, or not be written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".edgefg-probe"
        probe.touch()
        probe.unlink()
    except OSError as reason:
        raise OutputError(f"{option} {folder}: expected a folder to write to: {reason.strerror or reason}") from reason
    return folder


def prune(folder: Path, camera: str, max_mb: float) -> None:
    """Removes a camera's oldest videos and snapshots until the rest takes less than ``max_mb``, or is the newest."""
    by_age = own_videos(folder, camera)
    left = sum(path.stat().st_size for path in by_age)
    newest = next((path for path in reversed(by_age) if path.suffix == ".mp4"), None)
    for path in by_age[: by_age.index(newest)] if newest is not None else by_age:
        if left <= max_mb * 1e6:
            return
        left -= path.stat().st_size
        path.unlink()


def _packed(image: Image) -> "np.ndarray[tuple[int], np.dtype[np.uint8]]":
    return np.asarray(cv2.imencode(".jpg", image, (cv2.IMWRITE_JPEG_QUALITY, _PRE_ROLL_QUALITY))[1], np.uint8)
