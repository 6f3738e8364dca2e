"""The benchmark: that it measures all it promises, and says so."""

import io
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("openvino")

from edgefg.bench.bare_loop import BareLoop, fastest
from edgefg.bench.baseline_openvino import MODES as OPENVINO_MODES
from edgefg.bench.benchmark import Benchmark, BenchOptions, benchmark
from edgefg.bench.table import bench_table
from edgefg.bench.throughput import in_turns, peer_loops
from edgefg.bundle.bundle import Bundle
from edgefg.errors import OptionError
from edgefg.segmentation.options import InferenceOptions

from ..support.fake_gpu import install, write_plans


@pytest.fixture(scope="module")
def found(tiny_bundle: Bundle) -> Benchmark:
    return benchmark(
        BenchOptions(bundle=tiny_bundle.path, cameras=2, inference=InferenceOptions(threads=2), frames=20, soak=400)
    )


class TestFigures:
    def test_are_there_for_every_part(self, found: Benchmark) -> None:
        assert list(found.spreads) == ["decode", "prepare", "stage1", "stage2", "finish", "age"]
        for times in found.spreads.values():
            assert 0 <= times.p50 <= times.p95 <= times.p99
        assert {"mog2", "knn"} <= set(found.peers_fps)
        assert set(found.cpu_ms) == {"pipeline", "sequential", "raw"}
        assert found.memory_slope is not None
        assert found.memory_slope.frames == 400

    def test_of_the_bare_engine_are_those_of_its_fastest_mode(self, found: Benchmark) -> None:
        assert set(found.raw_modes) == set(OPENVINO_MODES)
        assert found.raw is not None
        assert found.raw["fps"] == max(mode["fps"] for mode in found.raw_modes.values())
        assert found.raw["requests"] in (1, 2, 3, 4)

    def test_that_are_ratios_are_those_of_the_rates(self, found: Benchmark) -> None:
        assert found.raw is not None
        assert found.pipeline_to_raw == pytest.approx(found.pipeline_fps / found.raw["fps"])
        assert found.pipeline_to_sequential == pytest.approx(found.pipeline_fps / found.sequential_fps)
        assert 0 < found.cached_to_uncached < 1

    def test_of_frames_that_were_paced_say_how_many_and_how_fast(self, found: Benchmark) -> None:
        assert (found.refresh.plain_frames, found.refresh.disturbed_frames) == (60, 60)
        assert found.refresh.fps == pytest.approx(found.pipeline_fps / 2)
        # Of the camera that goes on.
        assert found.frozen is not None
        assert (found.frozen.plain_frames, found.frozen.disturbed_frames) == (30, 30)
        assert found.frozen.fps == pytest.approx(found.pipeline_fps * 0.6)
        for pair in (found.refresh, found.frozen):
            assert pair.p99_ratio == pytest.approx(pair.disturbed.p99 / pair.plain.p99)

    def test_of_an_engine_without_a_bare_loop_leave_it_out(self, tiny_bundle: Bundle) -> None:
        pytest.importorskip("onnxruntime")
        found = benchmark(
            BenchOptions(bundle=tiny_bundle.path, inference=InferenceOptions(engine="onnxruntime"), frames=5)
        )
        assert (found.raw, found.pipeline_to_raw, found.frozen) == (None, None, None)
        assert set(found.cpu_ms) == {"pipeline", "sequential"}
        assert "onnxruntime" in text_of(found)

    @pytest.mark.parametrize("graphs", [True, False])
    def test_of_a_gpu_are_with_and_without_graphs(
        self, graphs: bool, tiny_bundle: Bundle, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        pytest.importorskip("onnxruntime")
        gpu = install(monkeypatch, graphs=graphs)
        plans = write_plans(tiny_bundle, tmp_path / "plans")
        found = benchmark(BenchOptions(bundle=plans.path, inference=InferenceOptions(engine="tensorrt"), frames=6))
        assert list(found.raw_modes) == (["CUDA graphs"] if graphs else []) + ["call by call"]
        assert found.pipeline_to_raw is not None
        assert found.pcie_bytes == {"to_gpu": 48 * 64 * 3, "from_gpu": 12 * 16 * 4 + 48 * 64}
        assert "fake GPU" in text_of(found)
        assert not gpu.memory


class TestTurns:
    def test_go_round_and_give_the_median(self) -> None:
        calls: list[tuple[str, int]] = []
        rates = {"a": iter([100.0, 5, 1, 4, 2, 3]), "b": iter([10.0, 1, 1, 1, 1, 1])}

        def loop(name: str, count: int) -> float:
            calls.append((name, count))
            return next(rates[name])

        paces = in_turns({name: lambda count, name=name: loop(name, count) for name in "ab"}, 50, lambda *_: None)
        assert paces["a"].fps == 3
        # A loop at a tenth of the rate gets a tenth of the frames.
        assert calls == [("a", 20), ("b", 20), *[("a", 50), ("b", 5)] * 5]

    def test_are_for_the_fastest_of_each_mode(self) -> None:
        loops = [
            BareLoop(mode, requests, lambda count, rate=rate: rate)
            for mode, requests, rate in (("x", 1, 3.0), ("x", 2, 5.0), ("y", 1, 4.0), ("y", 2, 1.0))
        ]
        assert [(loop.mode, loop.requests) for loop in fastest(loops, 10)] == [("x", 2), ("y", 1)]


class TestPeers:
    def test_are_those_that_are_installed(self, monkeypatch: pytest.MonkeyPatch, frames: list[np.ndarray]) -> None:
        monkeypatch.setitem(sys.modules, "pybgs", None)
        monkeypatch.setattr(cv2, "bgsegm", None, raising=False)
        with peer_loops(frames) as loops:
            assert list(loops) == ["mog2", "knn"]
            assert all(loop(3) > 0 for loop in loops.values())

    def test_subsense_is_one_of_them(self, frames: list[np.ndarray], capfd: pytest.CaptureFixture[str]) -> None:
        pytest.importorskip("pybgs")
        with peer_loops([np.kron(frame, np.ones((4, 4, 1), np.uint8)) for frame in frames]) as loops:
            assert loops["subsense"](3) > 0
        assert capfd.readouterr().out == ""


@pytest.mark.parametrize(
    "change", [{"frames": 0}, {"cameras": -1}, {"frames": 2, "cameras": 3}, {"soak": 399}, {"soak": -1}], ids=str
)
def test_options_that_make_no_sense(change: dict[str, int], tiny_bundle: Bundle) -> None:
    with pytest.raises(OptionError):
        benchmark(BenchOptions(bundle=tiny_bundle.path, **change))  # type: ignore[arg-type]


def text_of(found: Benchmark) -> str:
    from rich.console import Console

    console = Console(width=80, file=io.StringIO())
    console.print(bench_table(found))
    return console.file.getvalue()  # type: ignore[attr-defined,no-any-return]
