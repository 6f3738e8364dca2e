"""Batches on a GPU: each frame has what it has alone, from one launch of each stage."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgefg.bundle.bundle import Bundle
from edgefg.engines.open import open_engine
from edgefg.engines.protocol import Comparison, Engine, Outcome
from edgefg.errors import ClosedError, EngineError

from ..support.fake_gpu import FakeGpu, install, write_plans
from ..support.gpu_plans import BATCH, DISTANCE, FEATURES, FRAME, PROBABILITY, random_frame
from ..support.gpu_plans import batch_plans as batch_plans
from ..support.gpu_plans import gpu as gpu
from ..support.threads import errors_at_close

pytest.importorskip("onnxruntime")


@pytest.fixture
def engine(batch_plans: Bundle) -> Iterator[Engine]:
    opened = open_engine(batch_plans, batch_plans.variants[0].engines[0])
    yield opened
    opened.close()


@pytest.fixture
def fake_engine(gpu: FakeGpu, tiny_bundle: Bundle, tmp_path: Path) -> Iterator[Engine]:
    opened = open_engine(write_plans(tiny_bundle, tmp_path / "plans", max_batch=BATCH), "tensorrt")
    yield opened
    opened.close()


def make_batch(engine: Engine, count: int) -> list[Comparison]:
    """Frames with a background each."""
    return [Comparison(random_frame(), engine.embed(random_frame())) for _ in range(count)]


def assert_same(found: Outcome, expected: Outcome) -> None:
    np.testing.assert_array_equal(found.distance, expected.distance)
    np.testing.assert_array_equal(found.probability, expected.probability)  # type: ignore[arg-type]


def assert_as_alone(engine: Engine, batch: list[Comparison]) -> None:
    alone = [engine.run(*one) for one in batch]
    for found, expected in zip(engine.run_batch(batch), alone, strict=True):
        assert_same(found, expected)


class TestOutcomes:
    @pytest.mark.parametrize("count", range(1, BATCH + 1))
    def test_are_those_of_the_frames_alone(self, count: int, engine: Engine) -> None:
        assert_as_alone(engine, make_batch(engine, count))

    def test_of_a_larger_batch_come_from_several_launches(self, engine: Engine) -> None:
        assert_as_alone(engine, make_batch(engine, 2 * BATCH + 1))

    def test_of_no_frames_are_none(self, engine: Engine) -> None:
        assert engine.run_batch([]) == []

    def test_differ_by_the_background(self, engine: Engine) -> None:
        frame = random_frame()
        same, other = engine.run_batch([Comparison(frame, engine.embed(each)) for each in (frame, random_frame())])
        assert same.distance.max() == 0
        assert other.distance.max() > 0

    def test_follow_backgrounds_that_change_between_batches(self, engine: Engine) -> None:
        batch = make_batch(engine, BATCH)
        engine.run_batch(batch)
        assert_as_alone(engine, [Comparison(one.frame, engine.embed(random_frame())) for one in batch])
        assert_as_alone(engine, batch)

    def test_are_never_overwritten(self, engine: Engine) -> None:
        batch = make_batch(engine, BATCH)
        first = engine.run_batch(batch)
        kept = [outcome.distance.copy() for outcome in first]
        engine.run_batch(make_batch(engine, BATCH))
        for outcome, before in zip(first, kept, strict=True):
            np.testing.assert_array_equal(outcome.distance, before)

    def test_are_the_same_without_graphs(
        self, monkeypatch: pytest.MonkeyPatch, tiny_bundle: Bundle, tmp_path: Path
    ) -> None:
        gpu = install(monkeypatch, graphs=False)
        engine = open_engine(write_plans(tiny_bundle, tmp_path / "plans", max_batch=BATCH), "tensorrt")
        assert_as_alone(engine, make_batch(engine, BATCH))
        assert gpu.launches == 0
        engine.close()


class TestEarlyExit:
    @pytest.mark.parametrize("quiet", [{0}, {1}, {0, 2}, {1, 2, 3}, {0, 1, 2, 3}, set()], ids=str)
    def test_quiet_frames_leave_and_the_others_get_their_probability(self, quiet: set[int], engine: Engine) -> None:
        batch = make_batch(engine, BATCH)
        for row in quiet:
            batch[row] = Comparison(batch[row].frame, engine.embed(batch[row].frame))
        alone = [engine.run(*one) for one in batch]
        found = engine.run_batch(batch, early_exit=lambda distance: bool(distance.max() == 0))
        for row, outcome in enumerate(found):
            if row in quiet:
                assert outcome.probability is None
                assert outcome.stage2_ms == 0
                assert outcome.distance.max() == 0
            else:
                assert_same(outcome, alone[row])

    def test_stage_2_runs_for_the_others_alone(self, gpu: FakeGpu, fake_engine: Engine) -> None:
        batch = make_batch(fake_engine, BATCH)
        fake_engine.run_batch(batch)
        verdicts = iter([True, False, True, False])
        gpu.copied = dict.fromkeys(gpu.copied, 0)
        fake_engine.run_batch(batch, early_exit=lambda distance: next(verdicts))
        assert gpu.copied["down"] == BATCH * DISTANCE + 2 * PROBABILITY
        assert gpu.copied["within"] == 2 * (FRAME + DISTANCE)  # Rows 1 and 3 move to 0 and 1.

    def test_a_quiet_batch_never_sees_stage_2(self, gpu: FakeGpu, fake_engine: Engine) -> None:
        batch = make_batch(fake_engine, BATCH)
        gpu.launches = 0
        fake_engine.run_batch(batch, early_exit=lambda distance: True)
        assert gpu.launches == 1


class TestLaunches:
    def test_one_of_each_stage_serves_a_batch(self, gpu: FakeGpu, fake_engine: Engine) -> None:
        batch = make_batch(fake_engine, BATCH)
        fake_engine.run_batch(batch)
        gpu.launches, gpu.copied = 0, dict.fromkeys(gpu.copied, 0)
        fake_engine.run_batch(batch)
        assert gpu.launches == 2
        assert gpu.copied == {"up": BATCH * FRAME, "down": BATCH * (DISTANCE + PROBABILITY), "within": 0}

    def test_one_frame_costs_what_it_costs_with_plans_of_one(self, gpu: FakeGpu, fake_engine: Engine) -> None:
        (one,) = make_batch(fake_engine, 1)
        fake_engine.run(*one)
        gpu.launches, gpu.copied = 0, dict.fromkeys(gpu.copied, 0)
        fake_engine.run(*one)
        assert gpu.launches == 2
        assert gpu.copied == {"up": FRAME, "down": DISTANCE + PROBABILITY, "within": 0}

    def test_only_new_backgrounds_are_copied(self, gpu: FakeGpu, fake_engine: Engine) -> None:
        batch = make_batch(fake_engine, BATCH)
        fake_engine.run_batch(batch)
        batch[2] = Comparison(batch[2].frame, fake_engine.embed(random_frame()))
        gpu.copied = dict.fromkeys(gpu.copied, 0)
        fake_engine.run_batch(batch)
        assert gpu.copied["within"] == FEATURES


class TestFaults:
    def test_a_frame_of_another_size_is_refused_before_the_launch(self, engine: Engine) -> None:
        batch = make_batch(engine, BATCH)
        with pytest.raises(EngineError, match=r"expected a frame of \(48, 64, 3\), got \(8, 8, 3\)"):
            engine.run_batch([*batch[:2], Comparison(np.zeros((8, 8, 3), np.uint8), batch[2].features)])
        assert_as_alone(engine, batch)

    def test_a_batch_that_fails_leaves_the_next_one_right(
        self, fake_engine: Engine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from edgefg.engines.trt import cuda

        batch, upload, calls = make_batch(fake_engine, BATCH), cuda.driver.memcpy_htod_async, iter(range(BATCH))

        def fail_at_the_third(*arguments: object) -> None:
            if next(calls) == 2:
                raise cuda.driver.Error("unspecified launch failure")
            upload(*arguments)

        with monkeypatch.context() as patched:
            patched.setattr(cuda.driver, "memcpy_htod_async", fail_at_the_third)
            with pytest.raises(EngineError, match="unspecified launch failure"):
                fake_engine.run_batch(batch)
        assert_as_alone(fake_engine, batch)

    def test_a_plan_for_fewer_frames_than_the_manifest_says_is_refused(
        self, gpu: FakeGpu, tiny_bundle: Bundle, tmp_path: Path
    ) -> None:
        onnx = pytest.importorskip("onnx")
        model = onnx.load(tiny_bundle.variants[0].stage1)
        for port in (*model.graph.input, *model.graph.output):
            port.type.tensor_type.shape.dim[0].dim_value = 1
        bundle = write_plans(tiny_bundle, tmp_path / "plans", stage1=model.SerializeToString(), max_batch=2)
        with pytest.raises(EngineError, match=r"stage1\.plan: expected a plan that takes 2 frames .*edgefg compile"):
            open_engine(bundle, "tensorrt")

    @pytest.mark.parametrize("max_batch", [0, -1, True, "four"])
    def test_a_batch_that_is_no_count_is_refused(
        self, max_batch: Any, gpu: FakeGpu, tiny_bundle: Bundle, tmp_path: Path
    ) -> None:
        bundle = write_plans(tiny_bundle, tmp_path / "plans", max_batch=max_batch)
        with pytest.raises(EngineError, match=r"requires\.max_batch: expected a whole number of at least 1"):
            open_engine(bundle, "tensorrt")


class TestMemory:
    @pytest.mark.parametrize("kib", [0, 40, 80, 160, 240])
    def test_that_is_exhausted_is_said_and_freed(
        self, kib: int, gpu: FakeGpu, tiny_bundle: Bundle, tmp_path: Path
    ) -> None:
        bundle = write_plans(tiny_bundle, tmp_path / "plans", max_batch=BATCH)
        gpu.limit = kib << 10
        with pytest.raises(
            EngineError, match=r"memory of fake GPU is exhausted.*a smaller batch .*--max-batch"
        ) as held:
            open_engine(bundle, "tensorrt", slots=4)
        assert gpu.is_empty, held  # Now, and not once the error is forgotten.

    def test_is_freed_after_many_engines(self, batch_plans: Bundle) -> None:
        for _ in range(3):
            engine = open_engine(batch_plans, batch_plans.variants[0].engines[0], slots=2)
            engine.run_batch(make_batch(engine, BATCH))
            engine.close()


class TestClosing:
    def test_frees_what_a_slot_holds_though_a_thread_still_has_the_slot(self, gpu: FakeGpu, fake_engine: Any) -> None:
        with fake_engine.bare() as (slot, *_):
            pass
        fake_engine.close()
        assert gpu.is_empty, slot

    def test_waits_for_batches_in_work(self, batch_plans: Bundle) -> None:
        engine = open_engine(batch_plans, batch_plans.variants[0].engines[0], slots=2)
        batch = make_batch(engine, BATCH + 1)
        assert errors_at_close(lambda: engine.run_batch(batch), engine.close) == [ClosedError] * 4
