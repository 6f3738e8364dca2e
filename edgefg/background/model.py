"""The model that turns a camera's views, in order, into new backgrounds and events."""

from dataclasses import dataclass

import cv2
import numpy as np

from ..imaging.io import Image
from . import events as kinds
from .bootstrap_median import GatheredMedian, merged
from .events import SceneEvent
from .observation import CELL_PX, Cells, Compare, Observation, SceneImage, SceneView, cells_of
from .policy import BackgroundPolicy
from .reference import SAME_LEVELS, SAME_LIGHT_LEVELS, ReferenceBackground
from .registration import moved
from .relight_trial import RelightPause, fits_less
from .scene_change import MAX_SHAKE, SceneChange, SceneChangeDetector
from .selective_update import Estimate, SelectiveRefresh
from .structure import DetailComparison

_HASTE_S = 5.0
_HASTE_BLEND_S = 2.0
_BETWEEN_HEALINGS_S = 0.5
_MAX_STEP_S = 2.0
_USUAL_WEIGHT = 0.3
_SEEN_LEVELS, _SEEN_CELLS = 4, 0.002
_UNCLIPPED_SHARE, _MUCH_UNCLIPPED = 0.005, 0.05

_RELIGHTS = (kinds.LIGHT_STEP, kinds.LIGHT_DRIFT)
_ENDED = {
    kinds.VIEW_BLOCKED: ("held the background", "the view is back"),
    kinds.FROZEN_FEED: ("held the background", "the feed is back"),
    kinds.NOISE: ("paused the removal of ghosts", "the noise is gone"),
}


@dataclass(frozen=True, eq=False)
class Decision:
    """The model's decision after a view.

    Attributes:
        image: The new background, ``(H, W, 3) uint8 BGR``; None keeps the current one.
        shaky: Whether frames have to be aligned with the background from now on.
        events: Events that were detected.
    """

    image: Image | None = None
    shaky: bool = False
    events: tuple[SceneEvent, ...] = ()


