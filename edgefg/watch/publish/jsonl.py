"""Where events go, and how one is added."""

import json
from pathlib import Path
from typing import Protocol

from ...errors import OutputError
from ..events import Event
from ..work_queue import WorkQueue

_WAITING_LINES = 10_000


class EventPublisher(Protocol):
    """Somewhere that events go. Nothing here waits.

    Attributes:
        name: For metrics and messages.
    """

    name: str

    @property
    def dropped(self) -> int:
        """Events that were given up."""

    @property
    def problem(self) -> str:
        """What is wrong now, in one line without credentials; empty if nothing is."""

    def publish(self, event: Event) -> None:
        """Adds an event."""

    def close(self) -> None:
        """Delivers what can be delivered at once, and ends."""


class JsonLines:
    """A file that each event is appended to as a line of JSON. It may be moved away at any time: a new one begins."""

    name = "events"

    def __init__(self, path: Path) -> None:
        """Checks that the file can be written.

        Raises:
            OutputError: It cannot.
        """
        self._path = path
        self._append("")
        self._backlog = WorkQueue("edgefg events", _WAITING_LINES)

    @property
    def dropped(self) -> int:
        return self._backlog.dropped + self._backlog.failed

    @property
    def problem(self) -> str:
        return self._backlog.problem

    def publish(self, event: Event) -> None:
        line = json.dumps(event.to_json(), allow_nan=False) + "\n"
        self._backlog.put(lambda: self._append(line))

    def close(self) -> None:
        self._backlog.close()

    def _append(self, text: str) -> None:
        try:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(text)
        except OSError as reason:
            raise OutputError(f"--events {self._path}: cannot write: {reason.strerror or reason}") from reason
