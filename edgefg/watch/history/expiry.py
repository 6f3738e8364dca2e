"""Removal of a store's oldest events: by age, and by the size of the file. What was written first goes first."""

import sqlite3

from ..age import CLOCK_SET_S, count_expired
from .schema import HOUR_S, PAGE_BYTES

# In one transaction: more would make others wait, and the write-ahead log large.
_BATCH = 1000
_KEPT_FREE = 0.1
_PAGES_AT_ONCE = 5000
_END_S = 1e11


def remove_older(connection: sqlite3.Connection, before_s: float) -> bool:
    """Removes some of the events at the beginning of the store that were written before a time.

    What was written under a clock that was not set goes with what follows it. The caller begins and commits.

    Args:
        connection: The store.
        before_s: The time, in seconds since 1970.

    Returns:
        Whether any were removed, so that there may be more.
    """
    rows = connection.execute("SELECT seq, written_s FROM events ORDER BY seq LIMIT ?", (_BATCH,)).fetchall()
    expired = count_expired([written_s for _, written_s in rows], before_s)
    if rows and not expired and rows[-1][1] < CLOCK_SET_S:
        # All of them were written without a clock: the next one with a clock tells.
        following = connection.execute(
            "SELECT written_s FROM events WHERE written_s >= ? ORDER BY seq LIMIT 1", (CLOCK_SET_S,)
        ).fetchone()
        expired = len(rows) if following is not None and following[0] < before_s else 0
    if not expired:
        return False
    connection.execute("DELETE FROM states WHERE to_s < ?", (before_s,))
    _remove_until(connection, rows[expired - 1][0])
    return True


def remove_oldest(connection: sqlite3.Connection) -> bool:
    """Removes some of the oldest events, because the file has reached its largest size.

    The caller begins and commits.

    Returns:
        Whether there were any.
    """
    rows = connection.execute("SELECT seq, at_s FROM events ORDER BY seq LIMIT ?", (_BATCH,)).fetchall()
    if not rows:
        return False
    last, last_s = rows[-1]
    if last_s >= CLOCK_SET_S:
        connection.execute("DELETE FROM states WHERE to_s < ?", (last_s,))
    _remove_until(connection, last)
    return True


def is_nearly_full(connection: sqlite3.Connection, max_mb: float) -> bool:
    """Returns whether less than a tenth of a store's largest size is left, or it is larger than that already."""
    pages, free = (connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count"))
    return bool((pages - free) * PAGE_BYTES > (1 - _KEPT_FREE) * max_mb * 1e6)


def shrink(connection: sqlite3.Connection) -> None:
    """Gives some of the file's free pages back to the disk."""
    # As a script: `execute` would stop after one page.
    connection.executescript(f"PRAGMA incremental_vacuum({_PAGES_AT_ONCE})")


def _remove_until(connection: sqlite3.Connection, last: int) -> None:
    connection.execute("DELETE FROM events WHERE seq <= ?", (last,))
    # An hour stays whole as long as some of it is there.
    connection.execute(
        "DELETE FROM hours WHERE hour < (SELECT coalesce(min(at_s), ?) FROM events) / ? - 1", (_END_S, HOUR_S)
    )
    # Names that nothing bears any more; each is found by an index.
    connection.execute(
        "DELETE FROM cameras WHERE NOT EXISTS (SELECT 1 FROM events WHERE camera = cameras.id) "
        "AND NOT EXISTS (SELECT 1 FROM states WHERE camera = cameras.id)"
    )
    connection.execute("DELETE FROM zones WHERE NOT EXISTS (SELECT 1 FROM events WHERE zone = zones.id)")
    connection.execute(
        "DELETE FROM places WHERE NOT EXISTS "
        "(SELECT 1 FROM events WHERE events.camera = places.camera AND events.zone = places.zone)"
    )
