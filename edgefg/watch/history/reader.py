"""What a store knows: events by filter and page, the activity and the presence of cameras."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ...errors import DataError
from .database import open_for_reading
from .filters import EventFilter, Place
from .schema import FILE_NAME, HOUR_S, KINDS

# Bins of this length are made of whole hours.
_FEW_HOURS_S = 2 * HOUR_S
_COLUMNS = (
    "events.seq, events.id, cameras.name, kinds.name, zones.name, "
    "events.at_s, events.end_s, events.area, events.clip, events.details"
)
_JOINED = (
    "CROSS JOIN cameras ON cameras.id = events.camera CROSS JOIN kinds ON kinds.id = events.kind "
    "LEFT JOIN zones ON zones.id = events.zone"
)


@dataclass(frozen=True)
class StoredEvent:
    """An event of the store; a motion is one event.

    Attributes:
        place: Its place in the list of all events.
        id: The event's id; of a motion, the motion's.
        camera: The camera's name.
        kind: One of `edgefg.watch.history.schema.KINDS`.
        zone: Where motion was; None for other events.
        end_s: When it ended, in seconds since 1970; None while motion lasts.
        area: Share of the picture, the largest of a motion that has ended; None for other events.
        clip: Name of its clip, which may be gone; None if there was none.
        details: Everything else.
    """

    place: Place
    id: str
    camera: str
    kind: str
    zone: str | None
    end_s: float | None
    area: float | None
    clip: str | None
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def at_s(self) -> float:
        """When it began, in seconds since 1970."""
        return self.place.at_s

    @property
    def duration_s(self) -> float | None:
        """How long motion lasted; None while it lasts, and for other events."""
        return None if self.kind != "motion" or self.end_s is None else max(0.0, self.end_s - self.at_s)

    def to_json(self) -> dict[str, Any]:
        """Returns the event as JSON can hold it, in the words of the other outputs."""
        known = {
            "id": self.id,
            "time": iso_time(self.at_s),
            "kind": self.kind,
            "camera": self.camera,
            "zone": self.zone,
            "area": self.area,
            "duration_s": None if self.duration_s is None else round(self.duration_s, 3),
            "clip": self.clip,
        }
        return {key: value for key, value in known.items() if value is not None} | self.details


@dataclass(frozen=True)
class CameraPast:
    """A camera's past in a range of time that is cut into bins of one length.

    Attributes:
        camera: The camera's name.
        motions: How many motions began in each bin.
        others: How many other events there were in each bin.
        moving_s: For how many seconds there was motion, by the bin in which it began.
        live: The times in which the camera saw something, as pairs of seconds since 1970.
    """

    camera: str
    motions: list[int]
    others: list[int]
    moving_s: list[float]
    live: list[tuple[float, float]]


class HistoryReader:
    """Queries to the store of one watch, open for a moment; see `reading`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def events(self, chosen: EventFilter, limit: int, after: Place | None = None) -> Iterator[StoredEvent]:
        """Yields events, the newest first.

        Args:
            chosen: Which ones.
            limit: How many at most.
            after: Where the list goes on; None is its beginning.

        Raises:
            DataError: A row holds what no watch writes.
        """
        where, values = chosen.where(after)
        # The rows are chosen before names are looked up, so that the order comes from an index.
        rows = self._connection.execute(
            f"SELECT {_COLUMNS} FROM (SELECT * FROM events WHERE {where} ORDER BY at_s DESC, seq DESC LIMIT ?) "
            f"AS events {_JOINED} ORDER BY events.at_s DESC, events.seq DESC",
            [*values, limit],
        )
        yield from map(_stored_event, rows)

    def event(self, event_id: str) -> StoredEvent | None:
        """Returns an event by its id; None if it is gone."""
        row = self._connection.execute(
            f"SELECT {_COLUMNS} FROM events {_JOINED} WHERE events.id = ?", (event_id,)
        ).fetchone()
        return None if row is None else _stored_event(row)

    def places(self) -> dict[str, list[str]]:
        """Returns the names of all cameras, each with the zones in which there was motion."""
        cameras: dict[str, list[str]] = {
            name: [] for (name,) in self._connection.execute("SELECT name FROM cameras ORDER BY name")
        }
        rows = self._connection.execute(
            "SELECT cameras.name, zones.name FROM places JOIN cameras ON cameras.id = places.camera "
            "JOIN zones ON zones.id = places.zone ORDER BY zones.name"
        )
        for camera, zone in rows:
            cameras.setdefault(camera, []).append(zone)  # it may have come meanwhile
        return cameras

    def past(self, camera: str, zone: str | None, from_s: float, to_s: float, bins: int) -> CameraPast:
        """Returns the activity and the presence of a camera.

        Args:
            camera: Its name.
            zone: Counts motion in this zone only; None counts all.
            from_s: Where the range begins, in seconds since 1970.
            to_s: Where it ends.
            bins: The number of equal parts.
        """
        width_s = (to_s - from_s) / bins
        motions, others, moving_s = [0] * bins, [0] * bins, [0.0] * bins
        find = self._motion_of_hours if width_s >= _FEW_HOURS_S else self._motion
        for place, count, seconds in find(EventFilter(camera, zone, "motion", from_s, to_s), from_s, width_s):
            # The hours at the ends lie across them.
            place = min(bins - 1, max(0, place))
            motions[place] += count
            moving_s[place] += seconds
        for kind in () if zone else KINDS[1:]:
            where, values = EventFilter(camera, None, kind, from_s, to_s).where()
            for (at_s,) in self._connection.execute(f"SELECT at_s FROM events WHERE {where}", values):
                others[min(bins - 1, int((at_s - from_s) / width_s))] += 1
        live = self._connection.execute(
            "SELECT max(from_s, ?), min(to_s, ?) FROM states WHERE camera = (SELECT id FROM cameras WHERE name = ?) "
            "AND live AND to_s >= ? AND from_s < ? ORDER BY from_s",
            (from_s, to_s, camera, from_s, to_s),
        )
        return CameraPast(camera, motions, others, [round(one, 1) for one in moving_s], _joined(live.fetchall()))

    def _motion(self, chosen: EventFilter, from_s: float, width_s: float) -> sqlite3.Cursor:
        """Returns the number of each bin in which there was motion, how often, and for how many seconds."""
        where, values = chosen.where()
        return self._connection.execute(
            "SELECT CAST((at_s - ?) / ? AS INTEGER) AS bin, count(*), total(max(0, end_s - at_s)) "
            f"FROM events WHERE {where} GROUP BY bin",
            [from_s, width_s, *values],
        )

    def _motion_of_hours(self, chosen: EventFilter, from_s: float, width_s: float) -> sqlite3.Cursor:
        """Returns the same from the sums of whole hours."""
        assert chosen.from_s is not None and chosen.to_s is not None
        where, names = "places.camera = (SELECT id FROM cameras WHERE name = ?)", [chosen.camera]
        if chosen.zone is not None:
            where += " AND places.zone = (SELECT id FROM zones WHERE name = ?)"
            names.append(chosen.zone)
        return self._connection.execute(
            "SELECT CAST((hours.hour * ? + ? - ?) / ? AS INTEGER) AS bin, sum(motions), sum(moving_s) "
            # Zone by zone, as the table lies.
            "FROM places CROSS JOIN hours ON hours.camera = places.camera AND hours.zone = places.zone "
            f"AND hours.hour BETWEEN ? AND ? WHERE {where} GROUP BY bin",
            [HOUR_S, HOUR_S / 2, from_s, width_s, chosen.from_s // HOUR_S, chosen.to_s // HOUR_S, *names],
        )


@contextmanager
def reading(store: Path) -> Iterator[HistoryReader]:
    """Opens a store for some queries.

    Args:
        store: Its file, or the folder where it is.

    Raises:
        MissingFileError: There is none.
        DataError: It is damaged, of another schema, or cannot be read; or a query took too long.
    """
    path = store / FILE_NAME if store.is_dir() else store
    with open_for_reading(path) as connection:
        yield HistoryReader(connection)


def _stored_event(row: tuple[Any, ...]) -> StoredEvent:
    seq, name, camera, kind, zone, at_s, end_s, area, clip, details = row
    try:
        iso_time(at_s)
        event = StoredEvent(
            Place(at_s, seq),
            name,
            camera,
            kind,
            zone,
            None if end_s is None else float(end_s),
            None if area is None else float(area),
            clip,
            json.loads(details) if details else {},
        )
        if not isinstance(event.details, dict):
            raise TypeError
    except (ValueError, TypeError, OverflowError, OSError):
        raise DataError(f"event {seq} of the store holds what no edgefg watch writes") from None
    return event


def iso_time(at_s: float) -> str:
    """Returns seconds since 1970 as ISO 8601 in UTC."""
    return datetime.fromtimestamp(at_s, timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _joined(spans: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Joins spans that touch: each new start of a state begins a row of its own."""
    joined: list[tuple[float, float]] = []
    for from_s, to_s in spans:
        if joined and from_s - joined[-1][1] < 1.0:
            joined[-1] = joined[-1][0], max(joined[-1][1], to_s)
        else:
            joined.append((from_s, to_s))
    return joined
