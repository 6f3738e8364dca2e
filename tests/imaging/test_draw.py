"""Pictures of a result."""

import numpy as np
import pytest

from edgefg.errors import FrameError
from edgefg.imaging.draw import heatmap, overlay
from edgefg.imaging.io import Image


@pytest.fixture
def frame() -> Image:
    return np.full((48, 64, 3), 100, np.uint8)


class TestOverlay:
    def test_reddens_the_foreground_only(self, frame: Image) -> None:
        mask = np.zeros((48, 64), np.uint8)
        mask[10:20, 10:30] = 255
        picture = overlay(frame, mask)
        assert np.array_equal(picture[mask == 0], frame[mask == 0])
        inside = picture[mask > 0].astype(int)
        assert (inside[:, 2] > 100).all()
        assert (inside[:, 0] < 100).all()

    def test_outlines_the_foreground(self, frame: Image) -> None:
        mask = np.zeros((48, 64), np.uint8)
        mask[10:20, 10:30] = 255
        picture = overlay(frame, mask)
        assert picture[10, 10, 2] == 255
        assert picture[15, 20, 2] < 255

    def test_leaves_the_frame_as_it_is(self, frame: Image) -> None:
        overlay(frame, np.full((48, 64), 255, np.uint8))
        assert (frame == 100).all()

    def test_an_empty_mask_changes_nothing(self, frame: Image) -> None:
        assert np.array_equal(overlay(frame, np.zeros((48, 64), np.uint8)), frame)


def test_a_mask_of_another_size_is_refused(frame: Image) -> None:
    with pytest.raises(FrameError, match=r"got \(24, 32\) for \(48, 64, 3\)"):
        overlay(frame, np.zeros((24, 32), np.uint8))


class TestHeatmap:
    def test_has_the_size_asked_for(self) -> None:
        assert heatmap(np.ones((12, 16), np.float32), (64, 48)).shape == (48, 64, 3)

    def test_far_is_brighter_than_near(self) -> None:
        distance = np.zeros((12, 16), np.float32)
        distance[:, 8:] = 3
        picture = heatmap(distance, (64, 48)).astype(int).sum(axis=2)
        assert picture[:, 50:].min() > picture[:, :14].max()

    def test_a_map_of_zeros_is_dark(self) -> None:
        assert heatmap(np.zeros((12, 16), np.float32), (64, 48)).max() < 10

    def test_a_common_scale_makes_pictures_comparable(self) -> None:
        weak, strong = (heatmap(np.full((12, 16), level, np.float32), (64, 48), hottest=4) for level in (1, 4))
        assert weak.sum() < strong.sum()

    def test_beyond_the_scale_is_as_hot_as_it_gets(self) -> None:
        at, beyond = (heatmap(np.full((12, 16), level, np.float32), (64, 48), hottest=4) for level in (4, 400))
        assert np.array_equal(at, beyond)


def test_the_inset_shows_the_background_in_the_corner() -> None:
    frame = np.full((80, 120, 3), 100, np.uint8)
    mask = np.zeros((80, 120), np.uint8)
    picture = overlay(frame, mask, background=np.full((240, 320, 3), 7, np.uint8))
    assert (picture[-20:, -30:] == 7).all()
    assert (picture[:50, :80] == 100).all()
