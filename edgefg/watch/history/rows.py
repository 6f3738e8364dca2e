"""Events and camera states to rows of a store."""

import json
import sqlite3
from collections.abc import Iterable
from typing import Any, NamedTuple

from ..events import Event
from .schema import HOUR_S

_STARTED, _ENDED = "motion_started", "motion_ended"
# They have columns of their own; boxes are in the lines of JSON.
_NOT_DETAILS = {"motion", "zone", "area", "duration_s", "clip", "boxes", "size"}


class CameraSpan(NamedTuple):
    """A time in which a camera was in one state; it lasts.

    Attributes:
        seq: Its row.
        is_live: Whether the camera sees what happens.
        state: The state's name.
    """

    seq: int
    is_live: bool
    state: str


class RowWriter:
    """Writes rows through one connection; the caller begins and commits.

    Attributes:
        states: The state of each camera, by name.
    """

    def __init__(self, connection: sqlite3.Connection, states: dict[str, CameraSpan]) -> None:
        """Writes nothing yet.

        Args:
            connection: The store.
            states: The state of each camera, as another writer left it in `states`.
        """
        self.states = dict(states)
        self._connection = connection
        self._numbers: dict[tuple[str, str], int] = {}
        self._places: set[tuple[int, int]] = set()

    def add(self, event: Event, now_s: float) -> None:
        """Writes an event; one that is there already stays as it is.

        Args:
            event: What happened.
            now_s: When it is written, in seconds since 1970.

        Raises:
            sqlite3.Error: It cannot be written.
            TypeError: JSON cannot hold its details.
            ValueError: The same.
        """
        if event.kind == _ENDED and self._end_motion(event):
            return
        details = event.details
        is_motion = event.kind in (_STARTED, _ENDED)
        began_s = event.at_s - details["duration_s"] if event.kind == _ENDED else event.at_s
        camera = self._number("cameras", event.camera)
        zone = self._zone(camera, details.get("zone")) if is_motion else None
        inserted = self._connection.execute(
            "INSERT OR IGNORE INTO events (id, camera, kind, zone, at_s, end_s, area, clip, written_s, details) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                details["motion"] if is_motion else event.id,
                camera,
                self._number("kinds", "motion" if is_motion else event.kind),
                zone,
                began_s,
                # Only a motion has a length; an open one has no end yet.
                None if event.kind == _STARTED else event.at_s,
                details.get("area"),
                details.get("clip"),
                now_s,
                _other_details(details),
            ),
        )
        if zone is not None and inserted.rowcount > 0:
            self._sum_up(camera, zone, began_s, 1, details.get("duration_s", 0.0))
        if event.kind == "camera_state":
            self._change_state(event)

    def interrupt_motion(self, cameras: Iterable[str]) -> None:
        """Ends the motions of cameras that a killed run left open, when their camera was last known to be there."""
        for camera in cameras:
            self._connection.execute(
                "UPDATE events SET details = ?, end_s = max(at_s, coalesce("
                "(SELECT max(to_s) FROM states WHERE states.camera = events.camera), at_s)) "
                "WHERE end_s IS NULL AND camera = (SELECT id FROM cameras WHERE name = ?)",
                (json.dumps({"reason": "interrupted"}), camera),
            )

    def extend_states(self, now_s: float) -> None:
        """Notes that every camera is still in its state, so that the end of a killed run is known."""
        for span in self.states.values():
            self._connection.execute("UPDATE states SET to_s = max(to_s, ?) WHERE seq = ?", (now_s, span.seq))

    def restart_states(self, now_s: float) -> None:
        """Begins the state of every camera again: in a new file, or after the clock was set."""
        for camera, span in list(self.states.items()):
            self._begin_state(camera, span.is_live, span.state, now_s)

    def _end_motion(self, event: Event) -> bool:
        """Fills in the end of a motion; returns whether its start is there."""
        details = event.details
        begun = self._connection.execute(
            "SELECT camera, zone, at_s FROM events WHERE id = ? AND end_s IS NULL", (details["motion"],)
        ).fetchone()
        if begun is None:
            return False
        # From the start on: the clock may have been set since then.
        self._connection.execute(
            "UPDATE events SET end_s = at_s + ?, area = max(coalesce(area, 0), ?), clip = coalesce(clip, ?), "
            "details = ? WHERE id = ?",
            (
                details["duration_s"],
                details.get("area", 0.0),
                details.get("clip"),
                _other_details(details),
                details["motion"],
            ),
        )
        camera, zone, at_s = begun
        self._sum_up(camera, zone, at_s, 0, details["duration_s"])
        return True

    def _sum_up(self, camera: int, zone: int, at_s: float, motions: int, moving_s: float) -> None:
        """Adds motion to the hour in which it began."""
        self._connection.execute(
            "INSERT INTO hours VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE "
            "SET motions = motions + excluded.motions, moving_s = moving_s + excluded.moving_s",
            (camera, zone, int(at_s // HOUR_S), motions, moving_s),
        )

    def _change_state(self, event: Event) -> None:
        before = self.states.get(event.camera)
        if before is not None:
            self._connection.execute("UPDATE states SET to_s = max(from_s, ?) WHERE seq = ?", (event.at_s, before.seq))
        state = str(event.details.get("state", ""))
        # A camera that shows the same picture again and again, or pictures of no use, sees nothing.
        is_live = state == "live" and not event.details.get("frozen_feed") and "reason" not in event.details
        self._begin_state(event.camera, is_live, state, event.at_s)

    def _begin_state(self, camera: str, is_live: bool, state: str, at_s: float) -> None:
        row = self._connection.execute(
            "INSERT INTO states (camera, live, state, from_s, to_s) VALUES (?, ?, ?, ?, ?)",
            (self._number("cameras", camera), is_live, state, at_s, at_s),
        )
        assert row.lastrowid is not None
        self.states[camera] = CameraSpan(row.lastrowid, is_live, state)

    def _zone(self, camera: int, name: str | None) -> int | None:
        if name is None:
            return None
        zone = self._number("zones", name)
        if (camera, zone) not in self._places:
            self._connection.execute("INSERT OR IGNORE INTO places VALUES (?, ?)", (camera, zone))
            self._places.add((camera, zone))
        return zone

    def _number(self, table: str, name: str) -> int:
        """Returns the number of a name."""
        if (table, name) not in self._numbers:
            self._connection.execute(f"INSERT OR IGNORE INTO {table} (name) VALUES (?)", (name,))
            (number,) = self._connection.execute(f"SELECT id FROM {table} WHERE name = ?", (name,)).fetchone()
            self._numbers[table, name] = number
        return self._numbers[table, name]


def _other_details(details: dict[str, Any]) -> str | None:
    left = {key: value for key, value in details.items() if key not in _NOT_DETAILS}
    return json.dumps(left, allow_nan=False, separators=(",", ":")) if left else None
