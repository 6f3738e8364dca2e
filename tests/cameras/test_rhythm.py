"""A camera's own rhythm: what is late for a slow camera, and what is not for one that pauses."""

import pytest

from edgefg.cameras.rhythm import Rhythm


def after(*intervals_s: float, longest_s: float = 120.0) -> Rhythm:
    rhythm = Rhythm(longest_s)
    for interval_s in intervals_s:
        rhythm.note(interval_s)
    return rhythm


@pytest.mark.parametrize("intervals_s", [(), (10.0,)])
def test_little_is_known_at_first(intervals_s: tuple[float, ...]) -> None:
    rhythm = after(*intervals_s)
    assert (rhythm.usual_s, rhythm.late_s(2), rhythm.lost_s(5), rhythm.old_s(1)) == (0, 2, 5, 1)


@pytest.mark.parametrize("interval_s", [3.0, 10.0, 30.0])
def test_a_slow_camera_is_waited_for(interval_s: float) -> None:
    rhythm = after(*[interval_s] * 5)
    assert rhythm.usual_s == pytest.approx(interval_s)
    assert interval_s * 2 < rhythm.late_s(2) < rhythm.lost_s(5)
    assert rhythm.old_s(1) > 2 * interval_s


def test_a_fast_camera_is_not() -> None:
    rhythm = after(*[0.04] * 500)
    assert (rhythm.late_s(2), rhythm.lost_s(5), rhythm.old_s(1)) == (2, 5, 1)


def test_one_pause_changes_nothing() -> None:
    rhythm = after(*[0.04] * 1500, 4.9, *[0.04] * 3)
    assert (rhythm.late_s(2), rhythm.lost_s(5), rhythm.old_s(1)) == (2, 5, 1)


@pytest.mark.parametrize("outage_s", [10.0, 60.0, 3600.0])
def test_an_outage_is_no_rhythm(outage_s: float) -> None:
    rhythm = after(*[0.04] * 100, outage_s, *[0.04] * 50, outage_s, 0.04)
    assert (rhythm.late_s(2), rhythm.lost_s(5), rhythm.old_s(1)) == (2, 5, 1)


def test_two_frames_at_a_time_are_one() -> None:
    assert after(*[10.0, 0.001] * 5).late_s(2) > 10


def test_a_camera_that_becomes_slow_is_waited_for() -> None:
    assert after(*[0.04] * 5000, *[10.0] * 6).late_s(2) > 10


def test_after_a_pause_at_the_start_no_frame_may_be_old() -> None:
    assert after(4.0, *[0.04] * 4).old_s(1) == 1


def test_a_camera_that_sends_more_while_something_moves_is_a_slow_one() -> None:
    rhythm = after(*[10.0] * 10, *[0.2] * 50)
    assert rhythm.late_s(2) > 10
    assert rhythm.old_s(1) == 1


def test_it_follows_a_camera_that_becomes_fast() -> None:
    assert after(*[10.0] * 10, *[0.04] * 5000).late_s(2) == 2


def test_it_is_bounded() -> None:
    rhythm = after(*[1000.0] * 5, longest_s=60)
    assert (rhythm.late_s(2), rhythm.lost_s(5), rhythm.old_s(1)) == (60, 60, 60)


def test_what_is_allowed_by_the_options_is_never_less() -> None:
    assert after(*[10.0] * 5, longest_s=1).lost_s(300) == 300


@pytest.mark.parametrize("interval_s", [0.0, -5.0])
def test_a_clock_that_stands_or_runs_back_says_nothing(interval_s: float) -> None:
    assert after(10.0, interval_s, interval_s).usual_s == 0


class TestSilence:
    def test_the_wait_grows_while_nothing_comes(self) -> None:
        rhythm = Rhythm(120)
        waits = []
        for _ in range(6):
            waits.append(rhythm.lost_s(5))
            rhythm.note_silence(rhythm.lost_s(5))
        assert waits == [5, 15, 45, 120, 120, 120]

    def test_a_camera_that_was_known_to_be_fast_is_believed_less(self) -> None:
        rhythm = after(*[0.04] * 100)
        waits = []
        for _ in range(4):
            waits.append(rhythm.lost_s(5))
            rhythm.note_silence(rhythm.lost_s(5))
        assert waits == [5, 5, 5, 15]

    def test_frames_for_as_long_as_was_waited_end_it(self) -> None:
        rhythm = Rhythm(120)
        for _ in range(2):
            rhythm.note_silence(rhythm.lost_s(5))
        for _ in range(300):
            assert rhythm.lost_s(5) == 45
            rhythm.note(0.05)
        assert rhythm.lost_s(5) == 5

    def test_frames_that_come_at_once_do_not(self) -> None:
        """As those that FFmpeg has read while it looked at the stream."""
        rhythm = Rhythm(120)
        for _ in range(4):
            rhythm.note_silence(rhythm.lost_s(5))
            rhythm.note(0.001)
        assert rhythm.usual_s == 0
        assert rhythm.lost_s(5) == 120

    def test_two_slow_ones_do(self) -> None:
        rhythm = Rhythm(120)
        rhythm.note_silence(5)
        rhythm.note(10.0)
        rhythm.note(10.0)
        assert rhythm.lost_s(5) == pytest.approx(40)

    def test_a_year_of_it(self) -> None:
        rhythm = Rhythm(120)
        for _ in range(10_000):
            rhythm.note_silence(rhythm.lost_s(5))
        assert rhythm.lost_s(5) == 120
