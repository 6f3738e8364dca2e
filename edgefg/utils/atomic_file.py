"""Files that are written beside their name and get it once they are whole."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from ..errors import ClosedError, OutputError

try:
    import fcntl
except ImportError:  # Not on Windows.
    fcntl = None  # type: ignore[assignment]

WRITE_ERRORS = OSError, ValueError

# Asked for rather than left to the system: renaming replaces such files too, and root may write to all.
_ANY_WRITE_BIT = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH


@contextmanager
def atomic_file(path: Path, *, shared: bool = False) -> Iterator[Path]:
    """Yields the path of a new file that takes the place of another at the end; after an error nothing of it is left.

    Args:
        path: Which file it becomes.
        shared: Whether other processes may be writing it, too: the last one wins.

    Raises:
        OSError: It cannot be put into its place. What the block raises is passed on.
    """
    final = _final(path)
    part = _part_of(final, f".{os.getpid()}" if shared else "")
    try:
        yield part
        part.replace(final)
    except BaseException:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise


def _final(path: Path) -> Path:
    """Of a link, the file that it points to is replaced, not the link."""
    return Path(os.path.realpath(path))


def _part_of(final: Path, writer: str = "") -> Path:
    return final.with_name(f".{final.stem}{writer}.part{final.suffix}")


class PartFile:
    """A file that is written bit by bit as ``.NAME.part.SUFFIX``, by one process at a time.

    Attributes:
        part: Where to write.
        open: Whether it is neither complete nor removed.
        damage: Why it can only be removed; empty if all was written.
    """

    def __init__(self, path: Path, errors: tuple[type[Exception], ...] = WRITE_ERRORS) -> None:
        """Takes the name, and keeps other processes from it.

        Args:
            path: The final name.
            errors: What writing may raise, and `writing` turns into OutputError.

        Raises:
            OutputError: The file cannot be written there.
        """
        self._errors = errors
        self._final = _final(path)
        self._shown = path
        self.part = _part_of(self._final)
        self.open = True
        self.damage = ""
        if not self._final.parent.is_dir():
            raise OutputError(f"{path}: its folder does not exist: mkdir -p {self._final.parent}")
        if self._final.exists() and not self._final.is_file():
            raise OutputError(f"{path}: expected a file name, found a folder or a device of that name")
        if self._final.exists() and not self._final.stat().st_mode & _ANY_WRITE_BIT:
            raise OutputError(f"{path}: this file is write-protected; choose another name")
        with self.writing():
            self._lock = _lock_of(self.part)
        if self._lock is None:
            raise OutputError(f"{path}: another edgefg is writing this file; choose another name")

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Maps the errors of a write. After one of the disk's the file has a gap: it can only be removed."""
        if not self.open:
            raise ClosedError(f"{self._shown}: expected an open file, this one is complete or discarded")
        if self.damage:
            raise OutputError(self.damage)
        try:
            yield
        except self._errors as reason:
            told = f"{self._shown}: cannot write: {getattr(reason, 'strerror', None) or reason}"
            if isinstance(reason, OSError):
                self.damage = told
            raise OutputError(told) from reason

    def publish(self) -> None:
        """Gives the file its final name."""
        with self.writing():
            self.part.replace(self._final)
        self._end()

    def remove(self) -> None:
        """Removes what was written."""
        if self.open:
            self.part.unlink(missing_ok=True)
        self._end()

    def _end(self) -> None:
        self.open = False
        if self._lock is not None:
            self._lock.close()


def _lock_of(part: Path) -> BinaryIO | None:
    """Opens a new temporary file for this process alone; None where another one is writing it."""
    while True:
        # Not truncated: it may be another's.
        file = part.open("ab")
        try:
            if fcntl is not None:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            return None
        except OSError:  # A file system without locks.
            return file
        # Whoever wrote it before may have renamed it meanwhile.
        if part.exists() and part.stat().st_ino == os.fstat(file.fileno()).st_ino:
            return file
        file.close()
