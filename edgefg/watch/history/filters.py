"""The choice of events that a reader asks for, as SQL with all values apart from the text."""

from dataclasses import dataclass
from typing import NamedTuple

from ...errors import OptionError
from ...utils.validation import check_choice, shown
from .schema import KINDS

MAX_LIMIT = 1_000_000


class Place(NamedTuple):
    """A place in the list of events, newest first; the list goes on behind it.

    Attributes:
        at_s: The event's time.
        seq: The event's number: several may have one time.
    """

    at_s: float
    seq: int


@dataclass(frozen=True)
class EventFilter:
    """Which events to return; each None leaves all.

    Attributes:
        camera: Of this camera.
        zone: Motion in a zone of this name.
        kind: One of `edgefg.watch.history.schema.KINDS`.
        from_s: That began at this time, in seconds since 1970, or later.
        to_s: That began before this time.

    Raises:
        OptionError: There is no such kind, or the times are in the wrong order.
    """

    camera: str | None = None
    zone: str | None = None
    kind: str | None = None
    from_s: float | None = None
    to_s: float | None = None

    def __post_init__(self) -> None:
        if self.kind is not None:
            check_choice("kind", self.kind, KINDS)
        if self.from_s is not None and self.to_s is not None and self.from_s >= self.to_s:
            raise OptionError("the time from which to list events lies after the time up to which to list them")

    def where(self, after: Place | None = None) -> tuple[str, list[str | float]]:
        """Returns the condition in SQL, with a value for each of its question marks."""
        conditions: list[str] = []
        values: list[str | float] = []
        # Only motion has a zone.
        kind = self.kind if self.zone is None else None
        if self.zone is not None and self.kind not in (None, "motion"):
            conditions.append("0")
        # By number, so that each pair of equality and time is the beginning of one index.
        for column, table, name in (("camera", "cameras", self.camera), ("zone", "zones", self.zone)):
            if name is not None:
                conditions.append(f"{column} = (SELECT id FROM {table} WHERE name = ?)")
                values.append(name)
        if kind is not None:
            conditions.append("kind = (SELECT id FROM kinds WHERE name = ?)")
            values.append(kind)
        if self.from_s is not None:
            conditions.append("at_s >= ?")
            values.append(self.from_s)
        if self.to_s is not None:
            conditions.append("at_s < ?")
            values.append(self.to_s)
        if after is not None:
            conditions.append("(at_s, seq) < (?, ?)")
            values += after
        return " AND ".join(conditions) or "1", values


def check_known(name: str | None, option: str, known: list[str]) -> None:
    """Refuses the name of a camera or zone of which the store has nothing, as it may be misspelt.

    Raises:
        OptionError: It is such a name.
    """
    if name is not None and name not in known:
        has = ", ".join(known) or "nothing"
        raise OptionError(f"{option}={shown(name)}: expected one of which there are events: {has}")
