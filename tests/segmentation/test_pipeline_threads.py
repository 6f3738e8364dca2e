"""The Pipeline among threads: none waits for ever, none takes what is another's."""

import signal
import threading
import time
from collections.abc import Callable
from itertools import chain
from typing import Any

import numpy as np
import pytest

from edgefg import Pipeline
from edgefg.bundle.bundle import Bundle
from edgefg.errors import ClosedError, EngineError, FrameError, PipelineTimeoutError

from ..support.slow_engine import SlowEngine, numbered
from ..support.threads import start as start
from ..support.threads import wait_until

pytest.importorskip("openvino")


class TestSubmitting:
    def test_by_eight_gives_each_result_once(
        self, tiny_bundle: Bundle, frames: list[np.ndarray], start: Callable[..., threading.Thread]
    ) -> None:
        with Pipeline(tiny_bundle, slots=3, policy="fixed") as pipeline:

            def feed(camera: str) -> None:
                for frame in frames:
                    pipeline.submit(frame, camera)

            for index in range(8):
                start(feed, f"camera {index}")
            results = [pipeline.take(timeout_s=20) for _ in range(8 * 12)]
        for index in range(8):
            mine = [result for result in results if result.camera == f"camera {index}"]
            assert [result.sequence for result in mine] == list(range(12))

    def test_ends_where_the_pipeline_is_closed_while_it_waits_for_room(
        self, slow: SlowEngine, tiny_bundle: Bundle, start: Callable[..., threading.Thread]
    ) -> None:
        pipeline = Pipeline(tiny_bundle, depth=2)
        ended: list[str] = []

        def flood() -> None:
            try:
                while True:
                    pipeline.submit(numbered(1))
            except ClosedError:
                ended.append("closed")

        feeders = [start(flood) for _ in range(4)]
        wait_until(lambda: pipeline.statistics.submitted == 2 and slow.started)
        slow.go.set()
        pipeline.close()
        for feeder in feeders:
            feeder.join(20)
        assert ended == ["closed"] * 4

    def test_of_one_camera_without_a_pause_leaves_the_others_their_turns(
        self, slow: SlowEngine, tiny_bundle: Bundle
    ) -> None:
        with Pipeline(tiny_bundle, slots=1, depth=20) as pipeline:
            for camera in "abcd":
                pipeline.backgrounds[camera].set(numbered(0))
            pipeline.submit(numbered(1), "a")
            wait_until(lambda: slow.started)
            for number in range(2, 12):
                pipeline.submit(numbered(number), "a")
            for number, camera in ((20, "b"), (30, "c"), (40, "d"), (21, "b"), (31, "c"), (41, "d")):
                pipeline.submit(numbered(number), camera)
            slow.go.set()
            pipeline.flush()
            assert slow.started == [1, 20, 30, 40, 2, 21, 31, 41, *range(3, 12)]

    def test_of_one_camera_without_a_pause_drops_no_frame_of_another(
        self, tiny_bundle: Bundle, frames: list[np.ndarray], start: Callable[..., threading.Thread]
    ) -> None:
        with Pipeline(tiny_bundle, depth=3, backpressure="latest") as pipeline:
            calm = threading.Event()

            def flood() -> None:
                while not calm.is_set():
                    pipeline.submit(frames[0], "flood")

            flooding = start(flood)
            taken: list[Any] = []
            try:
                for round_ in range(20):
                    for camera in ("b", "c", "d"):
                        pipeline.submit(frames[1], camera)
                    while sum(result.camera != "flood" for result in taken) < 3 * (round_ + 1):
                        taken.append(pipeline.take(timeout_s=20))
            finally:
                calm.set()
                flooding.join()
        assert [result.dropped_before for result in taken if result.camera != "flood"] == [0] * 60


