"""Detection of scene events in the views of one camera, by cheap measures of cells and edges."""

import math
from collections import deque
from collections.abc import Set
from dataclasses import dataclass, field

import cv2
import numpy as np

from . import events as kinds
from .feed_health import FeedHealth
from .observation import Cells, SceneImage, SceneView
from .photometric import COLOUR_LEVELS, GREY_LEVELS, gain, without_colour
from .registration import NO_SHIFT, Registration, Shift, find_shift
from .relight import Relit, relight
from .structure import same_pattern

MAX_SHAKE = 0.05
"""Longest shift of a shaking camera, as a share of the width. A camera with a longer shift has panned."""

MAX_PAN = 0.4
"""Longest shift that can be found, as a share of the width. Beyond it the images have too little in common."""

_SETTLED_SHARE = 0.6
_CORRUPT_SHARE, _INTACT_SHARE = 0.6, 0.7
_FEW_OBJECTS = 0.15
_SAME_LEVELS = 12
_MIN_GAIN_LOG = 0.11
_MIN_CONTRAST_LOG, _MIN_CONTRAST_LEVELS = 0.2, 10
_STEP_S = 0.6
_UNRELATED = 0.2
_MIN_SHARPNESS = 0.5
_CALM_AFTER_SHAKE_S = 5.0
_OFFSET_S = 1.5
_CHANGED_S, _CHANGED_AT_START_S, _START_S = 2.0, 0.4, 3.0


@dataclass(frozen=True)
class SceneChange:
    """An event, with the data that a reaction to it needs.

    Attributes:
        kind: One of `edgefg.background.events.EVENT_KINDS`.
        strength: Strength of the event, as in `edgefg.SceneEvent`.
        shift: Distance that the camera moved.
        relit: Background in the new light.
    """

    kind: str
    strength: float
    shift: Shift = NO_SHIFT
    relit: Relit | None = None


@dataclass(frozen=True)
class SceneState:
    """The result of examining one view.

    Attributes:
        findings: Events that begin or end with the view.
        settled: Whether the model may learn from the view: the view before agrees, and nothing blocks it.
        shaky: Whether frames have to be aligned with the background.
        noisy: Whether differences between frames are noise.
    """

    findings: list[SceneChange]
    settled: bool
    shaky: bool
    noisy: bool


@dataclass
class _Memory:
    """State that is reset when the background changes."""

    started_s: float
    shifts: deque[tuple[float, Shift]] = field(default_factory=lambda: deque(maxlen=64))
    far: int = 0
    shaky: bool = False
    unreported: Shift = NO_SHIFT  # The first shift, until the camera comes back from it.
    blocked: int = 0
    clear: int = 0
    unlike_since_s: float | None = None


