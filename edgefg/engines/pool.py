"""A pool that lends what only one thread may use at a time: first come, first served."""

import threading
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

from ..errors import ClosedError

T = TypeVar("T")


class FairPool(Generic[T]):
    """Lends each of its things to one thread at a time.

    Threads get their turns in the order in which they ask. With a plain queue, a thread that runs frame after frame
    takes back what it has just returned before a waiting thread wakes up, which then waits without end.
    """

    def __init__(self, things: Iterable[T], owner: str) -> None:
        """Starts with all things free.

        Args:
            things: What to lend.
            owner: Whose things these are, for the message once it is closed.
        """
        # The thing used last is lent first, because its memory is still in the cache.
        self._free = list(things)
        self._count = len(self._free)
        self._owner = owner
        self._line: deque[object] = deque()
        self._closed = False
        self._changed = threading.Condition()

    @contextmanager
    def lend(self) -> Iterator[T]:
        """Waits for a turn, and lends one thing for the ``with`` block.

        Raises:
            ClosedError: The pool was closed, before or while this thread waited.
        """
        thing = self._take()
        try:
            yield thing
        finally:
            with self._changed:
                self._free.append(thing)
                self._changed.notify_all()

    def close(self) -> None:
        """Lends nothing more, waits for what is lent, and drops it. Closing twice is fine, and waits as well."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: len(self._free) == self._count)
            self._free.clear()
            self._count = 0

    def _take(self) -> T:
        turn = object()
        with self._changed:
            self._line.append(turn)
            try:
                self._changed.wait_for(lambda: self._closed or (self._free and self._line[0] is turn))
                if self._closed:
                    raise ClosedError(f"this {self._owner} was closed; open a new one")
                return self._free.pop()
            finally:
                # Here too if the wait is interrupted: the next in line must not wait for a thread that has left.
                self._line.remove(turn)
                self._changed.notify_all()
