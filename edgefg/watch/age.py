"""The age of recordings and events, for clocks that stand at 1970 after a boot, or are set while edgefg runs."""

import time
from collections.abc import Callable, Sequence

DAY_S = 86_400.0
CLOCK_SET_S = 1_577_836_800.0
"""The beginning of 2020: a clock that shows an earlier time has not been set yet."""

# A network sets a wrong clock within this time, and a jump below the other one costs no recording its life.
_SETTLE_S = 600.0
_JUMP_S = 60.0


class SteadyClock:
    """The wall clock, for as long as it can be trusted with the removal of what is old."""

    def __init__(self, wall: Callable[[], float] = time.time, monotonic: Callable[[], float] = time.monotonic) -> None:
        """Begins to watch the clock.

        Args:
            wall: Seconds since 1970; may jump.
            monotonic: Seconds that never jump.
        """
        self._wall = wall
        self._monotonic = monotonic
        self._ahead_s = wall() - monotonic()
        self._steady_from_s = monotonic() + _SETTLE_S

    def now_s(self) -> float | None:
        """Returns the time in seconds since 1970; None where the clock was set, or the run begun, minutes ago."""
        wall_s, monotonic_s = self._wall(), self._monotonic()
        if abs(wall_s - monotonic_s - self._ahead_s) > _JUMP_S:
            self._ahead_s, self._steady_from_s = wall_s - monotonic_s, monotonic_s + _SETTLE_S
        return wall_s if wall_s >= CLOCK_SET_S and monotonic_s >= self._steady_from_s else None


def count_expired(written_s: Sequence[float], before_s: float) -> int:
    """Counts what may go: the beginning of a series that was written before a time.

    What was written under a clock that was not set goes with what follows it.

    Args:
        written_s: When each was written, in seconds since 1970, in the order of writing.
        before_s: The time.
    """
    first_kept = next((place for place, at_s in enumerate(written_s) if at_s >= before_s), len(written_s))
    while first_kept and written_s[first_kept - 1] < CLOCK_SET_S:
        first_kept -= 1
    return first_kept
