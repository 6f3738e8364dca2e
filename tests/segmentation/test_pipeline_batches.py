"""Batches of a Pipeline: what waits runs together, and each frame has its own turn, background, result and error."""

import gc
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pytest

from edgefg import Pipeline, Segmenter
from edgefg.bundle.bundle import Bundle
from edgefg.engines.protocol import Comparison, Engine, Outcome
from edgefg.errors import ClosedError, EngineError, FrameError

from ..support.gpu_plans import BATCH, random_frame
from ..support.gpu_plans import batch_plans as batch_plans
from ..support.gpu_plans import gpu as gpu
from ..support.producers import OfDlpack, OfThisThread, Producer
from ..support.slow_engine import SlowEngine, numbered
from ..support.threads import start as start
from ..support.threads import wait_until

pytest.importorskip("onnxruntime")

CAMERAS = ("a", "b", "c", "d", "e")
Start = Callable[..., threading.Thread]


@pytest.fixture
def pipeline(slow: SlowEngine, tiny_bundle: Bundle) -> Iterator[Pipeline]:
    """One thread, whose engine takes four frames at once; it is busy with a frame 1 of the camera `first`."""
    slow.max_batch = BATCH
    with Pipeline(tiny_bundle, slots=1, depth=8, policy="fixed") as opened:
        for camera in ("first", *CAMERAS):
            opened.backgrounds[camera].set(numbered(0))
        opened.submit(numbered(1), "first")
        wait_until(lambda: slow.started)
        yield opened
        slow.go.set()


def submit(pipeline: Pipeline, *frames: tuple[str, int]) -> None:
    for camera, number in frames:
        pipeline.submit(numbered(number), camera)


class TestGathering:
    def test_takes_what_waits_up_to_the_batch(self, pipeline: Pipeline, slow: SlowEngine) -> None:
        submit(pipeline, *((camera, 2) for camera in CAMERAS))
        slow.go.set()
        pipeline.flush()
        assert slow.batches == [1, 4, 1]

    def test_waits_for_no_frame(self, pipeline: Pipeline, slow: SlowEngine) -> None:
        slow.go.set()
        for camera in CAMERAS:
            submit(pipeline, (camera, 2))
            pipeline.flush()
        assert slow.batches == [1] * 6

    def test_gives_each_camera_its_turn(self, pipeline: Pipeline, slow: SlowEngine) -> None:
        submit(pipeline, *(("a", number) for number in range(2, 8)), ("b", 100), ("c", 200))
        slow.go.set()
        pipeline.flush()
        assert slow.started == [1, 2, 100, 200, 3, 4, 5, 6, 7]
        assert slow.batches == [1, 4, 4]

    def test_takes_several_frames_of_one_camera_in_their_order(self, pipeline: Pipeline, slow: SlowEngine) -> None:
        submit(pipeline, *(("a", number) for number in range(2, 6)))
        slow.go.set()
        pipeline.flush()
        assert slow.batches == [1, 4]
        results = [pipeline.take(10) for _ in range(5)]
        assert [result.sequence for result in results if result.camera == "a"] == [0, 1, 2, 3]

    def test_leaves_the_frames_after_a_first_one_until_it_is_the_background(
        self, pipeline: Pipeline, slow: SlowEngine
    ) -> None:
        submit(pipeline, ("new", 2), ("new", 3), ("new", 4))
        slow.go.set()
        pipeline.flush()
        assert slow.batches == [1, 1, 2]

    def test_is_left_out_by_an_engine_that_computes_one_at_a_time(self, slow: SlowEngine, tiny_bundle: Bundle) -> None:
        slow.go.set()
        with Pipeline(tiny_bundle, slots=1, depth=8, policy="fixed") as pipeline:
            for _ in range(4):
                submit(pipeline, *((camera, 2) for camera in CAMERAS))
            pipeline.flush()
        assert slow.batches == [1] * 20


