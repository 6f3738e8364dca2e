"""The order in which a camera's videos were written, kept in a file next to them.

Names tell it only until a clock is set back, or stands at 1970 after a boot without a network.
"""

import fcntl
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

_SPARE_LINES = 200


class WritingOrder:
    """The order of one camera's files in a folder. Several processes may write to the folder.

    The file ``.CAMERA.order`` has a line for each file that was completed, the newest last. Files that it does not name
    are older than those that it names.
    """

    def __init__(self, folder: Path, camera: str) -> None:
        self._path = folder / f".{camera}.order"
        self._unwritten: list[str] = []  # because the disk was full

    def note(self, path: Path) -> None:
        """Notes that a file was completed just now. A full disk is no error: the next call tries again."""
        self._unwritten.append(path.name)
        with suppress(OSError), self._path.open("ab") as file:
            _lock(file)
            # A line of its own, also after one that a full disk cut short.
            file.write("\n".join(["", *self._unwritten, ""]).encode())
            file.flush()
            self._unwritten.clear()

    def oldest_first(self, paths: Iterable[Path]) -> list[Path]:
        """Sorts files. Those that are not known stay in their order, before all others."""
        place = {name: number for number, name in enumerate([*self._read(), *self._unwritten])}
        return sorted(paths, key=lambda path: place.get(path.name, -1))

    def forget_all_but(self, paths: list[Path]) -> None:
        """Shortens the file once it mostly names files that are gone.

        Args:
            paths: The files that are left, oldest first.
        """
        if len(self._read()) <= 2 * len(paths) + _SPARE_LINES:
            return
        left = {path.name for path in paths}
        with suppress(OSError), self._path.open("r+b") as file:
            _lock(file)
            kept = [name for name in _names(file.read()) if name in left]
            # Overwritten in place, because another process appends to it. After a power cut in between, the end of the
            # file is as it was, and of two lines with one name the last counts.
            file.seek(0)
            file.write("\n".join(["", *kept, ""]).encode())
            file.truncate()

    def _read(self) -> list[str]:
        with suppress(OSError):
            return _names(self._path.read_bytes())
        return []


def _names(content: bytes) -> list[str]:
    return [line for line in content.decode(errors="replace").split("\n") if line]


def _lock(file: BinaryIO) -> None:
    """Waits for another process that is writing the file, which takes a moment. Some disks have no locks."""
    with suppress(OSError):
        fcntl.flock(file, fcntl.LOCK_EX)
