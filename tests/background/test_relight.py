"""A background in new light, from pictures that know the detail."""

import cv2
import numpy as np

from edgefg.background.observation import SceneImage
from edgefg.background.relight import relight

from ..support.background_rig import textured_scene, with_box

SCENE = textured_scene(size=(320, 240))
ALL = np.ones((60, 80), bool)


def lit(image: np.ndarray, gain: float) -> np.ndarray:
    return np.asarray(cv2.convertScaleAbs(image, alpha=gain), np.uint8)


def apart(one: np.ndarray, other: np.ndarray) -> float:
    return float(cv2.absdiff(one, other).mean())


def test_detail_that_light_took_from_the_background_comes_from_the_reference() -> None:
    clipped = SceneImage(lit(SCENE, 2.4))
    relit = relight(SceneImage(SCENE), ALL, SceneImage(SCENE), clipped)
    assert apart(relit.image, SCENE) < 2
    assert not relit.unclipped.any()


def test_what_the_reference_does_not_know_comes_from_the_frame() -> None:
    clipped = SceneImage(lit(SCENE, 2.4))
    relit = relight(SceneImage(SCENE), ALL, clipped, clipped)
    assert apart(relit.image, SCENE) < 2
    assert relit.unclipped.mean() > 0.3
    assert relit.unclipped_cells.mean() > 0.3


def test_unless_it_is_too_dark_to_have_been_clipped() -> None:
    wall = np.full_like(SCENE, 140)
    wall[:, :120] = SCENE[:, :120]
    clipped = SceneImage(lit(wall, 2.4))
    visitor = with_box(wall, 180, 60, 60, 120)
    relit = relight(SceneImage(visitor), ALL, clipped, clipped)
    assert not relit.unclipped[70:170, 190:230].any()
    assert relit.unclipped[10:40, 190:230].all()


def test_what_only_the_present_background_shows_is_kept() -> None:
    # A box that came to stay after the reference was taken.
    current = with_box(SCENE, 200, 60, 60, 80)
    frame = SceneImage(lit(current, 0.6))
    relit = relight(frame, ALL, SceneImage(SCENE), SceneImage(current))
    assert apart(relit.image, frame.image) < 3


def test_who_stands_there_in_new_light_is_not_taken() -> None:
    visitor = SceneImage(lit(with_box(SCENE, 60, 60, 60, 100), 0.6))
    relit = relight(visitor, ALL, SceneImage(SCENE), SceneImage(lit(SCENE, 1.0)))
    assert apart(relit.image, lit(SCENE, 0.6)) < 3