class TestErrors:
    def test_of_the_engine_come_at_their_frame_alone(self, pipeline: Pipeline, slow: SlowEngine) -> None:
        submit(pipeline, ("a", 12), ("b", 13), ("c", 14), ("d", 15))
        slow.go.set()
        pipeline.flush()
        assert pipeline.take(10).camera == "first"
        assert pipeline.take(10).camera == "a"
        with pytest.raises(EngineError, match="the thirteenth") as raised:
            pipeline.take(10)
        assert (raised.value.camera, raised.value.sequence) == ("b", 0)
        assert [pipeline.take(10).camera for _ in range(2)] == ["c", "d"]
        assert slow.batches == [1, 4, 1, 1, 1, 1]  # The batch, and then each frame alone.

    def test_of_a_frame_alone_come_after_one_try(self, pipeline: Pipeline, slow: SlowEngine) -> None:
        submit(pipeline, ("a", 13))
        slow.go.set()
        pipeline.flush()
        assert slow.batches == [1, 1]

    def test_of_a_frame_that_is_none_leave_the_others_in_one_batch(self, pipeline: Pipeline, slow: SlowEngine) -> None:
        submit(pipeline, ("a", 2))
        pipeline.submit(np.zeros((48, 64, 3), np.float32), "b")  # type: ignore[arg-type]
        submit(pipeline, ("c", 2))
        slow.go.set()
        pipeline.flush()
        assert slow.batches == [1, 2]
        found = {}
        for _ in range(4):
            try:
                found[pipeline.take(10).camera] = "result"
            except FrameError as error:
                assert "float32" in str(error)
                found[error.camera] = "error"
        assert found == {"first": "result", "a": "result", "b": "error", "c": "result"}

    def test_that_every_frame_has_are_one_each(self, pipeline: Pipeline, slow: SlowEngine) -> None:
        submit(pipeline, *((camera, 13) for camera in CAMERAS[:3]))
        slow.go.set()
        pipeline.flush()
        pipeline.take(10)
        told = []
        for _ in range(3):
            with pytest.raises(EngineError) as raised:
                pipeline.take(10)
            told.append(raised.value.camera)
        assert told == ["a", "b", "c"]

    def test_keep_no_other_frame(self, pipeline: Pipeline, slow: SlowEngine) -> None:
        """Without Python looking for cycles."""
        gc.disable()
        try:
            frames = {camera: numbered(number) for camera, number in (("a", 12), ("b", 13), ("c", 14), ("d", 15))}
            held = {camera: weakref.ref(frame) for camera, frame in frames.items()}
            for camera in held:
                pipeline.submit(frames.pop(camera), camera)
            slow.go.set()
            assert [pipeline.take(10).camera for _ in range(2)] == ["first", "a"]
            with pytest.raises(EngineError) as raised:
                pipeline.take(10)
            assert [pipeline.take(10).camera for _ in range(2)] == ["c", "d"]
            wait_until(lambda: held["a"]() is None and held["c"]() is None)
            assert raised.value.camera == "b"
        finally:
            gc.enable()


class TestClosing:
    def test_finishes_the_batch_in_work_and_drops_the_rest(
        self, pipeline: Pipeline, slow: SlowEngine, start: Start
    ) -> None:
        submit(pipeline, *((camera, 2) for camera in CAMERAS))
        closing = start(pipeline.close)
        wait_until(lambda: pipeline.statistics.dropped == 5)
        assert not slow.closed
        slow.go.set()
        closing.join(10)
        assert slow.closed
        assert [result.camera for result in pipeline] == ["first"]


class Gathering:
    """Holds an engine's first call back, so that all later frames wait, and notes how many frames each call has."""

    def __init__(self, engine: Engine) -> None:
        self.go = threading.Event()
        self.counts: list[int] = []
        self._run = engine.run_batch
        engine.run_batch = self._run_batch  # type: ignore[method-assign]

    def _run_batch(self, batch: Sequence[Comparison], early_exit: Any = None) -> list[Outcome]:
        self.counts.append(len(batch))
        assert self.go.wait(60)
        return self._run(batch, early_exit)


def mask_on_cpu(bundle: Bundle, background: np.ndarray, frame: np.ndarray) -> np.ndarray:
    with Segmenter(bundle, background=background, engine="onnxruntime", policy="fixed") as segmenter:
        mask = segmenter.segment(frame).mask
    assert mask.any() and not mask.all(), "this mask would compare nothing"
    return mask


@pytest.fixture
def opened(batch_plans: Bundle) -> Iterator[tuple[Pipeline, Gathering]]:
    """A pipeline on a GPU whose one thread is busy with a frame of the camera `first`."""
    name = batch_plans.variants[0].engines[0]
    with Pipeline(batch_plans, engine=name, slots=1, policy="fixed", skip_below=0.01) as pipeline:
        gathering = Gathering(pipeline.engine)
        pipeline.backgrounds["first"].set(random_frame())
        pipeline.submit(random_frame(), "first")
        wait_until(lambda: gathering.counts)
        yield pipeline, gathering
        gathering.go.set()


