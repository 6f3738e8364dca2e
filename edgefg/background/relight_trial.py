"""The networks' word on a relit background, before any frame is compared with it.

Light can change in a part of the view only, under a cloud's edge for example. One curve for the whole view then fits
nowhere, and networks that bear the change by themselves would see foreground where there is none.
"""

import math

_TIMES, _MORE = 2.0, 0.01
_ANOTHER_SCENE = 0.5
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 1.0, 60.0


def fits_less(relit: float, present: float) -> bool:
    """Returns whether a relit background fits clearly less than the present one, or shows another scene.

    Args:
        relit: Share of foreground of a frame with the relit background.
        present: The same with the present one.
    """
    return relit > _TIMES * present + _MORE or relit >= _ANOTHER_SCENE


class RelightPause:
    """The time without relighting after a failure, because asking costs the time of two frames.

    It is twice as long after each failure that follows soon.
    """

    def __init__(self) -> None:
        self._seconds = _FIRST_PAUSE_S
        self._until_s = -math.inf

    def is_over(self, now_s: float) -> bool:
        """Returns whether a background may be relit again."""
        return now_s >= self._until_s

    def begin(self, now_s: float) -> bool:
        """Begins a pause. Returns whether it is the first in a row."""
        is_first = now_s >= self._until_s + self._seconds
        self._seconds = _FIRST_PAUSE_S if is_first else min(2 * self._seconds, _LONGEST_PAUSE_S)
        self._until_s = now_s + self._seconds
        return is_first

    def end(self) -> None:
        """Takes note of a success."""
        self._until_s = -math.inf