class BackgroundModel:
    """The background model of one camera. Its time follows the clock, but never runs back or skips over a stall."""

    def __init__(self, policy: BackgroundPolicy, size: tuple[int, int]) -> None:
        """Creates a model, which waits for `start`.

        Args:
            policy: Policy to follow.
            size: Width and height of the networks' input.
        """
        self._policy = policy
        self._watch = SceneChangeDetector(policy.events)
        self._refresh = SelectiveRefresh(policy, (size[0] // CELL_PX, size[1] // CELL_PX))
        self._gathering = GatheredMedian(policy.bootstrap_s)
        self._bootstraps = False
        self._id = 0
        self._now_s = self._published_s = self._haste_until_s = self._period_from_s = 0.0
        self._clock_s: float | None = None
        self._interval_s = 0.0
        self._detail = DetailComparison()
        self._chosen = False  # The background began as an image that was set.
        self._becomes_reference = True  # The background of the last decision does, once it is published.
        self._clear_s = 0.0
        self._hidden = False  # The last view hid detail that the reference has.
        self._healed = False  # A ghost was removed, and the result is not published yet.
        self._pause = RelightPause()

    def start(self, image: Image, background_id: int, bootstrap: bool) -> None:
        """Starts with a background that was set, or with the first frame.

        Args:
            image: ``(H, W, 3) uint8 BGR`` at the networks' size.
            background_id: Id of the background.
            bootstrap: Whether it serves only until a median is available.
        """
        self._estimate: Estimate = image.astype(np.float32)
        self._bootstraps = bootstrap and self._policy.bootstrap == "median"
        self._chosen = not bootstrap
        self._becomes_reference = True
        self._hidden = False
        self._clear_s = self._now_s
        self._forget()
        self._haste_until_s = self._now_s
        self.published(image, background_id)

    def published(self, image: Image, background_id: int) -> None:
        """Takes note that frames are now compared with the background of the last decision."""
        self._shown = SceneImage(image)
        if self._becomes_reference:
            self._keep_shown()
        self._id = background_id
        self._published_s = self._now_s

    def _keep_shown(self) -> None:
        """Makes the present background the reference, with the frames gathered for its median."""
        self._reference = ReferenceBackground(self._shown, self._bootstraps, self._gathering)

    def observe(self, seen: Observation, frozen: bool) -> Decision | None:
        """Processes a finished frame.

        Args:
            seen: The frame. Frames must be passed in order.
            frozen: Whether the background must not change; events are still reported.

        Returns:
            The decision; None if the frame was compared with an older background and says nothing about this one.
        """
        passed_s = self._pass(seen.time_s)
        if seen.background_id != self._id:
            return None
        image, foreground, distance = seen.read()
        view = SceneView(SceneImage(image), foreground, distance, self._now_s, seen.match)
        may_change = not frozen and self._policy.refresh != "fixed"
        relights = self._pause.is_over(self._now_s)
        look = self._watch.look(view, self._shown, self._reference.picture, relights=relights)
        events, replaced = [], False
        for finding in look.findings:
            if may_change and finding.kind in _RELIGHTS and self._relights_badly(finding, view, seen.compare):
                if self._pause.begin(self._now_s):
                    kept = "kept the background: it fits better than a relit one"
                    events.append(SceneEvent(seen.time_s, finding.kind, finding.strength, kept))
                continue
            action, changed = self._act(finding, view, may_change)
            events.append(SceneEvent(seen.time_s, finding.kind, finding.strength, action))
            replaced |= changed
        if look.settled and not look.findings:
            hidden = self._reference.shows_more_than(view.picture)
            self._clear_s = self._clear_s if hidden else self._now_s
            self._hidden = hidden
            replaced = may_change and self._give_up(view.picture)
        merged = healed = False
        if look.settled and not replaced and not frozen:
            merged, healed = self._learn(view, passed_s, judge=not look.noisy)
        if not replaced:
            # What is learned while detail is hidden, or light has just changed, is no reference.
            self._becomes_reference = not self._hidden and self._now_s >= self._haste_until_s
            if self._becomes_reference and look.settled and self._reference.picture is not self._shown:
                self._keep_shown()
        due = self._due(replaced or merged, healed) if not frozen else None
        return Decision(due, look.shaky, tuple(events))

    def _pass(self, clock_s: float) -> float:
        """Returns the seconds to count since the view before."""
        passed_s = 0.0 if self._clock_s is None else max(0.0, clock_s - self._clock_s)
        self._clock_s = clock_s
        # A stall counts as a moment, because the scene was not seen meanwhile.
        passed_s = min(passed_s, max(_MAX_STEP_S, 2 * self._interval_s))
        self._interval_s += _USUAL_WEIGHT * (passed_s - self._interval_s)
        self._now_s += passed_s
        return passed_s

    def _forget(self, other: Cells | None = None) -> None:
        """Discards earlier observations, which do not apply to the new background.

        Args:
            other: Cells in which it shows another scene; None is all.
        """
        self._watch.restart(self._now_s)
        self._refresh.restart(other)
        # A new one, because the reference may keep the frames in its light.
        self._gathering = GatheredMedian(self._policy.bootstrap_s)
        self._detail.restart()
        self._period_from_s = self._now_s

    def _act(self, finding: SceneChange, view: SceneView, may_change: bool) -> tuple[str, bool]:
        """Reacts to an event. Returns the reaction in words, and whether the background changed."""
        if finding.kind in _ENDED:
            begun, ended = _ENDED[finding.kind]
            return (begun if finding.strength > 0 else ended), False
        if finding.kind == kinds.CORRUPT_FRAME:
            return "learned nothing from it", False
        if finding.kind == kinds.SHAKE:
            return "aligns each frame with the background", False
        if not may_change:
            return "none: the background is kept", False
        apart = self._apart(finding)
        if apart < SAME_LEVELS:
            self._return(self._reference.picture.image, np.zeros_like(view.moving))
            return "restored the background of before", True
        image, action = self._changed_background(finding, view)
        other = None if finding.relit is None else finding.relit.unclipped_cells
        if apart < SAME_LIGHT_LEVELS:
            self._return(image, other)
        else:
            self._replace(image, other)
        return action, True

    def _apart(self, finding: SceneChange) -> float:
        """Returns how far a relit background is from the reference, in levels; far if there is none."""
        if finding.relit is None or finding.kind == kinds.INFRARED:
            return 255.0
        return self._reference.apart(SceneImage(finding.relit.image))

    def _relights_badly(self, finding: SceneChange, view: SceneView, compare: Compare) -> bool:
        """Returns whether the networks find more foreground with the background of a finding than with the present."""
        if finding.relit is None:
            return False
        back = self._apart(finding) < SAME_LEVELS
        image = self._reference.picture.image if back else finding.relit.image
        foreground = compare(view.picture.image, image)
        if fits_less(float(cells_of(foreground, view.moving.shape).mean()), float(view.moving.mean())):
            return True
        self._pause.end()
        return False

    def _replace(self, image: Image, other: Cells | None = None) -> None:
        """Takes a new background, which shows another scene in some cells; None is all."""
        self._estimate = image.astype(np.float32)
        self._haste_until_s = self._now_s + _HASTE_S
        self._forget(other)

    def _give_up(self, frame: SceneImage) -> bool:
        """Gives a background up that has lost detail: for the reference, if that fits again, or else for a frame."""
        if self._reference.fits_better(frame, self._shown):
            self._return(self._reference.picture.image, np.zeros(frame.grey.shape, bool))
        elif not self._chosen and self._policy.refresh == "selective" and self._lacks_detail(frame):
            self._bootstraps = self._policy.bootstrap == "median"
            self._replace(frame.image)
            self._becomes_reference = True
        else:
            return False
        return True

    def _return(self, image: Image, other: Cells | None) -> None:
        """Takes a background in the reference's light, with the frames that were gathered there."""
        self._bootstraps = self._reference.bootstraps
        self._replace(image, other)
        self._gathering = self._reference.gathering
        self._becomes_reference = image is self._reference.picture.image
        if self._becomes_reference:
            self._haste_until_s = self._now_s  # Nothing has to be learned again.

    def _lacks_detail(self, frame: SceneImage) -> bool:
        return self._detail.finds_less(self._shown, frame, self._now_s)

    def _changed_background(self, finding: SceneChange, view: SceneView) -> tuple[Image, str]:
        frame = view.picture.image
        if finding.relit is not None:
            unclipped = float(finding.relit.unclipped.mean())
            hidden = self._reference.shows_more_than(view.picture)
            self._becomes_reference = unclipped > _UNCLIPPED_SHARE and not hidden
            # That much of this frame may show people.
            self._bootstraps |= unclipped > _MUCH_UNCLIPPED and not self._chosen and self._policy.bootstrap == "median"
            by_day = finding.kind == kinds.DAYLIGHT
            return (
                finding.relit.image,
                "restored the background of the day before" if by_day else "relit the background",
            )
        self._becomes_reference = True
        if finding.kind == kinds.CAMERA_MOVED:
            shift = finding.shift
            # A frame that was aligned with the background has to be moved back to the camera's view.
            near = shift.length_px <= MAX_SHAKE * frame.shape[1]
            uncovered = moved(frame, shift, fill=frame) if near and view.match else frame
            return moved(self._shown.image, shift, fill=uncovered), "moved the background along"
        self._bootstraps = self._policy.bootstrap == "median"
        return frame, "started again with this frame"

    def _learn(self, view: SceneView, passed_s: float, judge: bool) -> tuple[bool, bool]:
        """Learns from a view. Returns whether the background has to change now, and whether a ghost was removed."""
        urgent = healed = False
        if self._policy.refresh == "selective":
            hasty = self._now_s < self._haste_until_s
            blend_s = min(_HASTE_BLEND_S, self._policy.blend_s) if hasty else self._policy.blend_s
            self._refresh.blend(self._estimate, view, passed_s, blend_s)
            healed = self._refresh.adopt(self._estimate, self._shown.image, view, judge)
        # A median of frames that hide detail is none of the reference's.
        passing = self._hidden and self._now_s - self._clear_s < self._policy.bootstrap_s
        spoilt = passing and self._gathering is self._reference.gathering
        if self._gathers() and not spoilt and self._gathering.add(view.picture.image, self._now_s):
            self._merge(view.foreground)
            self._bootstraps, self._period_from_s = False, self._now_s
            urgent = True
        return urgent, healed

    def _gathers(self) -> bool:
        if self._bootstraps:
            return True
        wait_s = self._policy.period_s - self._policy.bootstrap_s
        return self._policy.refresh == "periodic" and self._now_s - self._period_from_s >= wait_s

    def _merge(self, foreground: Image) -> None:
        """Makes the median the background, as far as it contains no object."""
        before = np.asarray(cv2.convertScaleAbs(self._estimate), np.uint8)
        image, changed = merged(self._gathering, before, foreground)
        self._estimate = image.astype(np.float32)
        self._refresh.doubt(cells_of(changed, self._shown.grey.shape))

    def _due(self, urgent: bool, healed: bool) -> Image | None:
        """Returns the background that replaces the published one, or None if it is not time yet."""
        waited_s = self._now_s - self._published_s
        self._healed |= healed
        if urgent or (self._healed and waited_s >= _BETWEEN_HEALINGS_S):
            self._healed = False
            return np.asarray(cv2.convertScaleAbs(self._estimate), np.uint8)
        if waited_s < self._policy.refresh_s or self._policy.refresh != "selective":
            return None
        image = np.asarray(cv2.convertScaleAbs(self._estimate), np.uint8)
        apart = cv2.absdiff(SceneImage(image).grey, self._shown.grey)
        visible = np.count_nonzero(apart >= _SEEN_LEVELS) >= max(1, _SEEN_CELLS * apart.size)
        if not visible:
            # Checked no more often than it could be published.
            self._published_s = self._now_s
        return image if visible else None
