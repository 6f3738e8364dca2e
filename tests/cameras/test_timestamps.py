"""How old a frame is, told from the stamps of another clock."""

from collections.abc import Iterable

import pytest

from edgefg.cameras.timestamps import SourceClock

STEP_S = 0.04


def lags_s(stamps_and_arrivals: Iterable[tuple[float | None, float]]) -> list[float]:
    clock = SourceClock()
    return [arrived - clock.captured_s(pts, arrived) for pts, arrived in stamps_and_arrivals]


def test_a_frame_without_a_stamp_is_as_old_as_its_arrival() -> None:
    assert lags_s([(None, 7.0), (None, 9.0)]) == [0, 0]


def test_frames_in_time_are_not_old() -> None:
    assert max(lags_s((k * STEP_S, 100 + k * STEP_S) for k in range(1000))) == pytest.approx(0, abs=1e-6)


def test_a_frame_that_was_held_up_is_as_old_as_that() -> None:
    assert lags_s([(0.0, 100.0), (0.04, 100.04), (0.08, 100.58), (0.12, 100.58)])[2:] == pytest.approx(
        [0.5, 0.46], abs=1e-3
    )


def test_a_queue_that_is_caught_up_with_is_no_jump() -> None:
    clock = SourceClock()
    clock.captured_s(0.0, 100.0)
    queued = [(0.04 + k * STEP_S, 120 + k * 0.001) for k in range(500)]
    lags = [arrived - clock.captured_s(pts, arrived) for pts, arrived in queued]
    assert lags[0] == pytest.approx(19.96, abs=0.02)
    assert lags == sorted(lags, reverse=True)
    assert lags[-1] == pytest.approx(0.5, abs=0.02)
    assert clock.jumps == 0


def test_a_first_frame_that_came_late_is_found_out_by_those_that_follow() -> None:
    lags = lags_s([(0.0, 103.0), *((k * STEP_S, 103.0 + k * 0.001) for k in range(1, 80))])
    assert max(lags) < 0.01  # they catch up, so each is the fastest so far
    assert lags_s([(0.0, 103.0), (3.0, 103.05), (3.04, 103.59)])[-1] == pytest.approx(0.5, abs=1e-3)


def test_a_server_that_skips_what_waited_makes_no_jump() -> None:
    clock = SourceClock()
    for pts, arrived in ((0.0, 100.0), (0.04, 120.04), (20.0, 120.06)):
        clock.captured_s(pts, arrived)
    assert clock.jumps == 0


@pytest.mark.parametrize("jump_s", [-100.0, -0.5, 2.0, 100.0, 1e6])
def test_after_a_jump_frames_in_time_are_not_old(jump_s: float) -> None:
    clock = SourceClock()
    lags = []
    for k in range(100):
        pts = k * STEP_S + (jump_s if k >= 50 else 0)
        lags.append(100 + k * STEP_S - clock.captured_s(pts, 100 + k * STEP_S))
    assert max(lags) == pytest.approx(0, abs=1e-3)
    assert clock.jumps == 1


def test_a_clock_that_is_a_little_slow_makes_no_frame_old() -> None:
    hour = range(3600)
    assert max(lags_s((k * (1 - 2e-4), 100.0 + k) for k in hour)) < 0.001


def test_a_clock_that_is_a_little_fast_makes_no_jump() -> None:
    clock = SourceClock()
    for k in range(3600):
        clock.captured_s(k * (1 + 2e-4), 100.0 + k)
    assert clock.jumps == 0


def test_a_queue_that_grows_shows() -> None:
    """Unlike drift: a second a minute."""
    lags = lags_s((k * STEP_S, 100 + k * STEP_S * 61 / 60) for k in range(25 * 600))
    assert lags[-1] == pytest.approx(10 - 0.3, abs=0.1)


def test_no_frame_is_from_the_future() -> None:
    stamps = [0.0, 0.04, 0.03, 5.0, 5.0, 4.0, 0.0, 1e5, 1e5 + 0.5]
    assert min(lags_s((pts, 100 + k * STEP_S) for k, pts in enumerate(stamps))) >= -1e-9


def test_a_frame_that_waited_for_the_next_is_older_by_the_time_between_them() -> None:
    clock = SourceClock()
    ages = [100 + k * STEP_S - clock.captured_s(k * STEP_S, 100 + k * STEP_S, one_behind=True) for k in range(50)]
    assert ages[0] == 0  # there is no telling yet
    assert ages[1:] == pytest.approx([STEP_S] * 49, abs=1e-4)


def test_frames_that_come_seldom_are_not_held_to_be_old() -> None:
    clock = SourceClock()
    ages = [100 + 30.0 * k - clock.captured_s(30.0 * k, 100 + 30.0 * k, one_behind=True) for k in range(5)]
    assert max(ages) <= 1.0
