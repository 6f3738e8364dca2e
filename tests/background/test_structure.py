"""Whether two pictures show the same pattern, and whether a background lost it."""

import cv2
import numpy as np
import pytest

from edgefg.background.observation import SceneImage
from edgefg.background.structure import DetailComparison, lacks_detail, same_pattern

from ..support.background_rig import textured_scene, with_box

SCENE = textured_scene(size=(320, 240))
ROWS = np.arange(240)[:, None, None] / 240


def cells(image: np.ndarray) -> np.ndarray:
    return SceneImage(image).grey


def shown(image: np.ndarray) -> np.ndarray:
    return np.clip(image, 0, 255).astype(np.uint8)


def noisy(image: np.ndarray, sigma: float, seed: int) -> np.ndarray:
    return shown(image + np.random.default_rng(seed).normal(0, sigma, image.shape))


class TestSamePattern:
    @pytest.mark.parametrize(
        "other",
        [
            SCENE * 0.6,
            SCENE * 1.5,
            SCENE * 0.15 + 200,
            SCENE * (1 + 0.3 * np.sin(2 * np.pi * 1.5 * ROWS)),
            np.full_like(SCENE, 255),  # clipped: nothing can be said
        ],
        ids=["darker", "brighter", "veil", "bands", "white"],
    )
    def test_light_leaves_it(self, other: np.ndarray) -> None:
        assert same_pattern(SceneImage(SCENE), SceneImage(shown(other))) > 0.9

    @pytest.mark.parametrize("rows", [90, 0])
    def test_garbage_replaces_it(self, rows: int) -> None:
        garbage = SCENE.copy()
        garbage[rows:] = textured_scene(seed=7, size=(320, 240))[rows:]
        assert same_pattern(SceneImage(SCENE), SceneImage(garbage)) < 0.5

    def test_a_grey_frame_has_none(self) -> None:
        assert same_pattern(SceneImage(SCENE), SceneImage(np.full_like(SCENE, 128))) == 0

    def test_an_object_takes_its_share_only(self) -> None:
        assert same_pattern(SceneImage(SCENE), SceneImage(with_box(SCENE, 60, 20, 120, 180))) > 0.6

    def test_two_plain_pictures_are_alike(self) -> None:
        assert same_pattern(SceneImage(np.full_like(SCENE, 90)), SceneImage(np.full_like(SCENE, 140))) == 1


class TestLacksDetail:
    def test_a_blurred_background_does(self) -> None:
        blurred = cv2.GaussianBlur(SCENE, (0, 0), 7)
        assert lacks_detail(cells(blurred), cells(SCENE), cells(SCENE))
        assert not lacks_detail(cells(SCENE), cells(blurred), cells(blurred))

    def test_one_like_the_frame_does_not(self) -> None:
        assert not lacks_detail(cells(SCENE), cells(noisy(SCENE, 3, 0)), cells(noisy(SCENE, 3, 1)))

    def test_an_object_before_a_plain_wall_is_no_detail_of_the_wall(self) -> None:
        wall = np.full_like(SCENE, 120)
        visitor = wall.copy()
        visitor[60:230, 90:230] = SCENE[60:230, 90:230]
        assert not lacks_detail(cells(wall), cells(visitor), cells(visitor))

    def test_noise_is_none(self) -> None:
        wall = np.full_like(SCENE, 120)
        assert not lacks_detail(cells(wall), cells(noisy(wall, 25, 0)), cells(noisy(wall, 25, 1)))


def test_views_are_compared_once_a_second() -> None:
    sharp, blurred = SceneImage(SCENE), SceneImage(cv2.GaussianBlur(SCENE, (0, 0), 7))
    comparison = DetailComparison()
    assert [comparison.finds_less(blurred, sharp, time_s) for time_s in (0.0, 0.4, 0.9, 1.1)] == [False] * 3 + [True]
    comparison.restart()
    assert not comparison.finds_less(blurred, sharp, 1.2)
