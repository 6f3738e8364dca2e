"""Objects that belong to one process: after a fork their threads are gone, and the locks that these held stay held."""

import os
import threading

from ..errors import OtherProcessError


class OwnProcess:
    """The process that made an object."""

    def __init__(self, what: str) -> None:
        """Notes the current process.

        Args:
            what: The object, for the message.
        """
        self._what = what
        self._id = os.getpid()

    @property
    def is_this(self) -> bool:
        """Whether this is still the same process, and no child that it forked."""
        return os.getpid() == self._id

    def check(self) -> None:
        """Raises OtherProcessError in another process."""
        if not self.is_this:
            raise OtherProcessError(
                f"this {self._what} was made before a fork, which its threads do not survive; make it in the process "
                "that uses it"
            )


class ProcessCondition(threading.Condition):
    """A condition and its lock. In a forked process ``with`` raises OtherProcessError instead of hanging."""

    def __init__(self, what: str, lock: "threading.Lock | None" = None) -> None:
        """Makes a condition for this process.

        Args:
            what: The object that it guards, for the message.
            lock: A lock to share with other conditions.
        """
        super().__init__(lock)
        self._home = OwnProcess(what)

    def __enter__(self) -> bool:
        self._home.check()
        return super().__enter__()
