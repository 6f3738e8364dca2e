"""What becomes of a background: bootstrap, refresh, ghosts, still objects, events."""

import tracemalloc

import cv2
import numpy as np
import pytest

from edgefg.background.events import EVENT_KINDS
from edgefg.background.policy import BackgroundPolicy

from ..support.background_rig import HEIGHT, WIDTH, Rig, textured_scene, with_box

SCENE = textured_scene()
SELECTIVE = BackgroundPolicy(bootstrap="first")


def apart(one: np.ndarray, other: np.ndarray) -> float:
    return float(cv2.absdiff(one, other).mean())


class TestRefresh:
    def test_an_object_that_stands_still_stays_foreground(self) -> None:
        rig = Rig(SELECTIVE, SCENE).show(SCENE, 3).show(with_box(SCENE), 180)
        assert rig.foreground(with_box(SCENE)) > 0.9 * (24 * 40) / (WIDTH * HEIGHT)

    def test_unless_its_time_is_over(self) -> None:
        rig = Rig(BackgroundPolicy(bootstrap="first", stationary_s=8.0), SCENE).show(SCENE, 3)
        rig.show(with_box(SCENE), 6)
        assert rig.foreground(with_box(SCENE)) > 0.04
        rig.show(with_box(SCENE), 4)
        assert rig.foreground(with_box(SCENE)) < 0.005

    @pytest.mark.parametrize("step_s", [0.15, 0.5, 1.0])
    def test_a_slow_change_is_followed_at_any_frame_rate(self, step_s: float) -> None:
        policy = BackgroundPolicy(bootstrap="first", events=frozenset(), blend_s=10.0)
        brighter = SCENE + np.uint8(15)
        rig = Rig(policy, SCENE).show(SCENE, 4, step_s).show(brighter, 12, step_s)
        taken = float(rig.background.astype(float).mean() - SCENE.astype(float).mean())
        # After 12 s it is 70% of 15 levels, of which what nobody could see, below 4, need not be swapped in yet.
        assert 6 < taken < 11

    def test_a_stall_counts_as_a_moment(self) -> None:
        policy = BackgroundPolicy(bootstrap="first", events=frozenset(), blend_s=60.0)
        rig = Rig(policy, SCENE).show(SCENE, 4)
        rig.now_s += 3600
        rig.show(SCENE + np.uint8(15), 0.15).show(SCENE, 3)
        assert apart(rig.background, SCENE) < 2

    def test_fixed_changes_nothing(self) -> None:
        rig = Rig(BackgroundPolicy(refresh="fixed", bootstrap="first"), SCENE).show(SCENE + np.uint8(40), 30)
        assert rig.id == 1
        assert rig.background is SCENE

    def test_periodic_takes_a_median_each_period(self) -> None:
        policy = BackgroundPolicy(refresh="periodic", bootstrap="first", period_s=20, bootstrap_s=5, events=frozenset())
        rig = Rig(policy, SCENE).show(SCENE + np.uint8(10), 18)
        assert rig.id == 1
        rig.show(SCENE + np.uint8(10), 5)
        assert rig.id == 2
        assert apart(rig.background, SCENE + np.uint8(10)) < 1

    def test_frozen_changes_nothing_and_still_tells(self) -> None:
        rig = Rig(SELECTIVE, SCENE).show(SCENE, 2)
        rig.frozen = True
        rig.show(cv2.convertScaleAbs(SCENE, alpha=1.4), 5)
        assert rig.id == 1
        assert "light_step" in rig.kinds
        assert all(event.action.startswith("none") for event in rig.events)


class TestGhosts:
    def test_one_that_leaves_is_gone_within_three_seconds(self) -> None:
        rig = Rig(SELECTIVE, with_box(SCENE)).show(with_box(SCENE), 5).show(SCENE, 3)
        assert rig.foreground(SCENE) < 0.003

    def test_one_that_others_walk_over_heals_all_the_same(self) -> None:
        walker = SCENE.copy()
        walker[35:85, 55:90] = (220, 200, 30)
        rig = Rig(SELECTIVE, with_box(SCENE)).show(with_box(SCENE), 5)
        # The place is never free for as long as it must look the same.
        for _ in range(4):
            rig.show(SCENE, 0.75).show(walker, 0.45)
        assert rig.foreground(SCENE) < 0.003

    def test_none_heals_where_that_is_off(self) -> None:
        policy = BackgroundPolicy(bootstrap="first", ghost_s=None)
        rig = Rig(policy, with_box(SCENE)).show(with_box(SCENE), 5).show(SCENE, 8)
        assert rig.foreground(SCENE) > 0.04

    def test_one_heals_beside_an_object_that_stays(self) -> None:
        both = with_box(SCENE, x=110)
        rig = Rig(SELECTIVE, with_box(SCENE, x=20)).show(with_box(both, x=20), 3).show(both, 4)
        mask = rig.mask(both)
        assert mask[40:80, 20:44].mean() < 5
        assert mask[42:78, 112:132].mean() > 240


