"""When motion starts and ends: areas and times on both sides of each limit."""

import pytest

from edgefg.errors import OptionError
from edgefg.watch.motion import Motion, MotionOptions

OPTIONS = MotionOptions(min_area=0.01, keep_area=0.005, start_after_s=0.3, end_after_s=2.0)


def changes(areas: list[tuple[float, float]], options: MotionOptions = OPTIONS) -> list[tuple[float, str]]:
    """(time, area) in; (time, change) out."""
    motion = Motion(options)
    found = [(at_s, motion.update(area, area, at_s)) for at_s, area in areas]
    return [(at_s, change) for at_s, change in found if change]


def steps(*spans: tuple[float, float, float], every_s: float = 0.1) -> list[tuple[float, float]]:
    """(from, to, area) as frames."""
    return [
        (round(start + index * every_s, 3), area)
        for start, end, area in spans
        for index in range(round((end - start) / every_s))
    ]


class TestStart:
    def test_after_the_time_given(self) -> None:
        assert changes(steps((0, 1, 0.0), (1, 2, 0.02))) == [(1.3, "started")]

    def test_not_below_the_area(self) -> None:
        assert changes(steps((0, 5, 0.0099))) == []

    def test_at_the_area(self) -> None:
        assert changes(steps((0, 5, 0.01))) == [(0.3, "started")]

    def test_flicker_never_starts(self) -> None:
        assert changes([(index / 10, 0.05 * (index % 3 > 0)) for index in range(100)]) == []

    def test_a_gap_proves_nothing(self) -> None:
        assert changes([(0.0, 0.05), (30.0, 0.05)]) == []

    def test_at_once_where_no_time_is_asked_for(self) -> None:
        at_once = MotionOptions(min_area=0.01, start_after_s=0)
        assert changes([(5.0, 0.01)], at_once) == [(5.0, "started")]

    def test_since_is_the_first_frame_of_it(self) -> None:
        motion = Motion(OPTIONS)
        for at_s, area in steps((0, 1, 0.0), (1, 2, 0.02)):
            motion.update(area, area, at_s)
        assert motion.active
        assert motion.since_s == 1.0


class TestSlowCameras:
    """One frame in some seconds, down to one a minute."""

    EVERY_S = pytest.mark.parametrize("every_s", [2.5, 10.0, 60.0])

    @EVERY_S
    def test_starts_with_the_second_frame_of_it_once_the_rhythm_is_known(self, every_s: float) -> None:
        seen = steps((0, 5 * every_s, 0.0), (5 * every_s, 9 * every_s, 0.02), every_s=every_s)
        assert changes(seen) == [(6 * every_s, "started")]

    @EVERY_S
    def test_ends_with_the_first_frame_without_it(self, every_s: float) -> None:
        spans = ((0, 5 * every_s, 0.0), (5 * every_s, 9 * every_s, 0.02), (9 * every_s, 12 * every_s, 0.0))
        assert changes(steps(*spans, every_s=every_s))[-1] == (9 * every_s, "ended")

    @EVERY_S
    def test_between_two_frames_it_goes_on(self, every_s: float) -> None:
        motion = Motion(OPTIONS)
        for at_s, area in steps((0, 5 * every_s, 0.02), every_s=every_s):
            motion.update(area, area, at_s)
        assert motion.active
        assert motion.no_frame(4 * every_s + 1.4 * every_s) is None
        assert motion.no_frame(4 * every_s + 3 * every_s) == "ended"

    def test_even_of_a_frame_in_an_hour_a_gap_proves_nothing(self) -> None:
        assert changes(steps((0, 36_000, 0.02), every_s=3600)) == []

    def test_unless_the_camera_may_be_that_slow(self) -> None:
        motion = Motion(OPTIONS, max_wait_s=7200)
        found = [motion.update(area, area, at_s) for at_s, area in steps((0, 36_000, 0.02), every_s=3600)]
        assert "started" in found


class TestEnd:
    def test_after_the_time_given(self) -> None:
        assert changes(steps((0, 1, 0.02), (1, 5, 0.0))) == [(0.3, "started"), (2.9, "ended")]

    def test_a_pause_does_not_end_it(self) -> None:
        assert changes(steps((0, 1, 0.02), (1, 2.8, 0.0), (2.8, 4, 0.02))) == [(0.3, "started")]

    def test_a_smaller_area_keeps_it_up(self) -> None:
        assert changes(steps((0, 1, 0.02), (1, 9, 0.006))) == [(0.3, "started")]

    def test_and_one_smaller_still_does_not(self) -> None:
        assert changes(steps((0, 1, 0.02), (1, 5, 0.004)))[-1] == (2.9, "ended")

    def test_without_frames(self) -> None:
        motion = Motion(OPTIONS)
        for at_s, area in steps((0, 1, 0.02)):
            motion.update(area, area, at_s)
        assert motion.no_frame(2.8) is None
        assert motion.no_frame(2.9) == "ended"
        assert motion.no_frame(9.0) is None

    def test_motion_after_a_gap_is_the_same_motion(self) -> None:
        assert changes([*steps((0, 1, 0.02)), (30.0, 0.02)]) == [(0.3, "started")]

    def test_what_has_ended_can_start_again(self) -> None:
        found = changes(steps((0, 1, 0.02), (1, 4, 0.0), (4, 5, 0.02)))
        assert [change for _, change in found] == ["started", "ended", "started"]

    def test_stopping_twice(self) -> None:
        motion = Motion(OPTIONS)
        for at_s, area in steps((0, 1, 0.02)):
            motion.update(area, area, at_s)
        assert (motion.stop(), motion.stop()) == ("ended", None)


def test_the_peak_is_of_this_motion() -> None:
    motion = Motion(OPTIONS)
    for at_s, area in steps((0, 1, 0.5), (1, 4, 0.0), (4, 5, 0.02)):
        motion.update(area, area, at_s)
    assert motion.active
    assert motion.peak_area == 0.02


@pytest.mark.parametrize(
    "wrong",
    [
        {"min_area": 0},
        {"min_area": -1},
        {"min_area": 1.5},
        {"min_area": float("nan")},
        {"min_area": "big"},
        {"min_area": True},
        {"keep_area": 0},
        {"keep_area": 0.5},
        {"start_after_s": -1},
        {"start_after_s": float("inf")},
        {"end_after_s": None},
        {"end_after_s": "2"},
    ],
)
def test_options_that_make_no_sense(wrong: dict[str, object]) -> None:
    with pytest.raises(OptionError, match=next(iter(wrong))):
        MotionOptions(**wrong)  # type: ignore[arg-type]