class SceneChangeDetector:
    """Examines one view after another, in order."""

    def __init__(self, wanted: Set[str]) -> None:
        self._wanted = wanted
        self._feed = FeedHealth(wanted)
        self._before: SceneImage | None = None
        self._agreed: SceneImage | None = None
        self._brightness: deque[tuple[float, float]] = deque(maxlen=64)
        self._memory = _Memory(0.0)

    def restart(self, time_s: float) -> None:
        """Resets the state for a new background, of the same or another view."""
        self._memory = _Memory(time_s)

    def look(
        self, view: SceneView, background: SceneImage, reference: SceneImage, *, relights: bool = True
    ) -> SceneState:
        """Examines a view.

        Args:
            view: The next view.
            background: Background that its frame was compared with.
            reference: The background as it was before the light changed.
            relights: Whether to look for light that the background can follow.
        """
        findings = [SceneChange(kind, strength) for kind, strength in self._feed.look(view)]
        if self._feed.repeats:
            return SceneState(findings, False, self._memory.shaky, self._feed.noisy)
        findings += self._camera(view, background)
        settled = self._settle(view, findings)
        if settled and not findings:
            findings += self._blocked(view, background)
            settled = self._memory.blocked == 0
            if settled and not findings:
                findings += self._colour(view, background, reference)
                findings += self._light(view, background, reference) if relights and not findings else []
                findings += [] if findings else self._changed(view, background)
        self._brightness.append((view.time_s, float(np.median(view.picture.grey))))
        return SceneState(
            [each for each in findings if each.kind in self._wanted], settled, self._memory.shaky, self._feed.noisy
        )

    def _settle(self, view: SceneView, findings: list[SceneChange]) -> bool:
        """Returns whether the frame before agrees with this one, because a single frame proves nothing."""
        before, self._before = self._before, view.picture
        if before is None:
            self._agreed = view.picture
            return True
        settled = _agreement(before, view.picture) >= _SETTLED_SHARE
        if settled:
            self._agreed = view.picture
        elif self._agreed is not None and self._agreed is not before:
            shakes = any(shift != NO_SHIFT for _, shift in self._memory.shifts)
            if not shakes and _agreement(self._agreed, view.picture) >= _SETTLED_SHARE:
                if _is_corrupt(self._agreed, before, view.picture):
                    findings.append(SceneChange(kinds.CORRUPT_FRAME, 1 - _agreement(before, view.picture)))
                self._agreed = view.picture
        return settled

    def _camera(self, view: SceneView, background: SceneImage) -> list[SceneChange]:
        memory = self._memory
        match = view.match or self._match(view, background)
        shift, width = match.shift, view.foreground.shape[1]
        memory.shifts.append((view.time_s, shift))
        memory.far = memory.far + 1 if shift.length_px > MAX_SHAKE * width else 0
        if memory.far >= 2:
            return [SceneChange(kinds.CAMERA_MOVED, shift.length_px, shift)]
        if memory.far == 0 and shift != NO_SHIFT and not memory.shaky and kinds.SHAKE in self._wanted:
            memory.shaky, memory.unreported = True, shift
        elif _has_come_back(shift, memory.unreported):
            first, memory.unreported = memory.unreported, NO_SHIFT
            return [SceneChange(kinds.SHAKE, first.length_px)]
        elif memory.shaky:
            if not any(one != NO_SHIFT for time_s, one in memory.shifts if time_s >= view.time_s - _CALM_AFTER_SHAKE_S):
                memory.shaky = False
            steady = self._steady_offset(view.time_s)
            if steady != NO_SHIFT:
                return [SceneChange(kinds.CAMERA_MOVED, steady.length_px, steady)]
        return []

    def _match(self, view: SceneView, background: SceneImage) -> Registration:
        apart = cv2.absdiff(view.picture.grey, background.grey)
        differs = apart > _SAME_LEVELS // 2
        # A few objects are ignored. A view that moved also differs around them, or counts as foreground altogether.
        if view.moving_share < _FEW_OBJECTS:
            differs &= ~view.moving
        if np.count_nonzero(differs) < 0.03 * apart.size:
            return Registration(NO_SHIFT, 1.0)
        return find_shift(view.picture.outline, background.outline, MAX_PAN * view.foreground.shape[1])

    def _steady_offset(self, now_s: float) -> Shift:
        """Returns the shift at which the camera rests, or a zero shift while it moves."""
        recent = [shift for time_s, shift in self._memory.shifts if time_s >= now_s - _OFFSET_S]
        first = self._memory.shifts[0][0]
        if len(recent) < 4 or first > now_s - _OFFSET_S:
            return NO_SHIFT
        ways = np.array([(shift.dx, shift.dy) for shift in recent])
        if np.ptp(ways, axis=0).max() > 2:
            return NO_SHIFT
        dx, dy = np.median(ways, axis=0)
        return Shift(round(dx), round(dy))

    def _blocked(self, view: SceneView, background: SceneImage) -> list[SceneChange]:
        memory = self._memory
        gone = 1 - view.picture.sharpness / max(background.sharpness, 0.1)
        if kinds.VIEW_BLOCKED not in self._wanted or background.sharpness < _MIN_SHARPNESS:
            return []
        # The flatter a view is, the more of its agreement with the background is chance.
        chance = _UNRELATED if gone < 0.85 else 2 * _UNRELATED
        covered = gone > 0.6 and self._response(view, background) < chance
        if memory.blocked >= 2:
            memory.clear = 0 if covered else memory.clear + 1
            if memory.clear < 2:
                return []
            memory.blocked = 0
            return [SceneChange(kinds.VIEW_BLOCKED, 0.0)]
        memory.blocked, memory.clear = (memory.blocked + 1 if covered else 0), 0
        return [SceneChange(kinds.VIEW_BLOCKED, gone)] if memory.blocked == 2 else []

    def _response(self, view: SceneView, background: SceneImage) -> float:
        if not view.picture.outline.any():
            return 0.0
        return find_shift(view.picture.outline, background.outline, 0).response

    def _colour(self, view: SceneView, background: SceneImage, reference: SceneImage) -> list[SceneChange]:
        now, then = view.picture.colourfulness, background.colourfulness
        if now < GREY_LEVELS and then > COLOUR_LEVELS:
            grey = SceneImage(without_colour(reference.image))
            return [SceneChange(kinds.INFRARED, then - now, relit=relight(view.picture, _all(view), grey, grey))]
        if now > COLOUR_LEVELS and then < GREY_LEVELS:
            by_day = reference.colourfulness > COLOUR_LEVELS
            relit = relight(view.picture, _all(view), reference, reference) if by_day else None
            return [SceneChange(kinds.DAYLIGHT, now - then, relit=relit)]
        return []

    def _light(self, view: SceneView, background: SceneImage, reference: SceneImage) -> list[SceneChange]:
        where = ~view.moving
        if where.mean() < 0.3:
            where = _all(view)
        times = gain(view.picture.grey, background.grey, where)
        if abs(math.log(times)) < _MIN_GAIN_LOG and not _contrast_changed(view.picture, background, where):
            return []
        if reference.colourfulness > COLOUR_LEVELS and view.picture.colourfulness < GREY_LEVELS:
            reference = background
        relit = relight(view.picture, where, reference, background)
        where = where & ~relit.unclipped_cells
        if where.any():
            before = _apart(view.picture, background, where)
            if _apart(view.picture, SceneImage(relit.image), where) > 0.6 * before:
                return []
        return [SceneChange(kinds.LIGHT_STEP if self._is_step(view) else kinds.LIGHT_DRIFT, times, relit=relit)]

    def _is_step(self, view: SceneView) -> bool:
        now = float(np.median(view.picture.grey)) + 1
        recent = [level + 1 for time_s, level in self._brightness if time_s >= view.time_s - _STEP_S]
        return any(abs(math.log(now / level)) > _MIN_GAIN_LOG for level in recent)

    def _changed(self, view: SceneView, background: SceneImage) -> list[SceneChange]:
        memory = self._memory
        if view.moving_share < 0.5 or self._response(view, background) >= _UNRELATED:
            memory.unlike_since_s = None
            return []
        if memory.unlike_since_s is None:
            memory.unlike_since_s = view.time_s
        patience = _CHANGED_AT_START_S if view.time_s - memory.started_s < _START_S else _CHANGED_S
        if view.time_s - memory.unlike_since_s < patience:
            return []
        return [SceneChange(kinds.VIEW_CHANGED, view.moving_share)]


