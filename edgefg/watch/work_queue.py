"""Work that must not hold up frames: a thread does it, and what comes while too much waits is dropped and counted."""

import threading
from collections import deque
from collections.abc import Callable

from ..errors import EdgefgError


class WorkQueue:
    """Jobs that a thread of its own does in order.

    Attributes:
        dropped: Jobs that were given up because too many waited.
        failed: Jobs that ended in an error.
        problem: What the last error was, in one line; empty if the last job went well.
    """

    def __init__(self, name: str, limit: int) -> None:
        """Starts the thread.

        Args:
            name: Of the thread.
            limit: How many jobs may wait.
        """
        self.dropped = 0
        self.failed = 0
        self.problem = ""
        self._limit = limit
        self._jobs: deque[Callable[[], None]] = deque()
        self._closed = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._serve, name=name, daemon=True)
        self._thread.start()

    def put(self, job: Callable[[], None], *, needed: bool = False) -> bool:
        """Hands in a job; never waits.

        Args:
            job: What it raises is counted, and the next one is done.
            needed: It is never dropped. For the few that others build on.

        Returns:
            Whether it will be done.
        """
        with self._changed:
            if self._closed or (len(self._jobs) >= self._limit and not needed):
                self.dropped += 1
                return False
            self._jobs.append(job)
            self._changed.notify()
            return True

    def close(self, timeout_s: float = 10.0) -> None:
        """Does what waits, for so long at most, and ends the thread. Closing twice is fine."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join(timeout_s)

    def _serve(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._jobs or self._closed)
                if not self._jobs:
                    return
                job = self._jobs.popleft()
            try:
                job()
            except (EdgefgError, OSError) as reason:
                self._note(str(reason))
            # Whatever it is: without this thread all later jobs would be lost, or pile up, and nobody would know.
            except Exception as reason:
                self._note(f"{type(reason).__name__}: {reason}")
            else:
                self.problem = ""

    def _note(self, problem: str) -> None:
        self.failed += 1
        self.problem = problem
