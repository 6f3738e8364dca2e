"""A relit background is taken back where the networks find more foreground with it than before."""

import cv2
import numpy as np
import pytest

from edgefg.background.policy import BackgroundPolicy
from edgefg.background.relight_trial import RelightPause, RelightTrial

from ..support.background_rig import HEIGHT, Rig, textured_scene

SCENE = textured_scene()
RELIT, BACK = "relit the background", "took the relit background back: it fitted less"


def lit(gain: float) -> np.ndarray:
    return np.clip(SCENE * gain, 0, 255).astype(np.uint8)


class Bearing(Rig):
    """Networks that bear any light, but see foreground in a fifth of the view with the first relit background."""

    def mask(self, frame: np.ndarray) -> np.ndarray:
        mask = np.zeros(frame.shape[:2], np.uint8)
        if self.id == 2:
            mask[: HEIGHT // 5] = 255
        return mask


def actions(rig: Rig) -> list[str]:
    return [event.action for event in rig.events]


def test_it_is_taken_back_at_the_next_view() -> None:
    rig = Bearing(BackgroundPolicy(), SCENE).show(SCENE, 4)
    while rig.id < 3:
        rig.show(lit(1.5), 0.15)
        assert rig.now_s < 8
    assert actions(rig) == [RELIT, BACK]
    assert cv2.absdiff(rig.background, SCENE).mean() < 3


def test_nothing_is_relit_for_a_while_then() -> None:
    rig = Bearing(BackgroundPolicy(), SCENE).show(SCENE, 4).show(lit(1.5), 2).show(lit(0.6), 4)
    assert actions(rig) == [RELIT, BACK]


def test_later_light_is_followed_again() -> None:
    rig = Bearing(BackgroundPolicy(), SCENE).show(SCENE, 4).show(lit(1.5), 15).show(lit(0.6), 2)
    assert actions(rig) == [RELIT, BACK, RELIT]


def test_a_freeze_meanwhile_ends_the_trial() -> None:
    rig = Bearing(BackgroundPolicy(), SCENE).show(SCENE, 4)
    while rig.id < 2:
        rig.show(lit(1.5), 0.15)
    rig.frozen = True
    rig.show(lit(1.5), 1)
    rig.frozen = False
    rig.show(lit(1.5), 1)
    assert BACK not in actions(rig)


def test_a_changed_view_is_found_in_the_pause_too() -> None:
    rig = Bearing(BackgroundPolicy(), SCENE).show(SCENE, 4).show(lit(1.5), 2)
    assert actions(rig) == [RELIT, BACK]
    other = textured_scene(7)
    rig.mask = lambda frame: Rig.mask(rig, frame)  # type: ignore[method-assign]  # These networks see another view.
    rig.show(np.clip(other * 0.6, 0, 255).astype(np.uint8), 5)
    assert "view_changed" in rig.kinds


def test_one_that_fits_stays() -> None:
    rig = Rig(BackgroundPolicy(), SCENE).show(SCENE, 4).show(lit(1.5), 4)
    assert actions(rig) == [RELIT]
    assert rig.foreground(lit(1.5)) < 0.005


def test_an_image_that_was_set_meanwhile_is_not_taken_back() -> None:
    rig = Bearing(BackgroundPolicy(), SCENE).show(SCENE, 4)
    while rig.id < 2:
        rig.show(lit(1.5), 0.15)
    rig.model.start(lit(1.5), 2, bootstrap=False)
    rig.show(lit(1.5), 1)
    assert actions(rig) == [RELIT]


@pytest.mark.parametrize(("before", "after", "fails"), [(0.0, 0.005, False), (0.0, 0.02, True), (0.1, 0.2, False)])
def test_more_foreground_than_chance_is_a_failure(before: float, after: float, fails: bool) -> None:
    assert RelightTrial(SCENE, before, "light_step").failed(after) is fails


def test_pauses_grow_until_one_succeeds() -> None:
    pause = RelightPause()
    for length_s in (10, 20, 40):
        pause.begin(0)
        assert not pause.is_over(length_s - 0.1)
        assert pause.is_over(length_s)
    pause.reset()
    pause.begin(0)
    assert pause.is_over(10)
