"""Events to a file of JSON lines."""

import json
from pathlib import Path

from ...errors import OutputError
from ..events import Event
from ..work_queue import WorkQueue

_MAX_WAITING_LINES = 10_000


class JsonLines:
    """A file to which each event is appended as a line of JSON. You may move it away at any time: a new one begins."""

    name = "events"

    def __init__(self, path: Path) -> None:
        """Checks that the file can be written.

        Raises:
            OutputError: It cannot.
        """
        self._path = path
        self._append("")
        self._queue = WorkQueue("edgefg events", _MAX_WAITING_LINES)

    @property
    def dropped(self) -> int:
        return self._queue.lost

    @property
    def problem(self) -> str:
        return self._queue.problem

    def publish(self, event: Event) -> None:
        line = json.dumps(event.to_json(), allow_nan=False) + "\n"
        self._queue.put(lambda: self._append(line))

    def close(self) -> None:
        self._queue.close()

    def _append(self, text: str) -> None:
        try:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(text)
        except OSError as reason:
            raise OutputError(f"{self._path}: cannot write: {reason.strerror or reason}") from reason
