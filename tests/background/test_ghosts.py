"""Which of two images shows the object: the one that has a contour."""

import numpy as np
import pytest

from edgefg.background.ghosts import object_score

from ..support.background_rig import textured_scene, with_box

SCENE = textured_scene()
REGION = np.zeros(SCENE.shape[:2], np.uint8)
REGION[40:80, 60:84] = 255
NOTHING = np.zeros_like(REGION)


def test_an_object_scores_above_a_ghost_below() -> None:
    assert object_score(with_box(SCENE), SCENE, REGION, NOTHING) > 0.1
    assert object_score(SCENE, with_box(SCENE), REGION, NOTHING) < -0.12


def test_swapping_the_images_turns_the_sign() -> None:
    one = object_score(with_box(SCENE), SCENE, REGION, NOTHING)
    assert object_score(SCENE, with_box(SCENE), REGION, NOTHING) == pytest.approx(-one)


def test_equal_images_say_nothing() -> None:
    assert object_score(SCENE, SCENE, REGION, NOTHING) == 0


def test_a_rim_that_is_mostly_hidden_says_nothing() -> None:
    hidden = np.full_like(REGION, 255)
    hidden[40:80, 60:84] = 0
    hidden[30:60, 50:62] = 0
    assert object_score(with_box(SCENE), SCENE, REGION, hidden) == 0


def test_at_the_edge_of_the_frame() -> None:
    region = np.zeros_like(REGION)
    region[0:40, 0:24] = 255
    assert object_score(with_box(SCENE, 0, 0), SCENE, region, NOTHING) > 0.1
