"""One record of each event, for every output; and the log that holds the newest of them."""

import queue
import secrets
import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

_KEPT_EVENTS = 200
_MAX_WAITING = 1000


@dataclass(frozen=True, eq=False)
class Event:
    """Something that happened at a camera.

    Attributes:
        kind: ``motion_started``, ``motion_ended``, ``camera_state``, ``scene``, ``background_set``,
            ``background_frozen`` or ``background_thawed``.
        camera: The camera's name.
        at_s: When it happened, in seconds since 1970.
        details: Everything else about it; JSON can hold it.
        snapshot: The frame it belongs to as a JPEG, if there is one.
        id: Unique. An event that is delivered twice has the same id both times.
    """

    kind: str
    camera: str
    at_s: float
    details: dict[str, Any] = field(default_factory=dict)
    snapshot: bytes | None = None
    id: str = field(default_factory=lambda: secrets.token_hex(8))

    @property
    def time(self) -> str:
        """When it happened, as ISO 8601 in UTC."""
        return datetime.fromtimestamp(self.at_s, timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def to_json(self) -> dict[str, Any]:
        """Returns the event for JSON lines, MQTT and the page, without the snapshot."""
        return {"id": self.id, "time": self.time, "kind": self.kind, "camera": self.camera, **self.details}


class EventLog:
    """The newest events by number, and the events that are still to be iterated over. Any thread may add and read."""

    def __init__(self) -> None:
        self._newest: deque[tuple[int, Event]] = deque(maxlen=_KEPT_EVENTS)
        self._number = 0
        self._adding = threading.Lock()
        self._waiting: queue.Queue[Event | None] = queue.Queue()

    def add(self, event: Event) -> None:
        """Adds an event; never waits."""
        with self._adding:
            self._number += 1
            self._newest.append((self._number, event))
        # A program that does not iterate must not fill the memory.
        if self._waiting.qsize() < _MAX_WAITING:
            self._waiting.put(event)

    def after(self, number: int) -> list[tuple[int, Event]]:
        """Returns the kept events after the one with this number, with their numbers; 0 returns all of them."""
        with self._adding:
            return [(other, event) for other, event in self._newest if other > number]

    def end(self) -> None:
        """Ends each iteration once it has yielded the events that wait."""
        self._waiting.put(None)

    def __iter__(self) -> Iterator[Event]:
        """Yields events as they come, until `end`. Each event is yielded once, however many threads iterate."""
        while (event := self._waiting.get()) is not None:
            yield event
        # Ends the other iterations, and those that start later.
        self._waiting.put(None)