class TestTaking:
    def test_by_four_gives_each_result_to_one_of_them(
        self, tiny_bundle: Bundle, frames: list[np.ndarray], start: Callable[..., threading.Thread]
    ) -> None:
        pipeline = Pipeline(tiny_bundle, slots=3)
        taken: list[list[int]] = [[] for _ in range(4)]

        def take(mine: list[int]) -> None:
            for result in pipeline:
                mine.append(result.sequence)

        takers = [start(take, mine) for mine in taken]
        for number in range(200):
            pipeline.submit(frames[number % len(frames)])
        pipeline.flush()
        pipeline.close()
        for taker in takers:
            taker.join(20)
        assert sorted(chain(*taken)) == list(range(200))
        assert all(mine == sorted(mine) for mine in taken)

    def test_ends_with_ctrl_c_and_so_does_all_else(
        self, tiny_bundle: Bundle, frames: list[np.ndarray], start: Callable[..., threading.Thread]
    ) -> None:
        before = threading.active_count()
        ended: list[str] = []

        def flood() -> None:
            try:
                while True:
                    pipeline.submit(frames[0])
            except ClosedError:
                ended.append("closed")

        def interrupt() -> None:
            wait_until(lambda: taken)
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

        taken: list[int] = []
        with pytest.raises(KeyboardInterrupt), Pipeline(tiny_bundle) as pipeline:
            feeder = start(flood)
            interrupter = start(interrupt)
            for result in pipeline:
                taken.append(result.sequence)
        feeder.join(20)
        interrupter.join(20)
        assert ended == ["closed"]
        assert threading.active_count() == before

    def test_ends_with_ctrl_c_where_nothing_comes(
        self, tiny_bundle: Bundle, start: Callable[..., threading.Thread]
    ) -> None:
        def interrupt() -> None:
            time.sleep(0.05)
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

        with pytest.raises(KeyboardInterrupt), Pipeline(tiny_bundle) as pipeline:
            start(interrupt)
            pipeline.take()

    def test_an_engine_that_was_closed_is_an_error_at_the_frame_and_not_the_end(
        self, tiny_bundle: Bundle, frames: list[np.ndarray]
    ) -> None:
        with Pipeline(tiny_bundle) as pipeline:
            pipeline.engine.close()
            pipeline.submit(frames[0])
            with pytest.raises(ClosedError, match="OpenVINO engine was closed"):
                next(iter(pipeline))

    def test_part_of_a_map_leaves_nothing_for_the_next(self, tiny_bundle: Bundle, frames: list[np.ndarray]) -> None:
        with Pipeline(tiny_bundle) as pipeline:
            for result in pipeline.map(frames):
                if result.sequence == 2:
                    break
            bad = np.zeros((48, 64, 3), np.float32)
            with pytest.raises(FrameError):
                list(pipeline.map([frames[0], bad, *frames[1:]]))  # type: ignore[list-item]
            first = next(iter(pipeline.map(frames[5:6])))
            assert first.sequence == pipeline.statistics.submitted - 1
            with pytest.raises(PipelineTimeoutError):
                pipeline.take(timeout_s=0.01)


class TestFlushing:
    def test_needs_nobody_to_take_results(self, tiny_bundle: Bundle, frames: list[np.ndarray]) -> None:
        with Pipeline(tiny_bundle, depth=2, backpressure="latest") as pipeline:
            for frame in frames[:2]:
                pipeline.submit(frame)
            wait_until(lambda: pipeline.statistics.finished == 2)
            for frame in frames[2:]:
                pipeline.submit(frame)
            pipeline.flush()
            assert (pipeline.statistics.finished, pipeline.statistics.dropped) == (3, 9)
            pipeline.close()
            assert [result.sequence for result in pipeline] == [0, 1, 11]

    def test_waits_for_no_frame_that_comes_later(
        self, tiny_bundle: Bundle, frames: list[np.ndarray], start: Callable[..., threading.Thread]
    ) -> None:
        with Pipeline(tiny_bundle, depth=2, backpressure="latest") as pipeline:
            calm = threading.Event()

            def flood() -> None:
                while not calm.is_set():
                    pipeline.submit(frames[0])

            flooding = start(flood)
            try:
                for _ in range(300):
                    pipeline.flush()
            finally:
                calm.set()
                flooding.join()
            # Nor do results pile up that nobody takes.
            assert pipeline.statistics.finished <= 2 + 300 * 3

    def test_ends_where_the_pipeline_is_closed(
        self, slow: SlowEngine, tiny_bundle: Bundle, start: Callable[..., threading.Thread]
    ) -> None:
        pipeline = Pipeline(tiny_bundle, slots=1)
        for number in range(5):
            pipeline.submit(numbered(number))
        flushing = start(pipeline.flush)
        closing = start(pipeline.close)
        slow.go.set()
        for thread in (flushing, closing):
            thread.join(20)
        assert not flushing.is_alive()


class TestBackgrounds:
    def test_that_cannot_be_set_while_frames_run_leave_the_one_before(
        self, tiny_bundle: Bundle, frames: list[np.ndarray], start: Callable[..., threading.Thread]
    ) -> None:
        refused: list[type[BaseException]] = []
        with Pipeline(tiny_bundle) as pipeline:
            background = pipeline.backgrounds[""]
            background.set(frames[0])
            over = threading.Event()

            def refresh() -> None:
                while not over.is_set():
                    try:
                        background.set(np.zeros((48, 64), np.float64))  # type: ignore[arg-type]
                    except FrameError as error:
                        refused.append(type(error))

            refreshing = start(refresh)
            results = list(pipeline.map(frames * 10))
            over.set()
            refreshing.join()
        assert set(refused) == {FrameError}
        assert {result.background_id for result in results} == {1}
        assert all(bool(result.mask.any()) == bool(result.sequence % 12) for result in results)

    def test_that_an_engine_refuses_leave_the_one_before(self, slow: SlowEngine, tiny_bundle: Bundle) -> None:
        slow.go.set()
        with Pipeline(tiny_bundle) as pipeline:
            background = pipeline.backgrounds[""]
            background.set(numbered(1))
            with pytest.raises(EngineError, match="the thirteenth"):
                background.set(numbered(13))
            assert [result.background_id for result in pipeline.map([numbered(2)])] == [1]

    def test_change_between_frames_and_never_within_one(
        self, tiny_bundle: Bundle, frames: list[np.ndarray], start: Callable[..., threading.Thread]
    ) -> None:
        with Pipeline(tiny_bundle, slots=3) as pipeline:
            background = pipeline.backgrounds[""]
            background.set(frames[1])
            over = threading.Event()

            def refresh() -> None:
                while not over.is_set():
                    for index in (2, 1):
                        background.set(frames[index])

            refreshing = start(refresh)
            results = list(pipeline.map([frames[1]] * 100))
            over.set()
            refreshing.join()
        # Odd numbers are this very frame, which differs from the other background only.
        assert all(bool(result.mask.any()) == (result.background_id % 2 == 0) for result in results)

    def test_of_a_first_frame_that_fails_come_from_the_next(
        self, tiny_bundle: Bundle, frames: list[np.ndarray]
    ) -> None:
        with Pipeline(tiny_bundle) as pipeline:
            pipeline.submit(np.zeros((4, 4, 3), np.uint8))
            for frame in frames[:3]:
                pipeline.submit(frame)
            with pytest.raises(FrameError, match="at least 16 px"):
                pipeline.take()
            assert [pipeline.take().background_adopted for _ in range(3)] == [True, False, False]

    def test_of_another_shape_than_a_frame_in_mid_stream_are_an_error_at_it(
        self, tiny_bundle: Bundle, make_scene: Any
    ) -> None:
        with Pipeline(tiny_bundle) as pipeline:
            for size in ((64, 48), (128, 48), (128, 96)):
                pipeline.submit(make_scene(size))
            assert pipeline.take().mask.shape == (48, 64)
            with pytest.raises(FrameError, match="aspect ratios"):
                pipeline.take()
            assert pipeline.take().mask.shape == (96, 128)
