"""Which of two images shows the object: the one that has a contour."""

import cv2
import numpy as np
import pytest

from edgefg.background import selective_update
from edgefg.background.ghosts import ObjectScore, object_score
from edgefg.background.policy import BackgroundPolicy

from ..support.background_rig import STEP_S, Rig, textured_scene, with_box

SCENE = textured_scene()
REGION = np.zeros(SCENE.shape[:2], np.uint8)
REGION[40:80, 60:84] = 255
NOTHING = np.zeros_like(REGION)


def test_an_object_scores_above_a_ghost_below() -> None:
    assert object_score(with_box(SCENE), SCENE, REGION, NOTHING).mean > 0.1
    assert object_score(SCENE, with_box(SCENE), REGION, NOTHING).mean < -0.12


def test_swapping_the_images_turns_the_sign() -> None:
    one = object_score(with_box(SCENE), SCENE, REGION, NOTHING)
    other = object_score(SCENE, with_box(SCENE), REGION, NOTHING)
    assert other == pytest.approx((-one.edges, -one.step))


def test_equal_images_say_nothing() -> None:
    assert object_score(SCENE, SCENE, REGION, NOTHING) == (0, 0)


def test_a_rim_that_is_mostly_hidden_says_nothing() -> None:
    hidden = np.full_like(REGION, 255)
    hidden[40:80, 60:84] = 0
    hidden[30:60, 50:62] = 0
    assert object_score(with_box(SCENE), SCENE, REGION, hidden) == (0, 0)


def test_at_the_edge_of_the_frame() -> None:
    region = np.zeros_like(REGION)
    region[0:40, 0:24] = 255
    assert object_score(with_box(SCENE, 0, 0), SCENE, region, NOTHING).mean > 0.1


class TestConfirmedPlaces:
    """Where a frame has shown what the background shows, both measures must agree on a ghost that is not clear."""

    @pytest.fixture
    def rig(self, monkeypatch: pytest.MonkeyPatch) -> Rig:
        monkeypatch.setattr(selective_update, "object_score", lambda *images: ObjectScore(-0.1, -0.3))
        return Rig(BackgroundPolicy(bootstrap="first"), SCENE)

    def test_who_comes_and_stands_still_stays_foreground(self, rig: Rig) -> None:
        rig.show(SCENE, 3).show(with_box(SCENE), 6)
        assert rig.foreground(with_box(SCENE)) > 0.04

    def test_also_when_the_light_changes_meanwhile(self, rig: Rig) -> None:
        bright = cv2.convertScaleAbs(with_box(SCENE), alpha=1.4)
        rig.show(SCENE, 3).show(bright, 6).show(with_box(SCENE), 6)
        assert "light_step" in rig.kinds
        assert rig.foreground(with_box(SCENE)) > 0.04

    def test_both_measures_are_enough(self, rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(selective_update, "object_score", lambda *images: ObjectScore(-0.25, -0.25))
        assert rig.show(SCENE, 3).show(with_box(SCENE), 6).foreground(with_box(SCENE)) < 0.005

    def test_but_not_for_a_still_part_of_somebody_who_moves(self, rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(selective_update, "object_score", lambda *images: ObjectScore(-0.25, -0.6))
        rig.show(SCENE, 3)
        for step in range(40):
            reading = with_box(with_box(SCENE), 60, 20, 24, 20)
            reading[20:40, 60:84] = (20, 40 + 60 * (step % 3), 230)
            rig.show(reading, STEP_S)
        assert rig.foreground(with_box(SCENE)) > 0.04

    def test_a_place_that_always_differed_is_not_confirmed(self, rig: Rig) -> None:
        assert rig.show(with_box(SCENE), 6).foreground(with_box(SCENE)) < 0.005

    def test_nor_is_one_of_another_scene(self, rig: Rig) -> None:
        other = textured_scene(seed=5)
        rig.show(SCENE, 6).show(other, 1.5)
        rig.model.start(with_box(other), rig.id, bootstrap=False)
        rig.background = with_box(other)
        assert rig.show(other, 6).foreground(other) < 0.005
