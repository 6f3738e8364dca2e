"""Compiling with TensorRT. TensorRT for RTX compiles without a GPU, so most of this is real."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from edgefg.build.tensorrt import builder as compiling
from edgefg.build.tensorrt.builder import CompileOptions, Compiler, open_compiler
from edgefg.build.tensorrt.progress import BuildMonitor
from edgefg.build.tensorrt.timing_cache import attach_timing_cache, save_timing_cache
from edgefg.engines.trt.log import TensorRtLog
from edgefg.utils.resources import SHIPPED

from ..support.tiny_networks import SMALL, Shape, network, node, refusal
from ..support.tiny_networks import compiler as compiler
from ..support.tiny_networks import tensorrt as tensorrt


class TestCompiling:
    def test_a_plan_says_what_it_is(self, compiler: Compiler) -> None:
        plan = compiler.compile(SMALL, name="stage1", options=CompileOptions(max_batch=4, workspace_bytes=1 << 20))
        record = dict(plan.record)
        assert record.pop("build_seconds") > 0
        assert record.pop("platform").startswith(sys.platform)
        assert record == {
            "target": "tensorrt-rtx",
            "version": compiler.version,
            "compute_capabilities": [],
            "strongly_typed": True,
            "max_batch": 4,
            "workspace_bytes": 1 << 20,
            "optimization_level": 3,
            "timing_cache": False,
            "graph_capture": True,
            "bytes": len(plan.data),
        }

    @pytest.mark.parametrize("stage", ["stage1", "stage2"])
    def test_the_shipped_networks(self, stage: str, compiler: Compiler, capfd: pytest.CaptureFixture[str]) -> None:
        model = shipped(stage)
        plan = compiler.compile(model, name=stage, options=CompileOptions())
        assert len(plan.data) > len(model)
        assert plan.warnings == ()
        assert capfd.readouterr() == ("", "")

    def test_for_chosen_gpus(self, compiler: Compiler) -> None:
        options = CompileOptions(compute_capabilities=("8.6", "12.0"), optimization_level=1)
        plan = compiler.compile(SMALL, name="stage1", options=options)
        assert plan.record["compute_capabilities"] == ["8.6", "12.0"]
        assert plan.record["optimization_level"] == 1

    def test_for_this_gpu(self, tensorrt: ModuleType) -> None:
        plan = open_compiler("tensorrt").compile(SMALL, name="stage1", options=CompileOptions())
        assert plan.record["compute_capabilities"] == ["8.7"]
        assert (plan.record["target"], plan.record["version"]) == ("tensorrt", "10.3.0")

    def test_rtx_leaves_a_timing_cache_alone(self, compiler: Compiler, tmp_path: Path) -> None:
        plan = compiler.compile(SMALL, name="stage1", options=CompileOptions(timing_cache=tmp_path / "cache"))
        assert plan.record["timing_cache"] is False
        assert not list(tmp_path.iterdir())

    def test_a_fixed_batch(self, compiler: Compiler) -> None:
        model = network(node("Relu", "x"), inputs={"x": (4, 3)})
        compiler.compile(model, name="stage1", options=CompileOptions(max_batch=4))
        assert "or fixed at 2, found (4, 3)" in refusal(compiler, model, max_batch=2)

    @pytest.mark.parametrize(("max_batch", "sides"), [(1, (1, 3)), (4, (-1, 3))])
    def test_one_frame_at_a_time_has_fixed_shapes(
        self, max_batch: int, sides: tuple[int, ...], compiler: Compiler, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        seen: list[tuple[tuple[int, ...], int]] = []
        configure = Compiler._configuration

        def watch(self: Compiler, network: Any, *others: Any) -> Any:
            config = configure(self, network, *others)
            seen.extend(
                (tuple(port.shape), config.max_aux_streams) for port in (network.get_input(0), network.get_output(0))
            )
            return config

        monkeypatch.setattr(Compiler, "_configuration", watch)
        compiler.compile(
            network(node("Relu", "x"), inputs={"x": ("N", 3)}),
            name="stage1",
            options=CompileOptions(max_batch=max_batch),
        )
        assert seen == [(sides, 0)] * 2

    @pytest.mark.parametrize("shape", [("N", 3, "H"), (), ("N", "C")])
    def test_only_the_batch_may_vary(self, shape: Shape, compiler: Compiler) -> None:
        assert "only the batch of x" in refusal(compiler, network(node("Relu", "x"), inputs={"x": shape}))

    def test_a_refused_network_leaves_no_trace(self, compiler: Compiler) -> None:
        refusal(compiler, network(node("Det", "x"), inputs={"x": ("N", 3, 3)}))
        assert compiler.compile(SMALL, name="stage2", options=CompileOptions()).warnings == ()
        assert "Det" not in refusal(compiler, b"none")

    def test_warnings_are_passed_on(self, compiler: Compiler) -> None:
        # A batch of 1 is written into the graph.
        model = network(node("Reshape", "x", "shape"), constants={"shape": np.array([1, 3])})
        plan = compiler.compile(model, name="stage1", options=CompileOptions(max_batch=2))
        assert any("not self-consistent" in warning for warning in plan.warnings)

    def test_needs_neither_torch_nor_onnx(self, compiler: Compiler, tmp_path: Path) -> None:
        (tmp_path / "small.onnx").write_bytes(SMALL)
        code = (
            "import sys\n"
            "for name in ('torch', 'onnx', 'onnxruntime', 'onnxscript', 'safetensors', 'cv2'):\n"
            "    sys.modules[name] = None\n"
            "from edgefg.build.tensorrt.builder import CompileOptions, open_compiler\n"
            "assert 'tensorrt_rtx' not in sys.modules\n"
            "compiler = open_compiler('tensorrt-rtx')\n"
            "model = open('small.onnx', 'rb').read()\n"
            "print(compiler.compile(model, name='small', options=CompileOptions()).record['bytes'])\n"
        )
        ended = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=60)
        assert (ended.returncode, ended.stderr) == (0, "")
        assert int(ended.stdout) > 1000


def shipped(stage: str) -> bytes:
    """A stage of the bundle that comes with edgefg."""
    return (SHIPPED / f"{stage}.fp32.onnx").read_bytes()


class TestProgress:
    def test_phases_go_from_none_to_all_of_their_steps(self, compiler: Compiler) -> None:
        told: list[tuple[str, int, int]] = []
        compiler.compile(SMALL, name="x", options=CompileOptions(), progress=lambda *step: told.append(step))
        assert all(0 <= done <= steps for _, done, steps in told)
        begun = {phase for phase, done, _ in told if done == 0}
        assert begun == {phase for phase, _, _ in told}
        assert len(begun) > 3

    @pytest.mark.parametrize("kind", [ZeroDivisionError, RuntimeError, KeyboardInterrupt])
    def test_what_it_raises_ends_the_build(
        self, kind: type[BaseException], compiler: Compiler, capfd: pytest.CaptureFixture[str]
    ) -> None:
        told: list[str] = []

        def fail(phase: str, done: int, steps: int | None) -> None:
            told.append(phase)
            if len(told) == 5:
                raise kind("enough")

        with pytest.raises(kind, match="enough"):
            compiler.compile(SMALL, name="x", options=CompileOptions(), progress=fail)
        assert len(told) == 5
        assert capfd.readouterr() == ("", "")

    def test_a_stopped_watch_tells_nothing(self) -> None:
        told: list[tuple[str, int, int]] = []
        watch = BuildMonitor(lambda *step: told.append(step))
        watch.begin("timing", 2)
        assert watch.advance("timing", 1)
        watch.stop()
        assert not watch.advance("timing", 2)
        assert told == [("timing", 0, 2), ("timing", 1, 2)]

    @pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT to send")
    def test_ctrl_c_ends_a_build(self, compiler: Compiler, tmp_path: Path) -> None:
        """Each step takes 0.1 s here, so that the signal comes while TensorRT builds; the whole would take 7 s."""
        (tmp_path / "small.onnx").write_bytes(SMALL)
        code = (
            "import signal, sys, time\n"
            "from edgefg.build.tensorrt.builder import CompileOptions, open_compiler\n"
            # A shell that runs the tests in the background makes its children ignore SIGINT.
            "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
            "compiler = open_compiler('tensorrt-rtx')\n"
            "model = open('small.onnx', 'rb').read()\n"
            "def slowly(phase, done, steps):\n"
            "    print('building', flush=True)\n"
            "    time.sleep(0.1)\n"
            "try:\n"
            "    compiler.compile(model, name='small', options=CompileOptions(), progress=slowly)\n"
            "except KeyboardInterrupt:\n"
            "    sys.exit(130)\n"
        )
        child = subprocess.Popen(
            [sys.executable, "-c", code], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        try:
            assert child.stdout is not None
            assert child.stdout.readline() == "building\n"
            sent = time.monotonic()
            os.kill(child.pid, signal.SIGINT)
            rest, errors = child.communicate(timeout=30)
        finally:
            child.kill()
            child.wait()
        assert (child.returncode, errors) == (130, "")
        assert rest.count("building") < 30
        assert time.monotonic() - sent < 10


@pytest.mark.filterwarnings("ignore:.*Timing cache operations are no-ops:DeprecationWarning")
class TestTimingCache:
    def compile(self, path: Path) -> compiling.Plan:
        return open_compiler("tensorrt").compile(SMALL, name="stage1", options=CompileOptions(timing_cache=path))

    def test_is_written_and_read_again(self, tensorrt: ModuleType, tmp_path: Path) -> None:
        path = tmp_path / "new" / "cache"
        plan = self.compile(path)
        assert plan.record["timing_cache"] is True
        assert plan.warnings == ()
        assert path.stat().st_size > 0
        assert [entry.name for entry in path.parent.iterdir()] == ["cache"]

    def test_that_is_damaged_is_made_anew(self, tensorrt: ModuleType, tmp_path: Path) -> None:
        path = tmp_path / "cache"
        path.write_bytes(b"garbage" * 10)
        plan = self.compile(path)
        assert f"the timing cache {path} is made again: damaged" in plan.warnings[0]
        assert path.read_bytes() != b"garbage" * 10

    def test_that_cannot_be_read_or_written_is_said(self, tensorrt: ModuleType, tmp_path: Path) -> None:
        read, written = self.compile(tmp_path).warnings
        assert f"{tmp_path} is made again: Is a directory" in read
        assert f"{tmp_path} is not written" in written
        assert not list(tmp_path.iterdir())

    def test_of_another_gpu_is_made_anew(self, tmp_path: Path) -> None:
        class FakeConfig:
            """A builder's configuration that takes no cache but an empty one."""

            cache: bytes | None = None

            def create_timing_cache(self, stored: bytes) -> bytes:
                return stored

            def set_timing_cache(self, cache: bytes, ignore_mismatch: bool) -> bool:
                assert not ignore_mismatch
                if not cache:
                    self.cache = cache
                return not cache

            def get_timing_cache(self) -> None:
                return None

        config: Any = FakeConfig()
        path = tmp_path / "cache"
        path.write_bytes(b"of another GPU")
        assert "is made again" in attach_timing_cache(config, path, TensorRtLog())[0]
        assert config.cache == b""
        assert "TensorRT made none" in save_timing_cache(config, path)[0]
        assert path.read_bytes() == b"of another GPU"
