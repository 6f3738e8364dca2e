"""How levels change with the light."""

import cv2
import numpy as np
import pytest

from edgefg.background.photometric import apply_curve, colourfulness, gain, tone_curve, without_colour

from ..support.background_rig import textured_scene, with_box

SCENE = cv2.resize(textured_scene(), (40, 30), interpolation=cv2.INTER_AREA)
ALL = np.ones(SCENE.shape[:2], bool)


def grey(image: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)


@pytest.mark.parametrize("times", [0.3, 0.5, 0.9, 1.5])
def test_the_gain_is_found(times: float) -> None:
    lit = cv2.convertScaleAbs(SCENE, alpha=times)
    assert gain(grey(lit), grey(SCENE), ALL) == pytest.approx(times, abs=0.03)


def test_without_cells_there_is_none() -> None:
    assert gain(grey(SCENE), grey(SCENE), ~ALL) == 1.0
    black = np.zeros_like(grey(SCENE))
    assert gain(black, black, ALL) == 1.0


@pytest.mark.parametrize("light", [lambda x: 0.5 * x, lambda x: 1.5 * x, lambda x: 255 * (x / 255) ** 0.6])
def test_the_curve_gives_the_frame_though_an_object_stands_in_it(light: object) -> None:
    assert callable(light)
    lit = np.clip(light(SCENE.astype(float)), 0, 255).astype(np.uint8)
    curve = tone_curve(with_box(lit, 10, 10, 8, 10), SCENE, ALL)
    assert np.abs(apply_curve(SCENE, curve).astype(int) - lit).mean() < 4


def test_the_curve_never_falls() -> None:
    noise = np.random.default_rng(0).integers(0, 256, SCENE.shape, np.uint8)
    curve = tone_curve(noise, SCENE, ALL).astype(int)
    assert (np.diff(curve, axis=1) >= 0).all()


def test_of_black_comes_a_curve_all_the_same() -> None:
    black = np.zeros_like(SCENE)
    assert tone_curve(SCENE, black, ALL).shape == (1, 256, 3)
    assert (apply_curve(SCENE, tone_curve(black, SCENE, ALL)) == 0).all()


def test_infrared_has_no_colour() -> None:
    assert colourfulness(SCENE) > 6
    assert colourfulness(without_colour(SCENE)) == 0
