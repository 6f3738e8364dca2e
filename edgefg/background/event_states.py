"""The limit on events: what happens again and again is a state with a start and an end, and nothing floods a log."""

from collections.abc import Iterable
from dataclasses import dataclass

from .events import CORRUPT_FRAME, FROZEN_FEED, NOISE, VIEW_BLOCKED, SceneEvent

_CALM_S, _MAX_CALM_S = 10.0, 300.0
_SOON_S = 60.0
_AT_ONCE, _EVERY_S = 10, 10.0

_PAIRS = frozenset({VIEW_BLOCKED, FROZEN_FEED, NOISE})
"""Kinds whose end the detector reports, with the strength 0."""


@dataclass
class _Repeated:
    """What happens to single frames.

    Attributes:
        count: How often since the start; 0 while it does not happen.
        last_s: When it last happened.
        calm_s: How long it must not happen to be over.
        ended_s: When it was last over.
    """

    count: int = 0
    last_s: float = 0.0
    calm_s: float = _CALM_S
    ended_s: float | None = None

    def note(self, event: SceneEvent) -> list[SceneEvent]:
        """Takes an event, and returns it if it is a start."""
        self.last_s = event.time_s
        self.count += 1
        if self.count > 1:
            return []
        # What comes back soon was not over: a flickering lamp does not start and end all day.
        is_back = self.ended_s is not None and 0 <= event.time_s - self.ended_s < _SOON_S + self.calm_s
        self.calm_s = min(2 * self.calm_s, _MAX_CALM_S) if is_back else _CALM_S
        return [event]

    def end(self, time_s: float) -> list[SceneEvent]:
        """Returns the end, if it has been calm for long enough."""
        # A clock may be set back.
        self.last_s = min(self.last_s, time_s)
        if not self.count or time_s - self.last_s < self.calm_s:
            return []
        count, self.count, self.ended_s = self.count, 0, time_s
        whole = "1 was corrupt" if count == 1 else f"{count} were corrupt"
        return [SceneEvent(time_s, CORRUPT_FRAME, 0.0, f"the frames are whole again; {whole}")]


@dataclass
class _Limit:
    """How many events of a kind may still be reported, and whether the start of the current pair was."""

    left: float = _AT_ONCE
    counted_s: float | None = None
    reported: bool = True

    def allows(self, event: SceneEvent) -> bool:
        """Counts an event, and returns whether it may be reported."""
        if event.kind in _PAIRS and event.strength == 0:
            return self.reported
        passed_s = 0.0 if self.counted_s is None else max(0.0, event.time_s - self.counted_s)
        self.counted_s = event.time_s
        self.left = min(_AT_ONCE, self.left + passed_s / _EVERY_S)
        self.reported = self.left >= 1
        self.left -= self.reported
        return self.reported


class EventStates:
    """Passes the events of one camera on, in order.

    Of corrupt frames, the first is reported as a start, and the end once there was none for 10 s, or for longer where
    they come back. Of every other kind, at most ten are reported at once, and one every 10 s after that. Limits concern
    reports alone, never what the background does.
    """

    def __init__(self) -> None:
        self._corrupt = _Repeated()
        self._limits: dict[str, _Limit] = {}

    def pass_on(self, events: Iterable[SceneEvent], time_s: float) -> tuple[SceneEvent, ...]:
        """Takes the events of a frame, which may be none, and returns those to report.

        Args:
            events: What was detected.
            time_s: Time of the frame.
        """
        passed = self._corrupt.end(time_s)
        for event in events:
            if event.kind == CORRUPT_FRAME:
                passed += self._corrupt.note(event)
            elif self._limits.setdefault(event.kind, _Limit()).allows(event):
                passed.append(event)
        return tuple(passed)
