"""Conversion of a source's timestamps to capture times by the local clock."""

# Quartz clocks differ by less than half of this.
_DRIFT = 5e-4
_JUMP_S = 1.0
_MAX_STEP_S = 1.0


class SourceClock:
    """Maps the timestamps of one connection to ``time.monotonic()``.

    The fastest frame so far counts as not delayed, and the delay of every other frame is measured relative to it. A
    frame that waited in a queue is therefore recognized as old. The zero point follows the drift of the clocks, but
    slowly enough not to hide a queue.

    FFmpeg returns a frame of RTSP when the next one begins, so each is older by the time between two frames.

    Attributes:
        jumps: Number of times that timestamps went back, or forward by much more than the local clock.
    """

    def __init__(self) -> None:
        """Creates a clock that starts with the first timestamp."""
        self.jumps = 0
        self._zero_s: float | None = None  # local time minus source time
        self._before = (0.0, 0.0)
        self._step_s = 0.0  # the shortest time between two timestamps

    def captured_s(self, pts_s: float | None, arrived_s: float, *, one_behind: bool = False) -> float:
        """Estimates the capture time of a frame.

        Args:
            pts_s: Timestamp of the frame in seconds; None if it has none.
            arrived_s: Time of arrival, by ``time.monotonic()``.
            one_behind: Whether the frame was held back until the next one began.

        Returns:
            ``arrived_s`` or an earlier time, by ``time.monotonic()``.
        """
        if pts_s is None:
            return arrived_s
        fastest_s = arrived_s - pts_s
        if self._zero_s is not None:
            last_pts_s, last_arrived_s = self._before
            crept_s = self._zero_s + _DRIFT * (arrived_s - last_arrived_s)
            ahead_s = (pts_s - last_pts_s) - (arrived_s - last_arrived_s)
            # Frames that catch up after a delay also arrive early, but never before the zero point.
            if pts_s < last_pts_s or (ahead_s > _JUMP_S and crept_s - fastest_s > _JUMP_S):
                self.jumps += 1
            else:
                fastest_s = min(crept_s, fastest_s)
                step_s = pts_s - last_pts_s
                self._step_s = min(step_s, self._step_s or _MAX_STEP_S) if step_s else self._step_s
        self._zero_s, self._before = fastest_s, (pts_s, arrived_s)
        return pts_s + fastest_s - self._step_s * one_behind
