"""When motion starts and ends in a zone: hysteresis in area and in time, so that noise makes no events."""

from dataclasses import dataclass
from typing import Literal

from ..errors import OptionError

Change = Literal["started", "ended"]

# Frames further apart than this say nothing about the time between them.
_MAX_GAP_S = 2.0


@dataclass(frozen=True)
class MotionOptions:
    """When motion starts and ends. Areas are shares of the picture's pixels.

    Attributes:
        min_area: A patch of at least this size starts motion; smaller ones are noise.
        keep_area: And one of this size keeps it up; None is half of ``min_area``.
        start_after_s: How long there must be motion, without a frame between that shows none.
        end_after_s: How long there must be none.
    """

    min_area: float = 0.002
    keep_area: float | None = None
    start_after_s: float = 0.3
    end_after_s: float = 2.0

    def __post_init__(self) -> None:
        for name, value in (("min_area", self.min_area), ("keep_area", self.keep_area)):
            if name == "keep_area" and value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value <= 1:
                raise OptionError(f"{name}: expected a share of the picture, above 0 and at most 1, got {value!r}")
        if self.kept_area > self.min_area:
            raise OptionError(f"keep_area: expected at most min_area, {self.min_area}, got {self.keep_area}")
        for name, value in (("start_after_s", self.start_after_s), ("end_after_s", self.end_after_s)):
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 3600:
                raise OptionError(f"{name}: expected seconds, from 0 to 3600, got {value!r}")

    @property
    def kept_area(self) -> float:
        """``keep_area``, or what stands for it."""
        return self.min_area / 2 if self.keep_area is None else self.keep_area


class Motion:
    """Whether there is motion in one zone.

    Attributes:
        active: There is.
        since_s: When it started, by the clock of the frames; meaningless if there is none.
        peak_area: The largest area since then.
    """

    def __init__(self, options: MotionOptions) -> None:
        self.options = options
        self.active = False
        self.since_s = 0.0
        self.peak_area = 0.0
        self._seen_since_s: float | None = None
        self._last_seen_s = 0.0
        self._last_frame_s: float | None = None

    def update(self, largest: float, total: float, at_s: float) -> Change | None:
        """Takes note of a frame.

        Args:
            largest: Area of the largest patch in the zone.
            total: Area of all patches that count.
            at_s: When the frame was taken, by a clock that never goes back.

        Returns:
            What has changed, if anything.
        """
        gap_s = 0.0 if self._last_frame_s is None else at_s - self._last_frame_s
        self._last_frame_s = at_s
        if self.active:
            self.peak_area = max(self.peak_area, total)
            if largest >= self.options.kept_area:
                self._last_seen_s = at_s
            return self._end_if_over(at_s)
        if largest < self.options.min_area:
            self._seen_since_s = None
            return None
        if self._seen_since_s is None or gap_s > _MAX_GAP_S:
            self._seen_since_s, self.peak_area = at_s, 0.0
        self.peak_area = max(self.peak_area, total)
        if at_s - self._seen_since_s < self.options.start_after_s:
            return None
        self.active, self.since_s, self._last_seen_s = True, self._seen_since_s, at_s
        return "started"

    def no_frame(self, at_s: float) -> Change | None:
        """Takes note that it is this late, and no frame came: motion that nobody sees ends, too."""
        return self._end_if_over(at_s) if self.active else None

    def stop(self) -> Change | None:
        """Ends it, if there is any."""
        if not self.active:
            return None
        self.active, self._seen_since_s = False, None
        return "ended"

    def _end_if_over(self, at_s: float) -> Change | None:
        quiet_s = at_s - self._last_seen_s
        return self.stop() if quiet_s > 0 and quiet_s >= self.options.end_after_s else None
