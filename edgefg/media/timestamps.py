"""The times of a file's frames, from its time stamps."""

from fractions import Fraction

# Less is disorder within a recording. More is a cut, after which the stamps begin again.
_CUT_S = 1.0


class FrameTimes:
    """Turns time stamps into seconds since a file's first frame, which grow from frame to frame."""

    def __init__(self, tick_s: Fraction, step_s: float) -> None:
        """Starts before the first frame.

        Args:
            tick_s: Seconds of one tick of the stamps.
            step_s: Seconds from one frame to the next, where stamps are missing or begin again.
        """
        self._tick_s = tick_s
        self._step_s = step_s
        self._zero_s: float | None = None
        self._last_s: float | None = None

    def begin(self, stamp: int | None) -> None:
        """Lets time begin at a frame that does not decode, unless it has begun."""
        if self._zero_s is None and stamp is not None:
            self._zero_s = float(stamp * self._tick_s)

    def next(self, stamp: int | None) -> float:
        """Returns the time of the next frame in seconds.

        Args:
            stamp: The frame's time stamp in ticks; None if it has none.
        """
        usual_s = 0.0 if self._last_s is None else self._last_s + self._step_s
        time_s = usual_s
        if stamp is not None:
            stamp_s = float(stamp * self._tick_s)
            if self._zero_s is None:
                self._zero_s = stamp_s - usual_s
            time_s = stamp_s - self._zero_s
            if self._last_s is None:
                time_s = max(0.0, time_s)
            elif time_s < self._last_s - _CUT_S:
                self._zero_s, time_s = stamp_s - usual_s, usual_s
            elif time_s <= self._last_s:
                time_s = self._last_s + float(self._tick_s)
        self._last_s = time_s
        return time_s
