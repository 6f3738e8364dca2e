"""Paced frames: which come, when they were due, and what disturbs them."""

import time
from collections.abc import Iterator

import numpy as np
import pytest

from edgefg import Pipeline
from edgefg.background.handle import Background
from edgefg.bench.latency import Pacer, TimedFrame, compare, in_pairs, spread
from edgefg.bundle.bundle import Bundle
from edgefg.errors import EngineError

from ..support.slow_engine import SlowEngine

pytest.importorskip("openvino")


@pytest.fixture
def pipeline(tiny_bundle: Bundle) -> Iterator[Pipeline]:
    with Pipeline(tiny_bundle, depth=100) as opened:
        yield opened


@pytest.fixture
def pacer(pipeline: Pipeline, frames: list[np.ndarray]) -> Pacer:
    return Pacer(pipeline, frames[0], frames, count=30, cameras=3)


class TestPacer:
    def test_hands_in_frames_of_the_cameras_by_turns(self, pacer: Pacer) -> None:
        shots = pacer.run(fps=1000)
        for name in pacer.cameras:
            mine = [shot.result for shot in shots if shot.result.camera == name]
            assert [result.sequence for result in mine] == list(range(10))
            assert not any(result.background_adopted for result in mine)

    def test_takes_as_long_as_the_rate_says(self, pacer: Pacer) -> None:
        started = time.perf_counter()
        pacer.run(fps=100)
        assert time.perf_counter() - started >= 29 / 100

    def test_leaves_out_a_camera_that_stopped_but_not_its_time(self, pacer: Pacer) -> None:
        started = time.perf_counter()
        shots = pacer.run(fps=100, frozen="camera 0")
        assert time.perf_counter() - started >= 29 / 100
        assert {shot.result.camera for shot in shots} == {"camera 1", "camera 2"}
        assert len(shots) == 20

    def test_counts_that_a_frame_was_handed_in_late(
        self, slow: SlowEngine, pipeline: Pipeline, frames: list[np.ndarray], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        slow.go.set()
        pacer = Pacer(pipeline, frames[0], frames, count=5, cameras=1)
        submit = pipeline.submit

        def busy(*arguments: object, **named: object) -> int:
            time.sleep(0.02)
            return submit(*arguments, **named)  # type: ignore[arg-type]

        monkeypatch.setattr(pipeline, "submit", busy)
        # All are due at once, and each waits for those before it.
        shots = pacer.run(fps=1e9)
        assert [shot.age_ms - shot.result.latency_ms >= 20 * number for number, shot in enumerate(shots)] == [True] * 5

    def test_sets_backgrounds_anew(self, pacer: Pacer, pipeline: Pipeline) -> None:
        shots = pacer.run_refreshing(fps=200, every_s=0.01)
        assert len(shots) == 30
        assert all(pipeline.backgrounds[name].id > 3 for name in pacer.cameras)
        assert len({shot.result.background_id for shot in shots}) > 1

    def test_says_that_a_background_could_not_be_set(self, pacer: Pacer, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail(background: Background, image: object) -> None:
            raise EngineError("no more memory")

        monkeypatch.setattr(Background, "set", fail)
        with pytest.raises(EngineError, match="no more memory"):
            pacer.run_refreshing(fps=1000, every_s=0.01)

    def test_ends_at_an_error(self, slow: SlowEngine, tiny_bundle: Bundle) -> None:
        slow.go.set()
        thirteen = np.full((48, 64, 3), 13, np.uint8)
        with Pipeline(tiny_bundle, depth=10) as pipeline:
            pacer = Pacer(pipeline, np.zeros_like(thirteen), [thirteen], count=5, cameras=1)
            with pytest.raises(EngineError, match="the thirteenth"):
                pacer.run(fps=1000)


def test_pairs_run_in_turns() -> None:
    order: list[str] = []

    def run(name: str) -> list[TimedFrame]:
        order.append(name)
        return [name]  # type: ignore[list-item]

    pair = in_pairs(lambda: run("plain"), lambda: run("disturbed"), "", lambda *_: None)
    assert order == ["plain", "disturbed"] * 3
    assert pair == (["plain"] * 3, ["disturbed"] * 3)


def test_ages_are_compared_by_their_99th_percentile() -> None:
    plain, disturbed = (
        [TimedFrame(None, float(age)) for age in ages]  # type: ignore[arg-type]
        for ages in (range(101), range(0, 303, 3))
    )
    pair = compare(10, plain, disturbed)
    assert (pair.plain.p99, pair.disturbed.p99, pair.p99_ratio) == (99, 297, 3)


def test_percentiles() -> None:
    times = spread(np.arange(101, dtype=float).tolist())
    assert (times.p50, times.p95, times.p99) == (50, 95, 99)
