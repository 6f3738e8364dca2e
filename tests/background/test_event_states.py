"""Events that come again and again: a start and an end, and never a flood."""

from collections import deque

from edgefg.background.event_states import EventStates
from edgefg.background.events import SceneEvent

STEP_S = 0.15


def event(kind: str, time_s: float, strength: float = 0.5) -> SceneEvent:
    return SceneEvent(time_s, kind, strength, "learned nothing from it")


def run(events: list[SceneEvent], until_s: float) -> list[SceneEvent]:
    """Passes events on, among frames without any."""
    states, passed = EventStates(), []
    waiting = deque(sorted(events, key=lambda one: one.time_s))
    for number in range(int(until_s / STEP_S) + 1):
        now_s = number * STEP_S
        due = []
        while waiting and waiting[0].time_s <= now_s:
            due.append(waiting.popleft())
        passed += states.pass_on(due, now_s)
    return passed


def corrupt(*times_s: float) -> list[SceneEvent]:
    return [event("corrupt_frame", time_s) for time_s in times_s]


class TestCorruptFrames:
    def test_one_has_a_start_and_an_end(self) -> None:
        start, end = run(corrupt(5.0), 30)
        assert start == corrupt(5.0)[0]
        assert (end.kind, end.strength, end.action) == (
            "corrupt_frame",
            0.0,
            "the frames are whole again; 1 was corrupt",
        )
        assert 15 <= end.time_s < 15.5

    def test_a_flickering_lamp_is_one_state(self) -> None:
        """2.7 a second, for an hour."""
        passed = run(corrupt(*(5 + number / 2.7 for number in range(9720))), 3700)
        assert [one.strength > 0 for one in passed] == [True, False]
        assert passed[1].action == "the frames are whole again; 9720 were corrupt"

    def test_what_comes_back_again_and_again_has_not_ended(self) -> None:
        passed = run(corrupt(*range(5, 3600, 12)), 3600)
        assert len(passed) <= 4

    def test_what_comes_back_after_an_hour_is_news(self) -> None:
        assert [one.strength > 0 for one in run(corrupt(5, 3600, 7200), 7300)] == [True, False] * 3

    def test_the_end_comes_in_time_after_a_calm_hour(self) -> None:
        passed = run(corrupt(5, 16, 30, 60, 3600), 3700)
        assert passed[-1].time_s - 3600 < 10.5

    def test_a_clock_that_is_set_back_does_not_hold_it_up(self) -> None:
        states = EventStates()
        assert states.pass_on(corrupt(1000.0), 1000.0)
        assert not states.pass_on([], 5.0)
        assert [one.strength for one in states.pass_on([], 16.0)] == [0.0]


class TestTheLimit:
    def test_ten_at_once_are_told(self) -> None:
        """A lamp that is switched on and off."""
        lamp = [event("light_step", 5 + number, 1.5) for number in range(10)]
        assert run(lamp, 60) == lamp

    def test_a_flood_is_not(self) -> None:
        passed = run([event("light_drift", 5 + number / 2) for number in range(1200)], 700)
        assert 60 <= len(passed) <= 75

    def test_each_kind_has_its_own(self) -> None:
        drifts = [event("light_drift", 5 + number / 100) for number in range(100)]
        assert "shake" in {one.kind for one in run([*drifts, event("shake", 7)], 10)}

    def test_an_end_is_told_where_its_start_was(self) -> None:
        noise = [event("noise", 5 + number / 4, float(number % 2 == 0)) for number in range(400)]
        passed = run(noise, 110)
        assert len(passed) < 60
        assert [one.strength > 0 for one in passed] == [True, False] * (len(passed) // 2)

    def test_a_refused_background_is_told_now_and_then(self) -> None:
        """Each is tried again after 3 s, for as long as the engine fails."""
        passed = run([event("refresh_failed", 5 + 3.0 * number) for number in range(1200)], 3700)
        assert 300 <= len(passed) <= 400
