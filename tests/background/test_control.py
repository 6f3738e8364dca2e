"""What users do with a background at any time: freeze, reset, save, load; and what the model's thread may not do."""

import threading
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgefg import Pipeline, Segmenter
from edgefg.background.events import SceneEvent
from edgefg.background.handle import Background
from edgefg.background.observation import Copies, Observation
from edgefg.background.persistence import read_state
from edgefg.background.policy import BackgroundPolicy
from edgefg.bundle.bundle import Bundle
from edgefg.errors import ClosedError, EngineError, FrameError, MissingFileError, OptionError, StateError

from ..support.background_rig import textured_scene, with_box

SIZE = (160, 120)
SCENE = textured_scene()


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


class Stage:
    """A background with a policy, fed with observations whose masks say that all is background."""

    def __init__(self, embed: Any = lambda image: float(image.mean()), **options: Any) -> None:
        self.clock = Clock()
        policy = BackgroundPolicy(clock=self.clock, **{"bootstrap": "first", **options})
        self.background = Background(embed, SIZE, policy, camera="yard")

    @staticmethod
    def compare(frame: np.ndarray, background: np.ndarray) -> np.ndarray:
        return np.zeros(frame.shape[:2], np.uint8)

    def show(self, frame: np.ndarray, seconds: float, step_s: float = 0.2) -> None:
        noise = np.random.default_rng(0)
        for _ in range(round(seconds / step_s)):
            self.clock.now_s += step_s
            grainy = np.clip(frame + noise.normal(0, 1, frame.shape), 0, 255).astype(np.uint8)
            current, _ = self.background.store.current_or_adopt(lambda frame=grainy: frame, SIZE)
            mask, distance = np.zeros(frame.shape[:2], np.uint8), np.zeros((30, 40), np.float32)
            self.background.observe(
                Observation(partial(Copies, grainy, mask, distance), self.clock.now_s, current.id, None, self.compare)
            )
            self.background.settle()


DARKER = (SCENE * 0.6).astype(np.uint8)


class TestFreezing:
    def test_keeps_the_background_until_it_is_thawed(self) -> None:
        stage = Stage()
        stage.show(SCENE, 3)
        stage.background.freeze()
        held, number = stage.background.image, stage.background.id
        stage.show(DARKER, 5)
        assert stage.background.id == number
        np.testing.assert_array_equal(stage.background.image, held)
        stage.background.thaw()
        stage.show(DARKER, 5)
        assert stage.background.id > number
        stage.background.close()

    def test_does_not_forbid_to_set_one(self) -> None:
        stage = Stage()
        stage.background.freeze()
        stage.background.set(SCENE)
        assert stage.background.id == 1
        assert stage.background.frozen


class TestResetting:
    def test_lets_the_next_frame_become_the_background(self) -> None:
        stage = Stage()
        stage.show(SCENE, 1)
        before = stage.background.id
        stage.background.reset()
        assert (stage.background.image, stage.background.age_s) == (None, None)
        stage.show(with_box(SCENE), 0.4)
        assert stage.background.id == before + 1
        image = stage.background.image
        assert image is not None
        assert abs(image.astype(int) - with_box(SCENE)).mean() < 2
        stage.background.close()


class TestSavedStates:
    def test_a_camera_goes_on_where_it_stopped(self, tmp_path: Path) -> None:
        stage = Stage()
        stage.background.set(SCENE)
        stage.clock.now_s += 50
        stage.background.save(tmp_path / "yard.npz")
        other = Stage()
        other.background.load(tmp_path / "yard.npz")
        np.testing.assert_array_equal(other.background.image, SCENE)
        assert other.background.age_s == 50
        assert other.background.id == 1

    def test_a_segmenter_takes_the_file(self, tiny_bundle: Bundle, make_scene: Any, tmp_path: Path) -> None:
        with Segmenter(tiny_bundle, background=make_scene(), threads=1) as segmenter:
            segmenter.background.save(tmp_path / "door.npz")
        with Segmenter(tiny_bundle, background=tmp_path / "door.npz", threads=1) as segmenter:
            result = segmenter.segment(make_scene(boxes=((16, 16, 16, 16),)))
        assert not result.background_adopted
        assert result.mask.any()

    def test_saving_leaves_no_other_file_and_replaces_the_one_before(self, tmp_path: Path) -> None:
        stage = Stage()
        for frame in (SCENE, DARKER):
            stage.background.set(frame)
            stage.background.save(tmp_path / "yard.npz")
        assert [path.name for path in tmp_path.iterdir()] == ["yard.npz"]
        np.testing.assert_array_equal(read_state(tmp_path / "yard.npz").image, DARKER)

    def test_there_must_be_one_to_save(self, tmp_path: Path) -> None:
        with pytest.raises(StateError, match="there is no background to save yet"):
            Stage().background.save(tmp_path / "yard.npz")

    def test_a_state_of_another_camera_is_refused_and_the_background_stays(self, tmp_path: Path) -> None:
        door = Background(lambda image: 0.0, SIZE, camera="door")
        door.set(SCENE)
        door.save(tmp_path / "door.npz")
        stage = Stage()
        stage.background.set(DARKER)
        with pytest.raises(StateError, match="expected the background of camera 'yard', found that of camera 'door'"):
            stage.background.load(tmp_path / "door.npz")
        np.testing.assert_array_equal(stage.background.image, DARKER)

    def test_so_is_one_of_another_size(self, tmp_path: Path) -> None:
        small = Background(lambda image: 0.0, (64, 48), camera="yard")
        small.set(SCENE)
        small.save(tmp_path / "small.npz")
        with pytest.raises(StateError, match="expected a background for networks of 160x120, found 64x48"):
            Stage().background.load(tmp_path / "small.npz")

    def test_a_missing_file_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(MissingFileError, match=r"nowhere\.npz"):
            Stage().background.load(tmp_path / "nowhere.npz")


