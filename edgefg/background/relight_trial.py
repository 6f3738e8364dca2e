"""The networks' word on a relit background: it is taken back where they find more foreground with it than before.

Light can change in a part of the view only, under a cloud's edge for example. One curve for the whole view then fits
nowhere, and networks that bear the change by themselves see foreground where there is none.
"""

from dataclasses import dataclass

from ..imaging.io import Image

_TIMES, _MORE = 2.0, 0.01
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 10.0, 300.0


@dataclass(frozen=True, eq=False)
class RelightTrial:
    """A relit background that no frame was compared with yet.

    Attributes:
        before: The background before, ``(H, W, 3) uint8 BGR``.
        foreground: Share of foreground with that one, in the new light.
        kind: Kind of the event.
    """

    before: Image
    foreground: float
    kind: str

    def failed(self, foreground: float) -> bool:
        """Returns whether a share of foreground with the relit background is clearly larger than before."""
        return foreground > _TIMES * self.foreground + _MORE


class RelightPause:
    """The time without relighting after a failure, twice as long after each further one."""

    def __init__(self) -> None:
        self._seconds = _FIRST_PAUSE_S
        self._until_s = 0.0

    def is_over(self, now_s: float) -> bool:
        """Returns whether a background may be relit again."""
        return now_s >= self._until_s

    def begin(self, now_s: float) -> None:
        """Begins a pause."""
        self._until_s = now_s + self._seconds
        self._seconds = min(2 * self._seconds, _LONGEST_PAUSE_S)

    def reset(self) -> None:
        """Takes note of a success."""
        self._seconds = _FIRST_PAUSE_S
