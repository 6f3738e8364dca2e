"""The file of a store: made, opened for the one who writes or for those who read, and set aside when it is damaged."""

import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from ...errors import DataError, MissingFileError
from ..record.naming import file_time
from .schema import APPLICATION_ID, FILE_NAME, PAGE_BYTES, SCHEMA, TABLES

# Another process may be writing; a reader never waits.
_WAIT_S = 5.0
_MAX_SET_ASIDE = 3
_ANSWER_S = 10.0
_STEPS_BETWEEN_LOOKS = 10_000


def open_for_writing(path: Path, max_mb: float) -> sqlite3.Connection:
    """Opens a store, and makes it if there is none.

    Args:
        path: The file.
        max_mb: Its largest size in megabytes; beyond it, writing raises the error of a full disk.

    Raises:
        sqlite3.Error: It cannot be opened; see `is_damage`.
        DataError: It is of another schema.
    """
    connection = sqlite3.connect(path, timeout=_WAIT_S, isolation_level=None, check_same_thread=False)
    try:
        # Free pages go back to the disk by and by. Both have to be said before the first table is made.
        connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        connection.execute("PRAGMA journal_mode = WAL")
        # Events are few: each is on the disk before the next, also when the power goes.
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA max_page_count = {max(1, int(max_mb * 1e6 / PAGE_BYTES))}")
        _make_tables(connection)
        _check_schema(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


@contextmanager
def open_for_reading(path: Path) -> Iterator[sqlite3.Connection]:
    """Opens a store that another thread or process may be writing, for a few queries.

    Raises:
        MissingFileError: There is none.
        DataError: It is damaged, of another schema, or cannot be read; or a query took too long.
    """
    if not path.is_file():
        raise MissingFileError(f"{path}: no such store; edgefg watch makes one where it records, or with store=DIR")
    deadline_s = time.monotonic() + _ANSWER_S
    try:
        with closing(_connected(path)) as connection:
            connection.set_progress_handler(lambda: time.monotonic() > deadline_s, _STEPS_BETWEEN_LOOKS)
            _check_schema(connection, path)
            yield connection
    except sqlite3.Error as error:
        if is_damage(error):
            raise DataError(
                f"{path}: this store is damaged ({error}); the next edgefg watch renames it and starts a new one"
            ) from error
        raise DataError(f"{path}: cannot read this store: {error}") from error


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Does all that is in the block, or nothing of it."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        # After a full disk SQLite may have rolled back already.
        with suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        raise


def is_damage(error: BaseException) -> bool:
    """Returns whether an error says that the file is damaged, or never was a database."""
    # The subclasses stand for everything else: a full disk, a lock, a wrong statement. Python 3.10 has no error codes.
    return type(error) is sqlite3.DatabaseError


def is_full(error: BaseException) -> bool:
    """Returns whether an error says that the disk, or the file by its largest size, is full."""
    return isinstance(error, sqlite3.OperationalError) and "full" in str(error)


def is_whole(connection: sqlite3.Connection, is_over: Callable[[], bool]) -> bool:
    """Returns whether SQLite finds no fault in the whole file, which takes seconds for a large one.

    Args:
        connection: The store.
        is_over: Called again and again; once it returns true, the check ends and counts as passed.
    """
    connection.set_progress_handler(is_over, _STEPS_BETWEEN_LOOKS)
    try:
        return bool(connection.execute("PRAGMA quick_check(1)").fetchone()[0] == "ok")
    except sqlite3.OperationalError:
        if is_over():
            return True
        raise
    finally:
        connection.set_progress_handler(None, 0)


def set_aside(path: Path) -> Path:
    """Renames a damaged store, so that a new one can begin; the oldest of several go.

    Returns:
        Its new name.

    Raises:
        OSError: It cannot be renamed.
    """
    stem, number = f"events-damaged-{file_time()}", 1
    aside = path.with_name(f"{stem}.db")
    while aside.exists():
        number += 1
        aside = path.with_name(f"{stem}-{number}.db")
    path.replace(aside)
    with suppress(FileNotFoundError):
        _wal(path).replace(_wal(aside))
    path.with_name(f"{FILE_NAME}-shm").unlink(missing_ok=True)
    older = sorted(path.parent.glob("events-damaged-*.db"), key=lambda one: one.stat().st_mtime)
    for one in older[:-_MAX_SET_ASIDE]:
        one.unlink(missing_ok=True)
        _wal(one).unlink(missing_ok=True)
    return aside


def identity(path: Path) -> tuple[int, int] | None:
    """Returns what tells a file from another one of the same name; None where there is none."""
    with suppress(OSError):
        found = path.stat()
        return found.st_dev, found.st_ino
    return None


def _wal(path: Path) -> Path:
    return path.with_name(f"{path.name}-wal")


def _connected(path: Path) -> sqlite3.Connection:
    address = f"{path.absolute().as_uri()}?mode=ro"
    # SQLite creates files next to a store even to read it. A store that nobody writes needs none.
    if not os.access(path.parent, os.W_OK) and not _wal(path).exists():
        address += "&immutable=1"
    return sqlite3.connect(address, uri=True, timeout=_WAIT_S, isolation_level=None)


def _make_tables(connection: sqlite3.Connection) -> None:
    """Makes the tables of a new file, all or none: another process may be doing the same."""
    if connection.execute("PRAGMA user_version").fetchone()[0]:
        return
    with transaction(connection):
        if not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            for statement in filter(str.strip, TABLES.split(";")):
                connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {SCHEMA}")


def _check_schema(connection: sqlite3.Connection, path: Path) -> None:
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (schema,) = connection.execute("PRAGMA user_version").fetchone()
    if application != APPLICATION_ID:
        raise DataError(f"{path}: expected a store of edgefg watch, found another database")
    if schema != SCHEMA:
        raise DataError(
            f"{path}: expected a store of schema {SCHEMA}, found {schema}; "
            "use the edgefg that wrote it, or another folder"
        )