class TestTheFirstFrame:
    def test_that_is_black_gives_way_to_one_that_shows_something(self) -> None:
        stage = Stage()
        stage.show(np.zeros_like(SCENE), 1)
        assert stage.background.id == 1
        stage.show(SCENE, 0.2)
        image = stage.background.image
        assert image is not None
        assert abs(image.astype(int) - SCENE).mean() < 2
        stage.background.close()

    def test_black_ones_are_embedded_once(self) -> None:
        calls: list[int] = []
        stage = Stage(embed=lambda image: calls.append(1))
        stage.show(np.zeros_like(SCENE), 4)
        assert len(calls) == 1
        stage.background.close()


class TestTheModelsThread:
    def test_an_engine_that_fails_keeps_the_background_and_tells(self) -> None:
        fails = threading.Event()

        def embed(image: np.ndarray) -> float:
            if fails.is_set():
                raise EngineError("out of memory")
            return 0.0

        stage = Stage(embed)
        stage.show(SCENE, 2)
        number = stage.background.id
        fails.set()
        stage.show(DARKER, 3)
        assert stage.background.id == number
        assert [event.kind for event in stage.background.events] == ["light_step", "refresh_failed"]
        assert "out of memory" in stage.background.events[-1].action
        fails.clear()
        stage.show(DARKER, 5)
        assert stage.background.id > number
        stage.background.close()

    def test_events_are_kept_and_handed_to_who_asks(self) -> None:
        told: list[SceneEvent] = []
        stage = Stage()
        stage.background.on_event = told.append
        stage.show(SCENE, 2)
        stage.show(DARKER, 2)
        assert [event.kind for event in told] == ["light_step"]
        assert stage.background.events == tuple(told)
        assert told[0].action == "relit the background"
        stage.background.close()

    def test_an_error_in_what_they_are_handed_to_comes_at_the_next_frame(self) -> None:
        def fail(event: SceneEvent) -> None:
            raise ZeroDivisionError("the app's own")

        stage = Stage()
        stage.background.on_event = fail
        stage.show(SCENE, 2)
        with pytest.raises(ZeroDivisionError, match="the app's own"):
            stage.show(DARKER, 2)
        stage.show(DARKER, 2)
        stage.background.close()

    def test_setting_one_meanwhile_wins(self) -> None:
        slow = threading.Event()

        def embed(image: np.ndarray) -> float:
            if slow.is_set():
                time.sleep(0.002)
            return 0.0

        stage = Stage(embed)
        stage.show(SCENE, 2)
        slow.set()
        white = np.full_like(SCENE, 250)
        setter = threading.Thread(target=lambda: [stage.background.set(white) for _ in range(50)])
        setter.start()
        stage.show(DARKER, 4)
        setter.join()
        stage.background.set(white)
        np.testing.assert_array_equal(stage.background.image, white)
        stage.background.close()

    def test_closing_ends_it(self) -> None:
        before = threading.active_count()
        stage = Stage()
        stage.show(SCENE, 1)
        assert threading.active_count() == before + 1
        stage.background.close()
        stage.background.close()
        assert threading.active_count() == before
        stage.show(SCENE, 1)

    def test_where_none_can_start_the_next_frame_tries_again(self, monkeypatch: pytest.MonkeyPatch) -> None:
        stage, before = Stage(), threading.active_count()
        with monkeypatch.context() as patch:

            def refuse(_: threading.Thread) -> None:
                raise RuntimeError("can't start new thread")

            patch.setattr(threading.Thread, "start", refuse)
            with pytest.raises(RuntimeError, match="new thread"):
                stage.show(SCENE, 0.2)
        stage.background.settle()
        stage.show(SCENE, 0.2)
        assert threading.active_count() == before + 1
        stage.background.close()

    def test_nor_does_closing_wait_for_one_that_never_was(self, monkeypatch: pytest.MonkeyPatch) -> None:
        stage = Stage()

        def refuse(_: threading.Thread) -> None:
            raise RuntimeError("can't start new thread")

        monkeypatch.setattr(threading.Thread, "start", refuse)
        with pytest.raises(RuntimeError, match="new thread"):
            stage.show(SCENE, 0.2)
        stage.background.close()

    def test_a_fixed_background_has_none(self, tiny_bundle: Bundle, make_scene: Any) -> None:
        with Segmenter(tiny_bundle, threads=1, policy="fixed") as segmenter:
            before = threading.active_count()
            for step in range(5):
                segmenter.segment(make_scene(boxes=((step, 16, 16, 16),)))
            assert threading.active_count() == before
            assert segmenter.background.events == ()


