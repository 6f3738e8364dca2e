"""When a frame was taken, by our clock, told from the stamps of another clock."""

# Quartz clocks differ by less than half of this.
_DRIFT = 5e-4
_JUMP_S = 1.0
_MAX_STEP_S = 1.0


class SourceClock:
    """Maps the stamps of one connection to ``time.monotonic()``.

    The frame that came fastest so far counts as not delayed, and every other one is as late as it came after its stamp.
    So a frame that waited in a queue is known to be old, though it has only just arrived. The zero drifts along, slowly
    enough not to hide a queue.

    FFmpeg hands out a frame of RTSP when the next one begins, so each of them is older by the time between two frames.

    Attributes:
        jumps: How often the stamps went back, or forward by much more than time did.
    """

    def __init__(self) -> None:
        """Starts with the first stamp."""
        self.jumps = 0
        self._zero_s: float | None = None  # our time less theirs
        self._before = (0.0, 0.0)
        self._step_s = 0.0  # the least between two stamps

    def captured_s(self, pts_s: float | None, arrived_s: float, *, one_behind: bool = False) -> float:
        """Tells when a frame was taken.

        Args:
            pts_s: Its stamp in seconds; None if it has none.
            arrived_s: When it arrived, by ``time.monotonic()``.
            one_behind: Whether it was held back until the next frame began.

        Returns:
            ``arrived_s`` or a time before it, by ``time.monotonic()``.
        """
        if pts_s is None:
            return arrived_s
        fastest_s = arrived_s - pts_s
        if self._zero_s is not None:
            last_pts_s, last_arrived_s = self._before
            crept_s = self._zero_s + _DRIFT * (arrived_s - last_arrived_s)
            ahead_s = (pts_s - last_pts_s) - (arrived_s - last_arrived_s)
            # Frames that catch up after a wait come ahead of time, too, but never before the zero.
            if pts_s < last_pts_s or (ahead_s > _JUMP_S and crept_s - fastest_s > _JUMP_S):
                self.jumps += 1
            else:
                fastest_s = min(crept_s, fastest_s)
                step_s = pts_s - last_pts_s
                self._step_s = min(step_s, self._step_s or _MAX_STEP_S) if step_s else self._step_s
        self._zero_s, self._before = fastest_s, (pts_s, arrived_s)
        return pts_s + fastest_s - self._step_s * one_behind
