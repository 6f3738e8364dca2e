"""Folders of videos: made, cleared of the unfinished videos of a killed run, and kept below their size limit."""

import fcntl
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ...errors import OutputError
from ..age import DAY_S, SteadyClock, count_expired
from .naming import own_videos
from .order import WritingOrder


def checked_folder(folder: Path, option: str) -> Path:
    """Makes a folder for videos.

    Args:
        folder: The folder.
        option: The option that names it, for the message.

    Raises:
        OutputError: It cannot be made, or not be written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".edgefg-probe"
        probe.touch()
        probe.unlink()
    except OSError as reason:
        raise OutputError(
            f"{option}={str(folder)!r}: cannot write to this folder: {reason.strerror or reason}"
        ) from reason
    return folder


@contextmanager
def writing_to(folder: Path, cameras: Iterable[str]) -> Iterator[None]:
    """Removes these cameras' unfinished videos, and shows other processes that this one writes to the folder.

    A file's age proves nothing: the video of a camera that is away for hours stays untouched, and is completed all the
    same. So each process that writes videos holds a shared lock on the folder, which ends with the process. Only a
    process that is alone there removes anything. On a disk without locks, nothing is removed.

    Args:
        folder: Where the videos are.
        cameras: The names of the cameras.
    """
    # A lock on the folder's own descriptor leaves no file behind.
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for camera in cameras:
                for path in own_videos(folder, camera, unfinished=True):
                    path.unlink(missing_ok=True)
        # Without waiting: another process may hold the folder exclusively for hours.
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)


class DiskShare:
    """What one camera's videos and snapshots may take in a folder."""

    def __init__(
        self,
        folder: Path,
        camera: str,
        max_mb: float,
        keep_days: float | None = None,
        clock: SteadyClock | None = None,
    ) -> None:
        """Reads nothing yet.

        Args:
            folder: Where the videos are.
            camera: The camera's name.
            max_mb: How much they may take before the oldest are removed.
            keep_days: Older ones are removed, too; None has no limit.
            clock: What their age is judged by.
        """
        self._folder = folder
        self._camera = camera
        self._max_mb = max_mb
        self._keep_days = keep_days
        self._clock = clock or SteadyClock()
        self._order = WritingOrder(folder, camera)

    def add(self, path: Path) -> None:
        """Notes that a file was completed just now, and makes room."""
        self._order.note(path)
        self.prune()

    def prune(self) -> None:
        """Removes the files that were written first until the rest is below the limit, or is the newest video.

        Those that are too old go in any case.
        """
        files = self._order.oldest_first(own_videos(self._folder, self._camera))
        sizes = {path: _size(path) for path in files}
        newest = next((path for path in reversed(files) if path.suffix == ".mp4"), None)
        may_go = files[: files.index(newest)] if newest is not None else files
        total, gone, expired = sum(sizes.values()), 0, self._count_expired(files)
        for path in files[: max(len(may_go), expired)]:
            if total <= self._max_mb * 1e6 and gone >= expired:
                break
            path.unlink(missing_ok=True)
            total -= sizes[path]
            gone += 1
        self._order.forget_all_but(files[gone:])

    def _count_expired(self, files: list[Path]) -> int:
        now_s = self._clock.now_s()
        if self._keep_days is None or now_s is None:
            return 0
        return count_expired([_written_s(path) for path in files], now_s - self._keep_days * DAY_S)


def _written_s(path: Path) -> float:
    """Returns when a file was written; 0, which is no time of its own, if someone has removed it meanwhile."""
    with suppress(FileNotFoundError):
        return path.stat().st_mtime
    return 0.0


def _size(path: Path) -> int:
    """Returns a file's size; 0 if someone has removed it meanwhile."""
    with suppress(FileNotFoundError):
        return path.stat().st_size
    return 0