class TestInAPipeline:
    def test_each_camera_has_its_own(self, tiny_bundle: Bundle) -> None:
        clock = Clock()
        policy = BackgroundPolicy(bootstrap="first", clock=clock)
        scene = textured_scene(size=(64, 48))
        frames = {"door": scene, "yard": (scene * 0.6).astype(np.uint8)}
        noise = np.random.default_rng(0)
        with Pipeline(tiny_bundle, threads=1, policy=policy) as pipeline:
            for name in ("door", "yard"):
                pipeline.backgrounds[name].set(scene)
            pipeline.backgrounds["door"].freeze()
            for step in range(18):
                clock.now_s += 0.2
                for name, later in frames.items():
                    frame = scene if step < 6 else later
                    grainy = np.clip(frame + noise.normal(0, 1, frame.shape), 0, 255).astype(np.uint8)
                    pipeline.submit(grainy, name)
                    pipeline.take()
                    pipeline.backgrounds[name].settle()
            assert pipeline.backgrounds["door"].id == 1
            assert pipeline.backgrounds["yard"].id > 1
            assert {event.kind for event in pipeline.backgrounds["yard"].events} == {"light_step"}

    def test_an_error_of_the_model_comes_as_a_frames_error(self, tiny_bundle: Bundle) -> None:
        clock = Clock()

        def fail(event: SceneEvent) -> None:
            raise ZeroDivisionError("the app's own")

        scene = textured_scene(size=(64, 48))
        with Pipeline(tiny_bundle, threads=1, policy=BackgroundPolicy(bootstrap="first", clock=clock)) as pipeline:
            pipeline.backgrounds[""].on_event = fail
            errors = 0
            for step in range(24):
                clock.now_s += 0.2
                noise = np.random.default_rng(step).normal(0, 1, scene.shape)
                gain = 1.0 if step < 8 else 0.6
                pipeline.submit(np.clip(scene * gain + noise, 0, 255).astype(np.uint8))
                try:
                    pipeline.take()
                except ZeroDivisionError:
                    errors += 1
                pipeline.backgrounds[""].settle()
        assert errors == 1

    def test_frames_that_overtake_each_other_are_shown_in_order(
        self, tiny_bundle: Bundle, make_scene: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        times: list[float] = []
        clock = Clock()
        monkeypatch.setattr(Background, "observe", lambda self, seen: times.append(seen.time_s))
        with Pipeline(tiny_bundle, slots=4, policy=BackgroundPolicy(clock=clock)) as pipeline:
            for number in range(60):
                clock.now_s += 1
                pipeline.submit(make_scene((64, 48) if number % 3 else (1280, 960)))
                if number >= 5:
                    pipeline.take()
        assert len(times) >= 55
        assert times == sorted(times)


class TestBadInput:
    @pytest.mark.parametrize("now", [float("nan"), float("inf"), None, True])
    def test_a_clock_that_gives_no_time(self, tiny_bundle: Bundle, make_scene: Any, now: Any) -> None:
        with (
            Segmenter(tiny_bundle, threads=1, policy=BackgroundPolicy(clock=lambda: now)) as segmenter,
            pytest.raises(OptionError, match="finite seconds"),
        ):
            segmenter.segment(make_scene())

    def test_an_unknown_policy(self, tiny_bundle: Bundle) -> None:
        with pytest.raises(OptionError, match="policy must be"):
            Segmenter(tiny_bundle, policy="wild")

    @pytest.mark.parametrize(
        "image", [np.zeros((48, 64, 3), np.float32), np.full((48, 64, 3), np.nan), np.zeros((48, 64, 5), np.uint8)]
    )
    def test_a_background_of_another_depth(self, tiny_bundle: Bundle, make_scene: Any, image: np.ndarray) -> None:
        with Segmenter(tiny_bundle, background=make_scene(), threads=1) as segmenter:
            with pytest.raises(FrameError):
                segmenter.background.set(image)
            assert segmenter.background.id == 1
            assert segmenter.segment(make_scene()).background_id == 1

    def test_a_closed_segmenter_sets_nothing(self, tiny_bundle: Bundle, make_scene: Any) -> None:
        segmenter = Segmenter(tiny_bundle, threads=1)
        segmenter.close()
        with pytest.raises(ClosedError):
            segmenter.background.set(make_scene())
