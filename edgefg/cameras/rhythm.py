"""A camera's own rhythm: how long it usually takes from one frame to the next, and what is long for it."""

_MEMORY_S = 60.0
# Frames that a connection begins with may come at once, and say nothing.
_MIN_INTERVALS, _MIN_TOTAL_S = 2, 0.05
_RECENT = 3
# A longer interval than this may be an outage. Two of them, with no more frames than these in between, are a rhythm.
_LONG_S, _FEW = 2.0, 10
_LATE, _LOST = 2.5, 4.0
_GROWTH = 3.0
_FREE_SILENCES = 2


class Rhythm:
    """Learns the usual time between two frames, so that a slow camera does not pass for one that fails.

    It is the mean over the last minute, in which each interval counts by its length: a single pause says little, and a
    camera that sends much while something moves, and little otherwise, is a slow one. One thread may write; any may
    read.
    """

    def __init__(self, longest_s: float) -> None:
        """Starts without knowing anything.

        Args:
            longest_s: Bound of all times that follow the rhythm.
        """
        self._longest_s = longest_s
        self._mean_s = self._total_s = 0.0
        self._count = 0
        self._silences = self._free = 0
        self._waited_s = 0.0  # in vain, at last
        self._flowed = (0, 0.0)  # intervals since then, and their sum
        self._long_s: float | None = None  # an interval that may be an outage
        self._since_long = 0
        self._newest: tuple[float, ...] = ()  # replaced as a whole, because other threads read it

    @property
    def usual_s(self) -> float:
        """The usual time between two frames; 0 until three frames have come."""
        return self._mean_s if self._count >= _MIN_INTERVALS and self._total_s >= _MIN_TOTAL_S else 0.0

    def note(self, interval_s: float) -> None:
        """Notes the time from one frame to the next."""
        if interval_s <= 0:
            return
        interval_s = min(interval_s, self._longest_s)
        if interval_s <= self.late_s(_LONG_S):
            self._since_long += 1
        elif self._long_s is None or self._since_long > _FEW:
            self._long_s, self._since_long = interval_s, 0
            return
        else:
            self._learn(self._long_s)
            self._long_s = None
        self._learn(interval_s)

    def _learn(self, interval_s: float) -> None:
        self._total_s = min(self._total_s + interval_s, _MEMORY_S)
        self._mean_s += min(1.0, interval_s / self._total_s) * (interval_s - self._mean_s)
        self._newest = (*self._newest[1 - _RECENT :], interval_s)
        self._count += 1
        count, sum_s = self._flowed
        self._flowed = count + 1, sum_s + interval_s
        if count + 1 >= _MIN_INTERVALS and sum_s + interval_s >= self._waited_s:
            self._silences = 0

    def note_silence(self, waited_s: float) -> None:
        """Notes that waiting for a frame was given up: the camera may be slower than it was waited for."""
        if not self._silences:
            # A camera that was known to be faster has rather failed.
            self._free = _FREE_SILENCES if self.usual_s else 0
        self._silences += 1
        self._waited_s, self._flowed = waited_s, (0, 0.0)

    def late_s(self, least_s: float) -> float:
        """Returns the time without a frame after which one is overdue: ``least_s``, or more for a slow camera."""
        return max(least_s, min(_LATE * self.usual_s, self._longest_s))

    def old_s(self, least_s: float) -> float:
        """Returns the age from which a frame is old: ``least_s``, or more while frames come slowly."""
        return max(least_s, min(_LATE * min(self.usual_s, max(self._newest, default=0.0)), self._longest_s))

    def lost_s(self, least_s: float) -> float:
        """Returns the time without a frame after which waiting is of no use; it grows while that proves wrong."""
        # Bounded, because silences are counted for a year.
        grown_s = least_s * _GROWTH ** min(max(0, self._silences - self._free), 20)
        return max(least_s, min(max(grown_s, _LOST * self.usual_s), self._longest_s))
