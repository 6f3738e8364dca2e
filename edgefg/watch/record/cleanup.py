"""Folders of videos: made, cleared of the unfinished videos of a killed run, and kept below their size limit."""

import fcntl
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ...errors import OutputError
from .naming import own_videos


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
