"""A relit background is used only where the networks do not find more foreground with it than before."""

import cv2
import numpy as np
import pytest

from edgefg.background.policy import BackgroundPolicy
from edgefg.background.relight_trial import RelightPause, fits_less
from edgefg.errors import EngineError

from ..support.background_rig import HEIGHT, Rig, textured_scene

SCENE = textured_scene()
RELIT, KEPT = "relit the background", "kept the background: it fits better than a relit one"


def lit(gain: float) -> np.ndarray:
    return np.clip(SCENE * gain, 0, 255).astype(np.uint8)


class Bearing(Rig):
    """Networks that bear any light, but see foreground in a fifth of the view with a background in another light."""

    refuse_until_s = np.inf

    def mask(self, frame: np.ndarray) -> np.ndarray:
        return np.zeros(frame.shape[:2], np.uint8)

    def compare(self, frame: np.ndarray, background: np.ndarray) -> np.ndarray:
        mask = np.zeros(frame.shape[:2], np.uint8)
        if self.now_s < self.refuse_until_s:
            mask[: HEIGHT // 5] = 255
        return mask


def actions(rig: Rig) -> list[str]:
    return [event.action for event in rig.events]


def test_one_that_fits_less_is_never_used() -> None:
    rig = Bearing(BackgroundPolicy(refresh="fixed"), SCENE)
    rig.model = type(rig.model)(BackgroundPolicy(refresh="periodic", period_s=1e6), (160, 120))
    rig.model.start(SCENE, 1, bootstrap=False)
    rig.show(SCENE, 4).show(lit(1.5), 4)
    assert actions(rig) == [KEPT]
    assert rig.id == 1


def test_light_that_stays_odd_is_told_of_once() -> None:
    rig = Bearing(BackgroundPolicy(blend_s=1e6), SCENE).show(SCENE, 4).show(lit(1.5), 30)
    assert actions(rig) == [KEPT]
    assert cv2.absdiff(rig.background, SCENE).mean() < 3


def test_it_is_tried_again_soon() -> None:
    rig = Bearing(BackgroundPolicy(blend_s=1e6), SCENE).show(SCENE, 4)
    rig.refuse_until_s = rig.now_s + 1
    rig.show(lit(1.5), 4)
    assert actions(rig) == [KEPT, RELIT]
    assert cv2.absdiff(rig.background, lit(1.5)).mean() < 3


def test_a_changed_view_is_found_in_the_pause_too() -> None:
    rig = Bearing(BackgroundPolicy(ghost_s=None), SCENE).show(SCENE, 4).show(lit(1.5), 0.6)
    assert actions(rig) == [KEPT]
    other = textured_scene(7)
    rig.compare = lambda frame, background: Rig.compare(rig, frame, background)  # type: ignore[method-assign]
    rig.mask = lambda frame: rig.compare(frame, rig.background)  # type: ignore[method-assign]
    rig.show(np.clip(other * 0.6, 0, 255).astype(np.uint8), 5)
    assert actions(rig) == [KEPT, "started again with this frame"]


def test_one_that_fits_is_used_at_once() -> None:
    rig = Rig(BackgroundPolicy(), SCENE).show(SCENE, 4).show(lit(1.5), 0.6)
    assert actions(rig) == [RELIT]
    assert rig.foreground(lit(1.5)) < 0.005


def test_nothing_is_asked_while_the_background_is_kept() -> None:
    rig = Bearing(BackgroundPolicy(), SCENE).show(SCENE, 4)
    rig.frozen = True

    def fail(frame: np.ndarray, background: np.ndarray) -> np.ndarray:
        raise EngineError("the engine failed")

    rig.compare = fail  # type: ignore[method-assign]
    rig.show(lit(1.5), 2)
    assert actions(rig)[0] == "none: the background is kept"


@pytest.mark.parametrize(
    ("before", "after", "fails"), [(0.0, 0.005, False), (0.0, 0.02, True), (0.1, 0.2, False), (0.9, 0.6, True)]
)
def test_more_foreground_than_chance_is_a_failure(before: float, after: float, fails: bool) -> None:
    assert fits_less(after, before) is fails


def test_pauses_grow_while_failures_follow_each_other() -> None:
    pause, now_s = RelightPause(), 0.0
    for length_s, is_first in ((1, True), (2, False), (4, False)):
        assert pause.begin(now_s) is is_first
        assert not pause.is_over(now_s + length_s - 0.1)
        now_s += length_s
        assert pause.is_over(now_s)
    assert pause.begin(now_s + 4)
    assert pause.is_over(now_s + 5)
    pause.begin(now_s + 6)
    pause.end()
    assert pause.is_over(now_s + 6)
