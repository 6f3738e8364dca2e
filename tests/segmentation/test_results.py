"""Segmentation: its shapes and its regions."""

import dataclasses
from typing import Any

import numpy as np
import pytest

from edgefg.segmentation.results import Region, Segmentation, Timing

TIMING = Timing(prepare_ms=1, stage1_ms=2, stage2_ms=3, finish_ms=4, total_ms=10)


def segmentation(mask: np.ndarray, **changes: Any) -> Segmentation:
    result = Segmentation(
        mask=mask,
        probability=mask.copy(),
        distance=np.zeros((4, 4), np.float32),
        threshold=0.5,
        timing=TIMING,
        background_id=1,
        background_age_s=0.0,
    )
    return dataclasses.replace(result, **changes)


def test_regions_are_connected_largest_first() -> None:
    mask = np.zeros((20, 30), np.uint8)
    mask[2:4, 3:8] = 255
    mask[10:18, 20:26] = 255
    assert segmentation(mask).regions() == (
        Region(x=20, y=10, width=6, height=8, area_px=48, centroid=(22.5, 13.5)),
        Region(x=3, y=2, width=5, height=2, area_px=10, centroid=(5.0, 2.5)),
    )


def test_pixels_that_touch_at_a_corner_are_one_blob() -> None:
    mask = np.zeros((8, 8), np.uint8)
    mask[2, 2] = mask[3, 3] = 255
    assert [region.area_px for region in segmentation(mask).regions()] == [2]


def test_an_empty_mask_has_no_regions() -> None:
    assert segmentation(np.zeros((8, 8), np.uint8)).regions() == ()


def test_a_full_mask_is_one_blob() -> None:
    assert [region.area_px for region in segmentation(np.full((8, 9), 255, np.uint8)).regions()] == [72]


def test_regions_are_computed_once() -> None:
    result = segmentation(np.full((8, 9), 255, np.uint8))
    assert result.regions()[0] is result.regions()[0]


def test_blob_numbers_are_plain_python_for_json() -> None:
    region = segmentation(np.full((8, 9), 255, np.uint8)).regions()[0]
    assert {type(value) for value in (region.x, region.y, region.width, region.height, region.area_px)} == {int}
    assert {type(value) for value in region.centroid} == {float}


def test_a_result_cannot_be_reassigned() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        segmentation(np.zeros((8, 8), np.uint8)).threshold = 0.9  # type: ignore[misc]


def test_mask_and_probability_of_two_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match="must be one"):
        segmentation(np.zeros((8, 8), np.uint8), probability=np.zeros((8, 9), np.uint8))


def test_a_distance_with_a_batch_axis_is_refused() -> None:
    with pytest.raises(ValueError, match="distance"):
        segmentation(np.zeros((8, 8), np.uint8), distance=np.zeros((1, 4, 4), np.float32))


class TestBoxes:
    def test_right_and_bottom_lie_beyond_the_region(self) -> None:
        mask = np.zeros((32, 40), np.uint8)
        mask[10:18, 20:26] = 255
        mask[2:4, 3:8] = 255
        boxes = segmentation(mask).boxes
        assert boxes.dtype == np.int32
        assert boxes.tolist() == [[20, 10, 26, 18], [3, 2, 8, 4]]

    def test_an_empty_mask_has_none(self) -> None:
        assert segmentation(np.zeros((8, 8), np.uint8)).boxes.shape == (0, 4)


def test_small_regions_can_be_left_out() -> None:
    mask = np.zeros((32, 40), np.uint8)
    mask[10:18, 20:26] = 255
    mask[2:4, 3:8] = 255
    assert [region.area_px for region in segmentation(mask).regions(min_area_px=11)] == [48]
