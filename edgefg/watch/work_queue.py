"""A queue of work for one thread, so that frames never wait for it; jobs beyond its limit are dropped and counted."""

import threading
from collections import deque
from collections.abc import Callable

from ..errors import EdgefgError


class WorkQueue:
    """Jobs that a thread of the queue's own does in order.

    Attributes:
        dropped: Jobs that were refused because too many waited.
        failed: Jobs that ended in an error.
        problem: The last error in one line; empty if the last job succeeded.
    """

    def __init__(self, name: str, limit: int) -> None:
        """Starts the thread.

        Args:
            name: The thread's name.
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

    @property
    def lost(self) -> int:
        """Jobs that were not done: dropped ones and failed ones."""
        return self.dropped + self.failed

    def put(self, job: Callable[[], None], *, needed: bool = False) -> bool:
        """Adds a job; never waits.

        Args:
            job: If it raises, the error is counted and the next job follows.
            needed: Whether the job is kept even when too many wait: for the few that others build on.

        Returns:
            Whether the job will be done.
        """
        with self._changed:
            if self._closed or (len(self._jobs) >= self._limit and not needed):
                self.dropped += 1
                return False
            self._jobs.append(job)
            self._changed.notify()
            return True

    def close(self, timeout_s: float = 10.0) -> None:
        """Does the jobs that wait, for at most this long, and ends the thread. Closing twice is fine."""
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
            # Any error: without this thread all later jobs would be lost, or pile up, without a word.
            except Exception as reason:
                self._note(f"{type(reason).__name__}: {reason}")
            else:
                self.problem = ""

    def _note(self, problem: str) -> None:
        self.failed += 1
        self.problem = problem
