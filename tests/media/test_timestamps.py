"""Times of frames from the stamps of files, good and bad."""

from fractions import Fraction
from itertools import pairwise

import pytest

from edgefg.media.timestamps import FrameTimes

MS = Fraction(1, 1000)


def times(*stamps: int | None) -> list[float]:
    clock = FrameTimes(MS, 0.04)
    return [round(clock.next(stamp), 6) for stamp in stamps]


def test_begin_at_zero() -> None:
    assert times(5000, 5040, 5080) == [0, 0.04, 0.08]


def test_are_those_of_the_file() -> None:
    assert times(0, 40, 3_600_000, 3_600_001) == [0, 0.04, 3600, 3600.001]


def test_frames_without_a_stamp_follow_at_the_usual_step() -> None:
    assert times(None, None, None) == [0, 0.04, 0.08]
    assert times(0, None, 100) == [0, 0.04, 0.1]


def test_stamps_that_come_late_do_not_jump() -> None:
    assert times(None, 7000, 7040) == [0, 0.04, 0.08]


def test_stamps_that_begin_again_go_on() -> None:
    """Two recordings in one file."""
    assert times(90_000, 90_040, 500, 540) == [0, 0.04, 0.08, 0.12]


@pytest.mark.parametrize("stamps", [(0, 40, 40, 80), (0, 40, 30, 80), (0, 0, 0, 0)])
def test_always_grow(stamps: tuple[int, ...]) -> None:
    found = times(*stamps)
    assert all(before < after for before, after in pairwise(found))
    assert found[3] < 0.1


def test_begin_where_the_first_frame_does_not_decode() -> None:
    clock = FrameTimes(MS, 0.04)
    clock.begin(1000)
    clock.begin(1040)
    assert clock.next(1080) == pytest.approx(0.08)