def _has_come_back(now: Shift, first: Shift) -> bool:
    """Returns whether a camera that was once off by ``first`` shakes. One that pans goes on, or stays where it is."""
    return first != NO_SHIFT and 2 * (now.dx * first.dx + now.dy * first.dy) < first.length_px**2


def _agreement(one: SceneImage, other: SceneImage) -> float:
    apart = cv2.absdiff(one.grey, other.grey)
    return float(np.count_nonzero(apart <= _SAME_LEVELS) / apart.size)


def _contrast_changed(frame: SceneImage, background: SceneImage, where: Cells) -> bool:
    """Returns whether levels differ in most places because fog, or light on the lens, changed the contrast."""
    sharpness = math.log((frame.sharpness + 0.1) / (background.sharpness + 0.1))
    return abs(sharpness) > _MIN_CONTRAST_LOG and _apart(frame, background, where) > _MIN_CONTRAST_LEVELS


def _is_corrupt(earlier: SceneImage, odd: SceneImage, later: SceneImage) -> bool:
    """Returns whether a frame between two others lost the pattern that these share. Flashes and flicker keep it."""
    if same_pattern(earlier, odd) > _CORRUPT_SHARE:
        return False
    return same_pattern(earlier, later) >= _INTACT_SHARE


def _apart(one: SceneImage, other: SceneImage, where: Cells) -> float:
    return float(np.median(cv2.absdiff(one.grey, other.grey)[where]))


def _all(view: SceneView) -> Cells:
    return np.ones_like(view.moving)
