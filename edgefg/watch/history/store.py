"""The event store of a watch: every event goes to a SQLite file, through a thread that nothing waits for."""

import itertools
import math
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from ...errors import DataError, OutputError
from ..age import DAY_S, SteadyClock
from ..events import Event
from .database import identity, is_damage, is_full, is_whole, open_for_writing, set_aside, transaction
from .expiry import is_nearly_full, remove_older, remove_oldest, shrink
from .rows import CameraSpan, RowWriter
from .schema import FILE_NAME

_MAX_WAITING = 10_000
_MAX_BATCH = 500
_RETRY_S = 5.0
_CLOSE_S = 10.0
# How much of a camera's presence a kill may cost.
_BEAT_S = 60.0
_TIDY_S = 600.0
_CLOCK_JUMP_S = 60.0
# What is wrong with an event, and not with the file.
_UNUSABLE = (
    TypeError,
    ValueError,
    KeyError,
    OverflowError,
    sqlite3.InterfaceError,
    sqlite3.ProgrammingError,
    sqlite3.DataError,
    sqlite3.IntegrityError,
)


class EventStore:
    """A SQLite file to which each event is written. An `edgefg.watch.publish.publisher.EventPublisher`.

    While the file cannot be written, 10,000 events wait; further ones are lost and counted. A damaged file is set aside
    under another name, and a new one is started.

    Attributes:
        path: The file.
    """

    name = "store"

    def __init__(
        self,
        folder: Path,
        cameras: Iterable[str],
        *,
        max_mb: float,
        keep_days: float | None = None,
        clock: SteadyClock | None = None,
    ) -> None:
        """Opens the file and starts the thread. A full disk or a damaged file is no error here, but a `problem`.

        Args:
            folder: Where the file is, or will be; it exists.
            cameras: The names of the watch's cameras.
            max_mb: The file's largest size in megabytes; from there on, the oldest events go.
            keep_days: Older events go, too; None has no limit.
            clock: What their age is judged by.

        Raises:
            OutputError: There is a file of this name that is no store, or one of another schema.
        """
        self.path = folder / FILE_NAME
        self._cameras = tuple(cameras)
        self._max_mb = max_mb
        self._keep_days = keep_days
        self._clock = clock or SteadyClock()
        self._lost = 0
        self._problem = ""
        self._notice = ""
        self._waiting: deque[Event] = deque()
        self._closed = False
        self._changed = threading.Condition()
        self._connection: sqlite3.Connection | None = None
        self._identity: tuple[int, int] | None = None
        self._is_checked = False
        self._states: dict[str, CameraSpan] = {}
        self._beat_at_s = self._tidy_at_s = time.monotonic()
        self._anew_at_s = -math.inf
        self._ahead_s = time.time() - time.monotonic()
        try:
            self._open()
        except DataError as reason:
            raise OutputError(str(reason)) from reason
        except sqlite3.Error as error:
            self._problem = self._described(error)  # the thread tries again
        self._thread = threading.Thread(target=self._serve, name="edgefg store", daemon=True)
        self._thread.start()

    @property
    def dropped(self) -> int:
        """Events that were lost."""
        return self._lost

    @property
    def problem(self) -> str:
        """Why the file cannot be written, or that a new one was started; empty if all is well."""
        return self._problem or self._notice

    def publish(self, event: Event) -> None:
        """Adds an event; never waits."""
        with self._changed:
            if self._closed or len(self._waiting) >= _MAX_WAITING:
                self._lost += 1
                return
            self._waiting.append(event)
            self._changed.notify()

    def close(self) -> None:
        """Writes the events that wait, for some seconds at most, and ends the thread. Closing twice is fine."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join(_CLOSE_S)

    def _serve(self) -> None:
        while not self._is_done():
            try:
                self._work()
                self._problem = ""
            # Any error: without this thread all later events would be lost.
            except Exception as error:
                self._problem = self._described(error)
                if self._helped(error):
                    continue
                with self._changed:
                    if self._closed:
                        break  # a second try would come too late
                    self._changed.wait_for(lambda: self._closed, _RETRY_S)
        with suppress(sqlite3.Error):
            if self._connection is not None:
                self._write(self._connection)
                self._connection.close()
        with self._changed:
            self._lost += len(self._waiting)
            self._waiting.clear()

    def _is_done(self) -> bool:
        """Waits for something to do; returns whether there will be nothing any more."""
        with self._changed:
            if self._connection is not None and self._is_checked:
                due_s = max(0.0, self._beat_at_s - time.monotonic())
                self._changed.wait_for(lambda: self._waiting or self._closed, due_s)
            return self._closed and not self._waiting

    def _work(self) -> None:
        if self._connection is None or identity(self.path) != self._identity:
            self._open()
        assert self._connection is not None
        if not self._is_checked:
            if not is_whole(self._connection, lambda: self._closed):
                raise sqlite3.DatabaseError("database disk image is malformed")
            self._is_checked = True
        self._write(self._connection)
        if time.monotonic() >= self._tidy_at_s:
            self._tidy(self._connection)
            self._tidy_at_s = time.monotonic() + _TIDY_S

    def _open(self) -> None:
        """Opens the file: for the first time, or after it was set aside or moved away."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        connection = open_for_writing(self.path, self._max_mb)
        rows = RowWriter(connection, self._states)
        try:
            with transaction(connection):
                rows.interrupt_motion(self._cameras)
                rows.restart_states(time.time())
        except BaseException:
            connection.close()
            raise
        self._connection, self._states, self._identity = connection, rows.states, identity(self.path)

    def _write(self, connection: sqlite3.Connection) -> None:
        """Writes the events that wait, and that the cameras are still in their states."""
        with self._changed:
            batch = list(itertools.islice(self._waiting, _MAX_BATCH))
        now_s, unusable = time.time(), 0
        # New each time: what it remembers must not outlive a transaction that fails.
        rows = RowWriter(connection, self._states)
        with transaction(connection):
            if abs(now_s - time.monotonic() - self._ahead_s) > _CLOCK_JUMP_S:
                rows.restart_states(now_s)
            rows.extend_states(now_s)
            for event in batch:
                try:
                    rows.add(event, now_s)
                # One that no file can hold must not be in the way of the others.
                except _UNUSABLE as error:
                    unusable += 1
                    self._notice = f"{self.path}: cannot store an event of kind {event.kind}: {error}"
        self._states, self._ahead_s = rows.states, now_s - time.monotonic()
        self._beat_at_s = time.monotonic() + _BEAT_S
        with self._changed:
            for _ in batch:
                self._waiting.popleft()
            self._lost += unusable

    def _tidy(self, connection: sqlite3.Connection) -> None:
        """Removes what is too old or too much."""
        while self._removed_old(connection) or (
            is_nearly_full(connection, self._max_mb) and self._removed_oldest(connection)
        ):
            if self._closed:
                return
        shrink(connection)

    def _removed_old(self, connection: sqlite3.Connection) -> bool:
        now_s = self._clock.now_s()
        if self._keep_days is None or now_s is None:
            return False
        with transaction(connection):
            return remove_older(connection, now_s - self._keep_days * DAY_S)

    def _removed_oldest(self, connection: sqlite3.Connection) -> bool:
        with transaction(connection):
            return remove_oldest(connection)

    def _helped(self, error: Exception) -> bool:
        """Does what helps against an error; returns whether to try again at once."""
        try:
            if is_damage(error):
                return self._began_anew()
            if is_full(error) and self._connection is not None:
                # What is older than it has to be makes room on any disk; the rest only where the file itself is full.
                return self._removed_old(self._connection) or (
                    is_nearly_full(self._connection, self._max_mb) and self._removed_oldest(self._connection)
                )
        except (sqlite3.Error, OSError) as another:
            self._problem = self._described(another)
        return False

    def _began_anew(self) -> bool:
        with suppress(sqlite3.Error):
            if self._connection is not None:
                self._connection.close()
        self._connection = None
        # Another process may have done it meanwhile.
        if self._identity in (None, identity(self.path)):
            aside = set_aside(self.path)
            self._notice = f"{self.path} was damaged: it is now {aside.name}, and a new one was begun"
        self._identity, self._is_checked = None, True
        # A disk that damages each file must not be filled with them.
        before_s, self._anew_at_s = self._anew_at_s, time.monotonic()
        return self._anew_at_s - before_s > _RETRY_S

    def _described(self, error: Exception) -> str:
        kind = "" if isinstance(error, (sqlite3.Error, OSError, DataError)) else f"{type(error).__name__}: "
        return f"{self.path}: cannot write: {kind}{error}"
