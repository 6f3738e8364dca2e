"""Unfinished videos that a killed run left behind: the next run removes them, unless somebody may still write them."""

import fcntl
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .naming import own_videos


@contextmanager
def writing_to(folder: Path, cameras: Iterable[str]) -> Iterator[None]:
    """Removes what these cameras' unfinished videos take, and tells other processes that somebody writes there.

    An age says nothing: a camera that is away for hours leaves its film untouched, and complete it is all the same. So
    everybody who writes videos holds a shared lock on the folder, which ends with its process however that ends, and
    only who is alone there removes anything. Where the folder's disk knows no locks, all stays.

    Args:
        folder: Where the videos are.
        cameras: Whose leftovers may go.
    """
    # The folder's own descriptor: no file of ours would stay there.
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for camera in cameras:
                for path in own_videos(folder, camera, unfinished=True):
                    path.unlink(missing_ok=True)
        # Not waiting for it: whoever holds the folder for himself may do so for hours.
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)
