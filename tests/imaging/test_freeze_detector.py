"""A camera that sends the same picture again and again."""

import numpy as np

from edgefg.imaging.freeze_detector import FrozenPicture


def picture(level: int = 0, shape: tuple[int, ...] = (48, 64)) -> np.ndarray:
    return np.full(shape, level, np.uint8)


def test_the_same_picture_for_long_is_frozen() -> None:
    frozen = FrozenPicture(after_s=2.0)
    assert [frozen.see(picture(), at_s=100.0 + k) for k in range(4)] == [False, False, True, True]
    assert frozen.repeated == 3


def test_the_next_other_picture_ends_it() -> None:
    frozen = FrozenPicture(after_s=2.0)
    for k in range(4):
        frozen.see(picture(), at_s=100.0 + k)
    assert [frozen.see(picture(level), at_s=104.0 + level) for level in (1, 1, 1)] == [False, False, False]


def test_the_first_picture_is_not_frozen_however_late_it_comes() -> None:
    assert not FrozenPicture(after_s=2.0).see(picture(), at_s=1e6)


def test_one_pixel_counts_wherever_it_is() -> None:
    frozen = FrozenPicture(after_s=2.0)
    frozen.see(picture(), at_s=0.0)
    other = picture()
    other[47, 63] = 1
    frozen.see(other, at_s=1.0)
    assert frozen.repeated == 0


def test_a_picture_of_another_size_is_another_picture() -> None:
    frozen = FrozenPicture(after_s=2.0)
    frozen.see(picture(), at_s=0.0)
    assert not frozen.see(picture(shape=(96, 128)), at_s=3.0)
    assert not frozen.see(picture(shape=(96, 128, 3)), at_s=6.0)
    assert frozen.repeated == 0