class TestOnAGpu:
    def test_masks_are_those_of_each_cameras_own_background(
        self, opened: tuple[Pipeline, Gathering], tiny_bundle: Bundle
    ) -> None:
        pipeline, gathering = opened
        backgrounds, frames = ({camera: random_frame() for camera in CAMERAS} for _ in range(2))
        for camera in CAMERAS:
            pipeline.backgrounds[camera].set(backgrounds[camera])
            pipeline.submit(frames[camera], camera)
        gathering.go.set()
        pipeline.take(60)
        for camera in CAMERAS:
            result = pipeline.take(60)
            assert result.camera == camera
            expected = mask_on_cpu(tiny_bundle, backgrounds[camera], frames[camera])
            np.testing.assert_array_equal(result.mask, expected)
        assert gathering.counts == [1, BATCH, 1]

    def test_quiet_frames_are_empty_beside_others(
        self, opened: tuple[Pipeline, Gathering], tiny_bundle: Bundle
    ) -> None:
        pipeline, gathering = opened
        backgrounds = {camera: random_frame() for camera in CAMERAS[:BATCH]}
        frames = {camera: random_frame() if camera in "bd" else backgrounds[camera] for camera in backgrounds}
        for camera, frame in frames.items():
            pipeline.backgrounds[camera].set(backgrounds[camera])
            pipeline.submit(frame, camera)
        gathering.go.set()
        pipeline.take(60)
        for camera, frame in frames.items():
            result = pipeline.take(60)
            assert result.stage2_skipped == (camera not in "bd")
            if result.stage2_skipped:
                assert not result.mask.any()
            else:
                np.testing.assert_array_equal(result.mask, mask_on_cpu(tiny_bundle, backgrounds[camera], frame))
        assert gathering.counts == [1, BATCH]
        assert pipeline.statistics.skipped == 2

    def test_frames_on_the_gpu_and_on_the_host_mix(
        self, opened: tuple[Pipeline, Gathering], tiny_bundle: Bundle
    ) -> None:
        pipeline, gathering = opened
        producer = Producer()
        background, frames = random_frame(), {camera: random_frame() for camera in CAMERAS[:BATCH]}
        kinds = {"a": OfThisThread, "c": OfDlpack}
        for camera, frame in frames.items():
            pipeline.backgrounds[camera].set(background)
            given: Any = producer.array(kinds[camera], frame) if camera in kinds else frame
            pipeline.submit(given, camera)
        gathering.go.set()
        pipeline.take(60)
        for frame in frames.values():
            np.testing.assert_array_equal(pipeline.take(60).mask, mask_on_cpu(tiny_bundle, background, frame))
        assert gathering.counts == [1, BATCH]
        producer.close()

    def test_a_background_that_is_replaced_meanwhile_is_the_next_frames(
        self, opened: tuple[Pipeline, Gathering], tiny_bundle: Bundle
    ) -> None:
        pipeline, gathering = opened
        backgrounds, frame = [random_frame() for _ in range(2)], random_frame()
        pipeline.backgrounds["a"].set(backgrounds[0])
        pipeline.submit(frame, "a")
        gathering.go.set()
        pipeline.flush()
        gathering.go.clear()
        for camera in ("a", "b"):
            pipeline.backgrounds[camera].set(backgrounds[0])
            pipeline.submit(frame, camera)
        wait_until(lambda: len(gathering.counts) > 2)  # The frames are in work, with the background of now.
        pipeline.backgrounds["a"].set(backgrounds[1])
        pipeline.submit(frame, "a")
        gathering.go.set()
        pipeline.take(60)
        by_camera = [pipeline.take(60) for _ in range(4)]
        expected = [mask_on_cpu(tiny_bundle, background, frame) for background in backgrounds]
        found = [result.mask for result in by_camera if result.camera == "a"]
        for mask, wanted in zip(found, [expected[0], expected[0], expected[1]], strict=True):
            np.testing.assert_array_equal(mask, wanted)

    def test_many_threads_and_refreshes_get_the_masks_of_their_cameras(self, batch_plans: Bundle, start: Start) -> None:
        """Frames of one colour: a mask is empty before that colour, and full before the other."""
        dark, bright = np.zeros((48, 64, 3), np.uint8), np.full((48, 64, 3), 255, np.uint8)
        over = threading.Event()
        with Pipeline(batch_plans, engine=batch_plans.variants[0].engines[0], slots=2, policy="fixed") as pipeline:
            for camera in CAMERAS:
                pipeline.backgrounds[camera].set(dark)

            def refresh() -> None:
                while not over.is_set():
                    for image in (bright, dark):
                        pipeline.backgrounds["a"].set(image)

            def feed(camera: str) -> None:
                for number in range(20):
                    pipeline.submit((dark, bright)[number % 2], camera)

            threads = [start(refresh), *(start(feed, camera) for camera in CAMERAS)]
            for _ in range(20 * len(CAMERAS)):
                result = pipeline.take(60)
                is_bright = result.camera == "a" and result.background_id % 2 == 0
                assert (result.mask > 0).all() == (is_bright == (result.sequence % 2 == 0))
            over.set()
            for thread in threads:
                thread.join(30)

    def test_closing_while_batches_run_ends_every_thread(self, batch_plans: Bundle, start: Start) -> None:
        pipeline = Pipeline(batch_plans, engine=batch_plans.variants[0].engines[0], slots=2, policy="fixed")
        for camera in CAMERAS:
            pipeline.backgrounds[camera].set(random_frame())

        def feed(camera: str) -> None:
            with pytest.raises(ClosedError):
                while True:
                    pipeline.submit(random_frame(), camera)

        for camera in CAMERAS:
            start(feed, camera)
        for _ in range(20):
            pipeline.take(60)
        pipeline.close()
        assert pipeline.unfinished == frozenset()