class TestBootstrap:
    def test_the_median_replaces_the_first_frame(self) -> None:
        policy = BackgroundPolicy(bootstrap_s=4, ghost_s=None)
        rig = Rig(policy, with_box(SCENE, x=10), bootstrap=True)
        for step in range(34):
            rig.show(with_box(SCENE, x=10 + 4 * step), 0.15)
        assert rig.foreground(SCENE) < 0.01

    def test_who_came_and_stayed_is_not_in_it(self) -> None:
        rig = Rig(BackgroundPolicy(bootstrap_s=6), SCENE, bootstrap=True).show(SCENE, 1).show(with_box(SCENE), 7)
        assert rig.id > 1
        assert rig.foreground(with_box(SCENE)) > 0.04


class TestEvents:
    @pytest.mark.parametrize("gain", [0.5, 0.75, 1.5])
    def test_a_step_of_light_relights_the_background_within_a_second(self, gain: float) -> None:
        lit = cv2.convertScaleAbs(SCENE, alpha=gain)
        rig = Rig(SELECTIVE, SCENE).show(SCENE, 3).show(lit, 0.9)
        (event,) = rig.events
        assert event.kind == "light_step"
        assert event.strength == pytest.approx(gain, abs=0.05)
        assert rig.foreground(lit) < 0.01

    def test_and_keeps_who_stands_there(self) -> None:
        lit = cv2.convertScaleAbs(with_box(SCENE), alpha=0.6)
        rig = Rig(SELECTIVE, SCENE).show(with_box(SCENE), 4).show(lit, 3)
        assert 0.04 < rig.foreground(lit) < 0.07

    def test_dusk_is_a_drift(self) -> None:
        rig = Rig(SELECTIVE, SCENE).show(SCENE, 2)
        for step in range(200):
            rig.show(cv2.convertScaleAbs(SCENE, alpha=1 - 0.003 * step), 0.15)
        assert set(rig.kinds) == {"light_drift"}
        assert rig.foreground(cv2.convertScaleAbs(SCENE, alpha=0.403)) < 0.01

    def test_infrared_and_back(self) -> None:
        grey = cv2.cvtColor(cv2.cvtColor(SCENE, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
        rig = Rig(SELECTIVE, SCENE).show(SCENE, 3).show(grey, 0.9, noise=0)
        assert rig.kinds == ["infrared"]
        assert rig.foreground(grey) < 0.01
        rig.show(SCENE, 0.9)
        assert rig.kinds == ["infrared", "daylight"]
        assert rig.foreground(SCENE) < 0.01

    def test_a_pan_moves_the_background_along(self) -> None:
        wide = textured_scene(size=(WIDTH + 40, HEIGHT))
        before, after = wide[:, 40:].copy(), wide[:, :WIDTH].copy()
        rig = Rig(SELECTIVE, before).show(before, 3).show(after, 0.45)
        (event,) = [event for event in rig.events if event.kind == "camera_moved"]
        assert event.strength == pytest.approx(40, abs=2)
        assert rig.foreground(after) < 0.02

    def test_a_small_displacement_asks_for_alignment_and_ends_in_a_moved_background(self) -> None:
        wide = textured_scene(size=(WIDTH + 6, HEIGHT))
        before, after = wide[:, 6:].copy(), wide[:, :WIDTH].copy()
        rig = Rig(SELECTIVE, before).show(before, 2).show(after, 0.3)
        assert rig.shaky
        rig.show(after, 4)
        assert rig.kinds == ["camera_moved"]
        assert rig.foreground(after) < 0.02

    def test_a_camera_that_comes_back_shakes(self) -> None:
        wide = textured_scene(size=(WIDTH + 6, HEIGHT))
        before, after = wide[:, 6:].copy(), wide[:, :WIDTH].copy()
        rig = Rig(SELECTIVE, before).show(before, 2).show(after, 0.3)
        assert rig.kinds == []
        rig.show(before, 0.3).show(after, 0.3).show(before, 0.3)
        assert rig.kinds == ["shake"]
        assert rig.shaky

    def test_another_view_is_taken_as_the_background_after_a_while(self) -> None:
        other = textured_scene(seed=5)
        rig = Rig(SELECTIVE, SCENE).show(SCENE, 5).show(other, 3)
        assert rig.kinds == ["view_changed"]
        assert rig.foreground(other) < 0.01

    def test_a_corrupt_first_frame_is_given_up_at_once(self) -> None:
        garbage = textured_scene(seed=9)
        rig = Rig(BackgroundPolicy(), garbage, bootstrap=True).show(SCENE, 1)
        assert rig.foreground(SCENE) < 0.01

    def test_a_blocked_view_holds_the_background(self) -> None:
        hand = np.full_like(SCENE, 40)
        rig = Rig(SELECTIVE, SCENE).show(SCENE, 3).show(hand, 10).show(SCENE, 1)
        assert rig.kinds == ["view_blocked", "view_blocked"]
        assert (rig.events[0].strength, rig.events[1].strength) == (pytest.approx(1, abs=0.2), 0)
        assert apart(rig.background, SCENE) < 2

    def test_a_frozen_feed_is_told_of_and_teaches_nothing(self) -> None:
        rig = Rig(SELECTIVE, with_box(SCENE)).show(with_box(SCENE), 2).show(SCENE, 6, noise=0)
        assert rig.kinds == ["frozen_feed"]
        assert rig.id == 1
        rig.show(SCENE, 1)
        assert rig.kinds == ["frozen_feed", "frozen_feed"]

    def test_noise(self) -> None:
        rig = Rig(SELECTIVE, SCENE).show(SCENE, 8).show(SCENE, 4, noise=14)
        assert "noise" in rig.kinds
        rig.show(SCENE, 4)
        assert [event.strength > 0 for event in rig.events if event.kind == "noise"] == [True, False]

    def test_one_corrupt_frame_teaches_nothing(self) -> None:
        rig = Rig(SELECTIVE, SCENE).show(SCENE, 3).show(textured_scene(seed=9), 0.15).show(SCENE, 2)
        assert rig.kinds == ["corrupt_frame"]
        assert apart(rig.background, SCENE) < 1.5

    @pytest.mark.parametrize("kind", sorted(EVENT_KINDS))
    def test_each_can_be_turned_off(self, kind: str) -> None:
        policy = BackgroundPolicy(bootstrap="first", events=EVENT_KINDS - {kind})
        rig = Rig(policy, SCENE).show(SCENE, 4)
        grey = cv2.cvtColor(cv2.cvtColor(SCENE, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
        for frame in (cv2.convertScaleAbs(SCENE, alpha=0.6), SCENE, grey, np.full_like(SCENE, 9), textured_scene(4)):
            rig.show(frame, 1)
        rig.show(SCENE, 3, noise=0)
        assert kind not in rig.kinds
        assert len(set(rig.kinds)) >= 3

    def test_a_quiet_scene_has_none(self) -> None:
        rig = Rig(SELECTIVE, SCENE).show(SCENE, 60)
        for step in range(60):
            rig.show(with_box(SCENE, x=2 * step), 0.15)
        assert rig.events == []


class TestTime:
    def test_that_goes_backwards_does_no_harm(self) -> None:
        rig = Rig(SELECTIVE, with_box(SCENE)).show(with_box(SCENE), 3)
        rig.now_s -= 7200
        rig.show(SCENE, 3.2)
        assert rig.foreground(SCENE) < 0.003

    @pytest.mark.soak
    def test_a_day_needs_no_more_memory_than_an_hour(self) -> None:
        rig = Rig(BackgroundPolicy(), SCENE, bootstrap=True)
        # A frame each 10 s, in a day's light.
        held = []
        tracemalloc.start()
        for hour in range(24):
            light = 0.75 + 0.25 * np.cos(2 * np.pi * hour / 24)
            rig.show(cv2.convertScaleAbs(SCENE, alpha=light), 600, step_s=10)
            held.append(tracemalloc.get_traced_memory()[0])
        tracemalloc.stop()
        assert held[-1] - held[2] < 3 * SCENE.nbytes
        truth = cv2.convertScaleAbs(SCENE, alpha=0.75 + 0.25 * np.cos(2 * np.pi * 23 / 24))
        assert cv2.PSNR(truth, rig.background) > 35
