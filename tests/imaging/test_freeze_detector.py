"""A camera that sends the same picture again and again."""

import numpy as np

from edgefg.imaging.freeze_detector import FreezeDetector


def picture(level: int = 0, shape: tuple[int, ...] = (48, 64)) -> np.ndarray:
    return np.full(shape, level, np.uint8)


def test_counts_the_seconds_of_the_same_picture() -> None:
    detector = FreezeDetector()
    assert [detector.see(picture(), at_s=100.0 + k) for k in range(4)] == [0, 1, 2, 3]
    assert (detector.repeated, detector.in_a_row) == (3, 3)


def test_the_next_other_picture_starts_again() -> None:
    detector = FreezeDetector()
    for k in range(4):
        detector.see(picture(), at_s=100.0 + k)
    assert [detector.see(picture(level), at_s=104.0 + level) for level in (1, 1, 2)] == [0, 0, 0]


def test_the_first_picture_has_stayed_for_no_time_however_late_it_comes() -> None:
    assert FreezeDetector().see(picture(), at_s=1e6) == 0


def test_one_pixel_counts_wherever_it_is() -> None:
    detector = FreezeDetector()
    detector.see(picture(), at_s=0.0)
    other = picture()
    other[47, 63] = 1
    detector.see(other, at_s=1.0)
    assert detector.repeated == 0


def test_a_picture_of_another_size_is_another_picture() -> None:
    detector = FreezeDetector()
    detector.see(picture(), at_s=0.0)
    assert not detector.see(picture(shape=(96, 128)), at_s=3.0)
    assert not detector.see(picture(shape=(96, 128, 3)), at_s=6.0)
    assert detector.repeated == 0
