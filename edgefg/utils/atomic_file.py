"""Files that are written under a temporary name and renamed once they are complete."""

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

# Checked here instead of by the system: renaming also replaces write-protected files, and root may write to any file.
_ANY_WRITE_BIT = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH


@contextmanager
def atomic_file(path: Path, *, shared: bool = False) -> Iterator[Path]:
    """Yields the path of a temporary file, which replaces ``path`` when the block ends. An error removes it.

    Args:
        path: The final name.
        shared: Whether other processes may be writing the same file; the last one wins.

    Raises:
        OSError: The file cannot be renamed. Errors from the block are passed on.
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
    """Resolves links, so that the file a link points to is replaced, not the link."""
    return Path(os.path.realpath(path))


def _part_of(final: Path, writer: str = "") -> Path:
    return final.with_name(f".{final.stem}{writer}.part{final.suffix}")


class PartFile:
    """A file that one process writes gradually as ``.NAME.part.SUFFIX``.

    Attributes:
        part: Path to write to.
        open: Whether the file is neither complete nor removed.
        damage: Why the file can only be removed; empty if every write succeeded.
    """

    def __init__(self, path: Path, errors: tuple[type[Exception], ...] = WRITE_ERRORS) -> None:
        """Claims the name and locks out other processes.

        Args:
            path: The final name.
            errors: Exceptions that a write may raise; `writing` turns them into OutputError.

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
        """Maps the errors of a write. After a disk error the file has a gap and can only be removed."""
        if not self.open:
            raise ClosedError(f"{self._shown}: this file is complete or discarded; open a new one")
        if self.damage:
            raise OutputError(self.damage)
        try:
            yield
        except self._errors as reason:
            message = f"{self._shown}: cannot write: {getattr(reason, 'strerror', None) or reason}"
            if isinstance(reason, OSError):
                self.damage = message
            raise OutputError(message) from reason

    def publish(self) -> None:
        """Renames the file to its final name."""
        with self.writing():
            self.part.replace(self._final)
        self._end()

    def remove(self) -> None:
        """Deletes the file, unless it is complete."""
        if self.open:
            self.part.unlink(missing_ok=True)
        self._end()

    def _end(self) -> None:
        self.open = False
        if self._lock is not None:
            self._lock.close()


def _lock_of(part: Path) -> BinaryIO | None:
    """Opens and locks a temporary file for this process; returns None where another process is writing it."""
    while True:
        # Not truncated: it may belong to another process.
        file = part.open("ab")
        try:
            if fcntl is not None:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            return None
        except OSError:  # The file system has no locks.
            return file
        # The process that held the lock before may have renamed the file meanwhile.
        if part.exists() and part.stat().st_ino == os.fstat(file.fileno()).st_ino:
            return file
        file.close()
