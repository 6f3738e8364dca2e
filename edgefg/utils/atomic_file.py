"""Files that are written beside their name and get it once they are whole."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def atomic_file(path: Path, *, shared: bool = False) -> Iterator[Path]:
    """Gives the path of a new file that takes the place of another at the end; after an error nothing of it is left.

    Args:
        path: Which file it becomes. Of a link, the file that it points to is replaced, not the link.
        shared: Whether other processes may be writing it, too: the last one wins.

    Raises:
        OSError: It cannot be put into its place. What the block raises is passed on.
    """
    final = Path(os.path.realpath(path))
    writer = f".{os.getpid()}" if shared else ""
    part = final.with_name(f".{final.stem}{writer}.part{final.suffix}")
    try:
        yield part
        part.replace(final)
    except BaseException:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise
