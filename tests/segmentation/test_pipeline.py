"""The Pipeline: order, backpressure, many cameras, errors at their frames, closing."""

import itertools
import threading
import time
import tracemalloc
from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np
import pytest

from edgefg import Pipeline, Segmenter
from edgefg.background.policy import FIXED, BackgroundPolicy
from edgefg.bundle.bundle import Bundle
from edgefg.errors import ClosedError, EngineError, FrameError, OptionError, PipelineTimeoutError
from edgefg.segmentation.early_exit import exit_below

from ..support.slow_engine import SlowEngine, numbered

pytest.importorskip("openvino")


@pytest.fixture
def pipeline(tiny_bundle: Bundle) -> Iterator[Pipeline]:
    with Pipeline(tiny_bundle, threads=1, policy="fixed") as opened:
        yield opened


class TestResults:
    @pytest.mark.parametrize("slots", [1, 2, 4])
    def test_are_those_of_the_segmenter(self, slots: int, tiny_bundle: Bundle, frames: list[np.ndarray]) -> None:
        with Segmenter(tiny_bundle, policy="fixed") as segmenter:
            expected = [segmenter.segment(frame) for frame in frames]
        with Pipeline(tiny_bundle, slots=slots, policy="fixed") as pipeline:
            found = list(pipeline.map(frames))
        for ours, theirs in zip(found, expected, strict=True):
            np.testing.assert_array_equal(ours.mask, theirs.mask)
            np.testing.assert_array_equal(ours.probability, theirs.probability)
            assert ours.background_adopted == theirs.background_adopted

    def test_come_in_order_with_what_was_handed_in(self, pipeline: Pipeline, frames: list[np.ndarray]) -> None:
        taken = []
        for index, frame in enumerate(frames):
            assert pipeline.submit(frame, "yard", user_data=index / 10) == index
            taken.append(pipeline.take())
        assert [result.sequence for result in taken] == list(range(12))
        assert [result.user_data for result in taken] == [index / 10 for index in range(12)]
        assert {result.camera for result in taken} == {"yard"}
        assert all(result.latency_ms >= result.timing.total_ms for result in taken)

    def test_are_never_overwritten(self, pipeline: Pipeline, frames: list[np.ndarray]) -> None:
        results = list(pipeline.map(frames))
        kept = [result.mask.copy() for result in results]
        list(pipeline.map(frames[::-1]))
        for result, before in zip(results, kept, strict=True):
            np.testing.assert_array_equal(result.mask, before)

    def test_frames_may_change_their_size(self, pipeline: Pipeline, make_scene: Any) -> None:
        sizes = [(64, 48), (128, 96), (320, 240), (64, 48)]
        results = list(pipeline.map([make_scene(size) for size in sizes]))
        assert [result.mask.shape[::-1] for result in results] == sizes

    def test_the_first_frame_becomes_the_background_however_many_are_in_work(
        self, tiny_bundle: Bundle, frames: list[np.ndarray]
    ) -> None:
        for _ in range(20):
            with Pipeline(tiny_bundle, slots=4, depth=12, policy="fixed") as pipeline:
                adopted = [result.background_adopted for result in pipeline.map(frames)]
            assert adopted == [True] + [False] * 11

    def test_a_background_may_be_set_before_the_first_frame(self, pipeline: Pipeline, frames: list[np.ndarray]) -> None:
        pipeline.backgrounds["door"].set(frames[0])
        (result,) = pipeline.map(frames[3:4], "door")
        assert not result.background_adopted
        assert result.mask.any()


class TestErrors:
    def test_come_at_their_frame_and_the_next_ones_go_on(self, pipeline: Pipeline, frames: list[np.ndarray]) -> None:
        pipeline.submit(frames[0])
        pipeline.submit(np.zeros((48, 64, 3), np.float32))  # type: ignore[arg-type]
        pipeline.submit(frames[3])
        results = iter(pipeline)
        assert next(results).sequence == 0
        with pytest.raises(FrameError, match="float32"):
            next(results)
        assert next(results).sequence == 2

    def test_of_the_engine_too(self, slow: SlowEngine, tiny_bundle: Bundle) -> None:
        slow.go.set()
        with Pipeline(tiny_bundle, policy="fixed") as pipeline:
            for number in (12, 13, 14):
                pipeline.submit(numbered(number), "door")
            assert pipeline.take().sequence == 0
            with pytest.raises(EngineError, match="the thirteenth") as raised:
                pipeline.take()
            assert (raised.value.camera, raised.value.sequence) == ("door", 1)
            assert pipeline.take().sequence == 2

    def test_a_device_array_says_what_takes_it(self, pipeline: Pipeline) -> None:
        class DeviceArray:
            __cuda_array_interface__: ClassVar[dict[str, Any]] = {
                "shape": (48, 64, 3),
                "typestr": "|u1",
                "data": (0, False),
                "version": 3,
            }

        pipeline.submit(DeviceArray())  # type: ignore[arg-type]
        with pytest.raises(FrameError, match="DeviceArray"):
            pipeline.take()

    @pytest.mark.parametrize(
        "options",
        [
            {"slots": 0},
            {"slots": True},
            {"depth": 0},
            {"depth": 1.5},
            {"backpressure": "drop"},
            {"skip_below": 0},
            {"skip_below": float("nan")},
            {"threshold": 2},
            {"engine": "tensorflow"},
            {"precision": "int4"},
        ],
        ids=str,
    )
    def test_options_that_make_no_sense(self, options: dict[str, Any], tiny_bundle: Bundle) -> None:
        before = threading.active_count()
        with pytest.raises(OptionError):
            Pipeline(tiny_bundle, **options, policy="fixed")
        assert threading.active_count() == before


class TestBackpressure:
    def test_block_waits_for_a_result_to_be_taken(self, pipeline: Pipeline, frames: list[np.ndarray]) -> None:
        for frame in frames[:6]:
            pipeline.submit(frame)
        with pytest.raises(PipelineTimeoutError, match="the results of 6 frames were not taken"):
            pipeline.submit(frames[6], timeout_s=0.05)
        pipeline.take()
        assert pipeline.submit(frames[6], timeout_s=5) == 6

    def test_latest_drops_the_oldest_and_says_so(self, slow: SlowEngine, tiny_bundle: Bundle) -> None:
        with Pipeline(tiny_bundle, slots=1, depth=2, backpressure="latest", policy="fixed") as pipeline:
            pipeline.backgrounds[""].set(numbered(0))
            pipeline.submit(numbered(1))
            while not slow.started:
                time.sleep(0.001)
            for number in range(2, 8):
                pipeline.submit(numbered(number))
            slow.go.set()
            results = [pipeline.take() for _ in range(2)]
            assert [(result.sequence, result.dropped_before) for result in results] == [(0, 0), (6, 5)]
            assert pipeline.statistics.dropped == 5

    def test_latest_never_piles_up_results(self, tiny_bundle: Bundle, frames: list[np.ndarray]) -> None:
        with Pipeline(tiny_bundle, depth=2, backpressure="latest", policy="fixed") as pipeline:
            for _ in range(30):
                for frame in frames:
                    pipeline.submit(frame)
            time.sleep(0.1)
            assert pipeline.statistics.finished <= 2  # As many as the depth; nobody took one.
            taken = [pipeline.take(timeout_s=5)]
            while taken[-1].sequence < 359:
                taken.append(pipeline.take(timeout_s=5))
            assert len(taken) <= 3
            assert sum(result.dropped_before for result in taken) + len(taken) == 360
            counted = pipeline.statistics
            assert counted.dropped + counted.finished == counted.submitted == 360

    def test_take_with_a_timeout_says_that_nothing_came(self, pipeline: Pipeline) -> None:
        with pytest.raises(PipelineTimeoutError, match=r"no result within 0\.01 s"):
            pipeline.take(timeout_s=0.01)


class TestCameras:
    def test_each_has_its_background(self, pipeline: Pipeline, frames: list[np.ndarray]) -> None:
        pipeline.backgrounds["a"].set(frames[0])
        pipeline.backgrounds["b"].set(frames[5])
        for camera in ("a", "b"):
            pipeline.submit(frames[5], camera)
        by_camera = {result.camera: result for result in (pipeline.take(), pipeline.take())}
        assert by_camera["a"].mask.any()
        assert not by_camera["b"].mask.any()

    def test_take_turns(self, slow: SlowEngine, tiny_bundle: Bundle) -> None:
        with Pipeline(tiny_bundle, slots=1, depth=8, policy="fixed") as pipeline:
            for camera in "ab":
                pipeline.backgrounds[camera].set(numbered(0))
            pipeline.submit(numbered(1), "a")
            while not slow.started:
                time.sleep(0.001)
            for number in range(2, 6):
                pipeline.submit(numbered(number), "a")
            pipeline.submit(numbered(100), "b")
            pipeline.submit(numbered(101), "b")
            slow.go.set()
            pipeline.flush()
            # The camera that came later, with fewer frames, has its turn at once.
            assert slow.started == [1, 100, 2, 101, 3, 4, 5]

    def test_one_that_nobody_reads_does_not_hold_up_another(
        self, tiny_bundle: Bundle, frames: list[np.ndarray]
    ) -> None:
        with Pipeline(tiny_bundle, depth=2, backpressure="latest", policy="fixed") as pipeline:
            for frame in frames:
                pipeline.submit(frame, "unread")
            taken = []
            for frame in frames:
                pipeline.submit(frame, "read")
                taken.append(pipeline.take(timeout_s=5).camera)
            assert "read" in taken


class TestClosing:
    def test_ends_the_iteration_after_the_last_result(self, pipeline: Pipeline, frames: list[np.ndarray]) -> None:
        for frame in frames[:3]:
            pipeline.submit(frame)
        pipeline.flush()
        pipeline.close()
        assert [result.sequence for result in pipeline] == [0, 1, 2]

    def test_with_frames_in_work_finishes_them_and_gives_up_the_rest(
        self, slow: SlowEngine, tiny_bundle: Bundle
    ) -> None:
        pipeline = Pipeline(tiny_bundle, slots=1, depth=8, policy="fixed")
        pipeline.backgrounds[""].set(numbered(0))
        for number in range(1, 6):
            pipeline.submit(numbered(number))
        while not slow.started:
            time.sleep(0.001)
        closing = threading.Thread(target=pipeline.close)
        closing.start()
        time.sleep(0.02)
        assert not slow.closed  # The engine is in use.
        slow.go.set()
        closing.join(5)
        assert slow.closed
        assert [result.sequence for result in pipeline] == [0]
        assert pipeline.statistics.dropped == 4

    def test_wakes_up_who_waits(self, slow: SlowEngine, tiny_bundle: Bundle) -> None:
        pipeline = Pipeline(tiny_bundle, depth=1, policy="fixed")
        pipeline.backgrounds[""].set(numbered(0))
        pipeline.submit(numbered(1))
        caught: list[BaseException] = []

        def wait(call: Any) -> None:
            try:
                call()
            except ClosedError as error:
                caught.append(error)

        waiting = [
            threading.Thread(target=wait, args=(lambda: pipeline.submit(numbered(2)),)),
            threading.Thread(target=wait, args=(lambda: [pipeline.take(), pipeline.take()],)),
        ]
        for thread in waiting:
            thread.start()
        time.sleep(0.02)
        slow.go.set()
        pipeline.close()
        for thread in waiting:
            thread.join(5)
        assert not any(thread.is_alive() for thread in waiting)
        assert len(caught) >= 1

    def test_twice_is_fine_and_later_calls_say_so(self, pipeline: Pipeline, frames: list[np.ndarray]) -> None:
        pipeline.close()
        pipeline.close()
        for call in (lambda: pipeline.submit(frames[0]), pipeline.take, lambda: pipeline.backgrounds["new"]):
            with pytest.raises(ClosedError):
                call()

    def test_leaves_no_thread(self, tiny_bundle: Bundle, frames: list[np.ndarray]) -> None:
        before = threading.active_count()
        for _ in range(20):
            with Pipeline(tiny_bundle, policy="fixed") as pipeline:
                pipeline.submit(frames[0])
        assert threading.active_count() == before

    @pytest.mark.soak
    def test_a_thousand_times(self, tiny_bundle: Bundle, frames: list[np.ndarray]) -> None:
        before = threading.active_count()
        for _ in range(1000):
            with Pipeline(tiny_bundle, policy="fixed") as pipeline:
                pipeline.submit(frames[0])
        assert threading.active_count() == before


class TestQuiet:
    def test_frames_skip_stage_2(self, tiny_bundle: Bundle, frames: list[np.ndarray]) -> None:
        with Pipeline(tiny_bundle, skip_below=0.1, policy="fixed") as pipeline:
            results = list(pipeline.map([frames[0], frames[0], frames[4]]))
            assert [result.stage2_skipped for result in results] == [True, True, False]
            assert [bool(result.mask.any()) for result in results] == [False, False, True]
            assert pipeline.statistics.skip_rate == pytest.approx(2 / 3)

    @pytest.mark.parametrize(("value", "quiet"), [(0.5, True), (1.0, False), (2.0, False), (float("nan"), False)])
    def test_one_loud_cell_is_enough(self, value: float, quiet: bool) -> None:
        distance = np.zeros((12, 16), np.float32)
        distance[3, 4] = value
        assert exit_below(1.0)(distance) is quiet


def test_no_image_is_allocated_beyond_those_that_a_result_owns(tiny_bundle: Bundle, make_scene: Any) -> None:
    def held_bytes() -> int:
        """In pieces as large as a mask: Python's own small objects come and go."""
        return sum(trace.size for trace in tracemalloc.take_snapshot().traces if trace.size >= 48 * 64)

    frames = [make_scene((64, 48), boxes=((step, 16, 16, 16),)) for step in range(8)]
    with Pipeline(tiny_bundle, policy="fixed") as pipeline:
        tracemalloc.start()
        for _ in range(5):
            list(pipeline.map(frames))
        before = held_bytes()
        for _ in range(20):
            list(pipeline.map(frames))
        after = held_bytes()
        tracemalloc.stop()
    assert after - before < 48 * 64 * 3


class TestPolicies:
    def test_each_camera_may_have_its_own(self, tiny_bundle: Bundle) -> None:
        own = BackgroundPolicy(refresh="periodic")
        with Pipeline(tiny_bundle, policy={"door": "fixed", "yard": own}) as pipeline:
            assert pipeline.backgrounds["door"].policy is FIXED
            assert pipeline.backgrounds["yard"].policy is own
            assert pipeline.backgrounds["roof"].policy == BackgroundPolicy()

    def test_each_has_its_own_clock(self, tiny_bundle: Bundle, frames: list[np.ndarray]) -> None:
        clocks = {"a": itertools.count(5.0, 1.0), "b": itertools.count(70.0, 3.0)}
        policies = {name: BackgroundPolicy(clock=clock.__next__) for name, clock in clocks.items()}
        with Pipeline(tiny_bundle, slots=1, policy=policies) as pipeline:
            ages = {}
            for name in policies:
                pipeline.backgrounds[name].set(frames[0])  # Reads the clock once, and submit once more.
                pipeline.submit(frames[1], name)
                result = pipeline.take()
                ages[result.camera] = result.background_age_s
        assert ages == {"a": 1, "b": 3}

    def test_an_unknown_one_is_refused_at_once(self, tiny_bundle: Bundle) -> None:
        with pytest.raises(OptionError, match="policy must be"):
            Pipeline(tiny_bundle, policy={"door": "wild"})
