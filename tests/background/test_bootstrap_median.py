"""The median of the first seconds, without an object that came and stayed."""

import cv2
import numpy as np

from edgefg.background.bootstrap_median import GATHERED_FRAMES, GatheredMedian, merged

from ..support.background_rig import textured_scene, with_box

LEGS = slice(86, 110), slice(60, 84)
TEXTURE = textured_scene()
SCENE = TEXTURE.copy()
SCENE[LEGS] = cv2.add(SCENE[LEGS], np.full_like(SCENE[LEGS], 60))
VISITOR = with_box(SCENE)
VISITOR[LEGS] = TEXTURE[LEGS]
"""Somebody in red before a poster. His trousers have no contour: they look like the wall around it."""


def gathered() -> GatheredMedian:
    """Frames of a scene without, and then with the visitor."""
    gathering = GatheredMedian(1.0)
    for index in range(GATHERED_FRAMES):
        gathering.add(SCENE if index < 6 else VISITOR, index / (GATHERED_FRAMES - 1))
    return gathering


def test_what_the_networks_see_as_one_object_is_kept_out_as_a_whole() -> None:
    mask = np.zeros(SCENE.shape[:2], np.uint8)
    mask[40:110, 60:84] = 255
    image, changed = merged(gathered(), SCENE, mask)
    np.testing.assert_array_equal(image, SCENE)
    assert not changed.any()


def test_a_part_that_is_no_object_by_itself_is_taken() -> None:
    image, changed = merged(gathered(), SCENE, np.zeros(SCENE.shape[:2], np.uint8))
    np.testing.assert_array_equal(image[40:80, 60:84], SCENE[40:80, 60:84])
    np.testing.assert_array_equal(image[90:105, 64:80], VISITOR[90:105, 64:80])
    assert changed[90:105, 64:80].all()


def test_an_object_beside_a_larger_ghost_does_not_keep_the_ghost() -> None:
    before, after = with_box(SCENE, 20, 20, 50, 60), with_box(SCENE, 76, 40, 14, 20)
    gathering = GatheredMedian(1.0)
    for index in range(GATHERED_FRAMES):
        gathering.add(before if index < 6 else after, index / (GATHERED_FRAMES - 1))
    mask = np.zeros(SCENE.shape[:2], np.uint8)
    mask[20:80, 20:90] = 255
    image, _ = merged(gathering, before, mask)
    np.testing.assert_array_equal(image, SCENE)
