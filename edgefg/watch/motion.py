"""When motion starts and ends in a camera's zones: hysteresis in area and in time, so that noise makes no events."""

import secrets
import time
from dataclasses import dataclass
from typing import Any, Literal

from ..cameras.options import CameraOptions
from ..cameras.rhythm import Rhythm
from ..errors import OptionError
from ..imaging.io import Image
from ..utils.validation import check_number
from .zones import Patch, ZoneMasks

Change = Literal["started", "ended"]

# Frames further apart than this say nothing about the time between them, unless the camera is a slow one.
_MAX_GAP_S = 2.0
_MAX_TIME_S = 3600
_MAX_BOXES = 10


@dataclass(frozen=True)
class MotionOptions:
    """When motion starts and ends. Areas are shares of the picture's pixels.

    Attributes:
        min_area: A patch of at least this size starts motion; smaller ones are noise.
        keep_area: A patch of at least this size keeps motion going; None is half of ``min_area``.
        start_after_s: Motion starts when every frame has shown it for this long.
        end_after_s: Motion ends when no frame has shown it for this long.

    Raises:
        OptionError: An option makes no sense.
    """

    min_area: float = 0.002
    keep_area: float | None = None
    start_after_s: float = 0.3
    end_after_s: float = 2.0

    def __post_init__(self) -> None:
        check_number("min_area", self.min_area, above=0, at_most=1)
        if self.keep_area is not None:
            check_number("keep_area", self.keep_area, above=0, at_most=1)
        check_number("start_after_s", self.start_after_s, at_least=0, at_most=_MAX_TIME_S, unit="seconds")
        check_number("end_after_s", self.end_after_s, at_least=0, at_most=_MAX_TIME_S, unit="seconds")
        if self.kept_area > self.min_area:
            raise OptionError(f"keep_area must be at most min_area, {self.min_area}; got {self.keep_area}")

    @property
    def kept_area(self) -> float:
        """``keep_area``, or its default."""
        return self.min_area / 2 if self.keep_area is None else self.keep_area


@dataclass(frozen=True, eq=False)
class MotionChange:
    """Motion that started or ended in a zone.

    Attributes:
        kind: ``motion_started`` or ``motion_ended``.
        details: The details of the `edgefg.watch.Event`.
        age_s: How long ago it happened.
    """

    kind: str
    details: dict[str, Any]
    age_s: float = 0.0


class MotionWatcher:
    """Motion in all zones of one camera: takes masks, returns changes."""

    def __init__(self, zones: ZoneMasks, options: MotionOptions, max_wait_s: float = CameraOptions.max_wait_s) -> None:
        """Starts without motion.

        Args:
            zones: Where motion counts.
            options: When it starts and ends.
            max_wait_s: Longest time between two frames of a slow camera.
        """
        self._zones = zones
        self._options = options
        self._motions = {name: Motion(options, max_wait_s) for name in zones.names}
        self._ids: dict[str, str] = {}

    @property
    def active(self) -> tuple[str, ...]:
        """The zones in which there is motion."""
        return tuple(name for name, motion in self._motions.items() if motion.active)

    def update(self, mask: Image, captured_s: float) -> list[MotionChange]:
        """Adds a frame.

        Args:
            mask: ``(H, W) uint8``, 0 or 255.
            captured_s: When the frame was taken, by ``time.monotonic()``.
        """
        found = self._zones.patches(mask, self._options.kept_area)
        changes = []
        for name, motion in self._motions.items():
            areas = [patch.area for patch in found[name]]
            change = motion.update(max(areas, default=0.0), sum(areas), captured_s)
            if change == "started":
                self._ids[name] = secrets.token_hex(8)
                details = self._details(name, sum(areas)) | _boxes(found[name], mask)
                changes.append(MotionChange("motion_started", details, captured_s - motion.since_s))
            elif change == "ended":
                changes.append(self._ended(name, captured_s, "quiet"))
        return changes

    def no_frame(self, at_s: float) -> list[MotionChange]:
        """Adds the fact that no frame came until this time, by ``time.monotonic()``."""
        changed = [name for name, motion in self._motions.items() if motion.no_frame(at_s)]
        return [self._ended(name, at_s, "no frames") for name in changed]

    def stop(self) -> list[MotionChange]:
        """Ends all motion."""
        now_s = time.monotonic()
        changed = [name for name, motion in self._motions.items() if motion.stop()]
        return [self._ended(name, now_s, "stopped") for name in changed]

    def _ended(self, zone: str, at_s: float, reason: str) -> MotionChange:
        motion = self._motions[zone]
        details = self._details(zone, motion.peak_area)
        return MotionChange("motion_ended", details | {"duration_s": round(at_s - motion.since_s, 3), "reason": reason})

    def _details(self, zone: str, area: float) -> dict[str, Any]:
        return {"motion": self._ids[zone], "zone": zone, "area": round(area, 6)}


class Motion:
    """Whether there is motion in one zone.

    Attributes:
        active: Whether there is motion now.
        since_s: When it started, by the clock of the frames; meaningless while there is none.
        peak_area: The largest area since then.
    """

    def __init__(self, options: MotionOptions, max_wait_s: float = CameraOptions.max_wait_s) -> None:
        self.options = options
        self.active = False
        self.since_s = 0.0
        self.peak_area = 0.0
        self._seen_since_s: float | None = None
        self._last_seen_s = 0.0
        self._last_frame_s: float | None = None
        self._rhythm = Rhythm(max_wait_s)

    def update(self, largest: float, total: float, at_s: float) -> Change | None:
        """Adds a frame.

        Args:
            largest: Area of the largest patch in the zone.
            total: Area of all patches that count.
            at_s: When the frame was taken, by a clock that never goes back.

        Returns:
            The change, if there is one.
        """
        gap_s = 0.0 if self._last_frame_s is None else at_s - self._last_frame_s
        too_long = gap_s > self._rhythm.late_s(_MAX_GAP_S)
        self._rhythm.note(gap_s)
        self._last_frame_s = at_s
        if self.active:
            self.peak_area = max(self.peak_area, total)
            if largest >= self.options.kept_area:
                self._last_seen_s = at_s
            return self._end_if_over(at_s)
        if largest < self.options.min_area:
            self._seen_since_s = None
            return None
        if self._seen_since_s is None or too_long:
            self._seen_since_s, self.peak_area = at_s, 0.0
        self.peak_area = max(self.peak_area, total)
        if at_s - self._seen_since_s < self.options.start_after_s:
            return None
        self.active, self.since_s, self._last_seen_s = True, self._seen_since_s, at_s
        return "started"

    def no_frame(self, at_s: float) -> Change | None:
        """Adds the fact that no frame came until this time: motion that is no longer visible ends, too."""
        is_due = self._last_frame_s is None or at_s - self._last_frame_s >= self._rhythm.late_s(0.0)
        return self._end_if_over(at_s) if self.active and is_due else None

    def stop(self) -> Change | None:
        """Ends the motion, if there is any."""
        if not self.active:
            return None
        self.active, self._seen_since_s = False, None
        return "ended"

    def _end_if_over(self, at_s: float) -> Change | None:
        quiet_s = at_s - self._last_seen_s
        return self.stop() if quiet_s > 0 and quiet_s >= self.options.end_after_s else None


def _boxes(patches: list[Patch], mask: Image) -> dict[str, Any]:
    """Returns the boxes of the largest patches, in pixels of the frame."""
    return {"size": [mask.shape[1], mask.shape[0]], "boxes": [list(patch.box) for patch in patches[:_MAX_BOXES]]}
