"""Compiling with TensorRT. TensorRT for RTX compiles without a GPU, so most of this is real."""

import ctypes
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
from edgefg.build import tensorrt as compiling
from edgefg.build import tensorrt_gpu
from edgefg.build.tensorrt import CompileOptions, Compiler, open_compiler
from edgefg.build.tensorrt_cache import attach_timing_cache, save_timing_cache
from edgefg.build.tensorrt_progress import Watch

from edgefg.bundle import SHIPPED
from edgefg.errors import CompileError, EngineUnavailableError, OptionError
from edgefg.tensorrt_log import TensorRtLog, readable

onnx = pytest.importorskip("onnx")
helper, kinds = onnx.helper, onnx.TensorProto

Shape = tuple[int | str, ...]


def network(
    *nodes: Any,
    inputs: dict[str, Shape] | None = None,
    kind: int = kinds.FLOAT,
    constants: dict[str, Any] | None = None,
    domain: str = "",
) -> bytes:
    """A network from `inputs` to the outputs of its last node, whose shapes are left open."""
    described = [helper.make_tensor_value_info(n, kind, shape) for n, shape in (inputs or {"x": ("N", 3)}).items()]
    results = [helper.make_tensor_value_info(name, kind, None) for name in nodes[-1].output]
    tensors = [onnx.numpy_helper.from_array(np.asarray(value), name) for name, value in (constants or {}).items()]
    graph = helper.make_graph(list(nodes), "tiny", described, results, tensors)
    opsets = [helper.make_opsetid("", 17), *([helper.make_opsetid(domain, 1)] if domain else [])]
    return bytes(helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString())


def node(operator: str, *inputs: str, output: str = "y", **attributes: Any) -> Any:
    return helper.make_node(operator, list(inputs), [output], name=f"the {operator}", **attributes)


SMALL = network(node("Relu", "x"))


@pytest.fixture(scope="module")
def compiler() -> Compiler:
    pytest.importorskip("tensorrt_rtx")
    return open_compiler("tensorrt-rtx")


@pytest.fixture
def tensorrt(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A stand-in for the package `tensorrt`, which needs a GPU: RTX's, which has the same API, under its name."""
    rtx = pytest.importorskip("tensorrt_rtx")
    module = ModuleType("tensorrt")
    vars(module).update({**vars(rtx), "__version__": "10.3.0"})
    monkeypatch.setitem(sys.modules, "tensorrt", module)
    monkeypatch.setattr(compiling, "compute_capability", lambda: "8.7")
    return module


def refusal(compiler: Compiler, model: bytes, **options: Any) -> str:
    with pytest.raises(CompileError) as refused:
        compiler.compile(model, name="stage1", options=CompileOptions(**options))
    message = str(refused.value)
    assert message.startswith("stage1: ")
    assert "\n" not in message
    assert "/_src/" not in message
    return message


class TestOptions:
    @pytest.mark.parametrize(
        ("options", "expected"),
        [
            ({"max_batch": 0}, "at least 1, got 0"),
            ({"workspace_bytes": 0}, "at least 1 byte, got 0"),
            ({"optimization_level": -1}, "from 0 to 5, got -1"),
            ({"optimization_level": 6}, "from 0 to 5, got 6"),
            ({"compute_capabilities": ("86",)}, "such as \"8.6\", got '86'"),
            ({"compute_capabilities": ("1.20",)}, "got '1.20'"),
            ({"compute_capabilities": ("8.6", "8.6")}, "each compute capability once"),
        ],
    )
    def test_out_of_range(self, options: dict[str, Any], expected: str) -> None:
        with pytest.raises(OptionError) as refused:
            CompileOptions(**options)
        assert expected in str(refused.value)

    def test_a_gpu_that_rtx_does_not_know(self, compiler: Compiler) -> None:
        with pytest.raises(OptionError, match=r"compiles for 7\.5, 8\.0, 8\.6, .*12\.0.*, got 5\.3"):
            compiler.compile(SMALL, name="stage1", options=CompileOptions(compute_capabilities=("8.6", "5.3")))

    def test_only_rtx_compiles_for_other_gpus(self, tensorrt: ModuleType) -> None:
        with pytest.raises(OptionError, match=r"this machine's GPU \(8\.7\) only, got 8\.6; .*--target tensorrt-rtx"):
            open_compiler("tensorrt").compile(SMALL, name="x", options=CompileOptions(compute_capabilities=("8.6",)))


class TestOpening:
    def unavailable(self, target: str) -> str:
        with pytest.raises(EngineUnavailableError) as missing:
            open_compiler(target)
        return str(missing.value)

    def test_another_target(self) -> None:
        with pytest.raises(OptionError, match="tensorrt, tensorrt-rtx"):
            open_compiler("openvino")

    @pytest.mark.parametrize(
        ("target", "module", "remedy"),
        [("tensorrt", "tensorrt", "JetPack"), ("tensorrt-rtx", "tensorrt_rtx", "pip install tensorrt-rtx-cu13")],
    )
    def test_missing(self, target: str, module: str, remedy: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, module, None)
        assert remedy in self.unavailable(target)

    def test_stale_stubs_are_no_tensorrt(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "tensorrt", ModuleType("tensorrt"))
        assert "found an empty package" in self.unavailable("tensorrt")

    def test_too_old(self, monkeypatch: pytest.MonkeyPatch) -> None:
        fake = ModuleType("tensorrt")
        vars(fake).update({"__version__": "8.6.2", "Builder": object})
        monkeypatch.setitem(sys.modules, "tensorrt", fake)
        message = self.unavailable("tensorrt")
        assert "TensorRT 10 or later, found 8.6.2" in message
        assert "JetPack 6.1" in message

    def test_a_newer_version_is_tried(self, tensorrt: ModuleType) -> None:
        vars(tensorrt)["__version__"] = "12.0.1"
        assert open_compiler("tensorrt").version == "12.0.1"

    def test_a_builder_that_does_not_start(self, tensorrt: ModuleType) -> None:
        def builder(logger: Any) -> None:
            logger.log(tensorrt.ILogger.Severity.ERROR, "CUDA initialization failure with error: 35")
            raise TypeError("pybind11::init(): factory function returned nullptr")

        vars(tensorrt)["Builder"] = builder
        message = self.unavailable("tensorrt")
        assert "GPU and its driver" in message
        assert "failure with error: 35" in message


class FakeDriver:
    """libcuda with one GPU, or with what `error` stands for."""

    def __init__(self, error: int = 0) -> None:
        self.error = error

    def cuInit(self, flags: int) -> int:
        return self.error

    def cuDeviceGet(self, device: Any, ordinal: int) -> int:
        return 0

    def cuDeviceGetAttribute(self, value: Any, attribute: int, device: Any) -> int:
        value._obj.value = {75: 8, 76: 7}[attribute]
        return 0


class TestGpu:
    def test_its_compute_capability(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(ctypes, "CDLL", lambda name: FakeDriver())
        assert tensorrt_gpu.compute_capability() == "8.7"

    def test_none(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(ctypes, "CDLL", lambda name: FakeDriver(error=100))
        with pytest.raises(EngineUnavailableError, match=r"\(CUDA error 100\); .*--target onnx"):
            tensorrt_gpu.compute_capability()

    def test_no_driver(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def missing(name: str) -> None:
            raise OSError(f"{name}: cannot open shared object file")

        monkeypatch.setattr(ctypes, "CDLL", missing)
        with pytest.raises(
            EngineUnavailableError, match=r"an NVIDIA GPU and its driver .*edgefg compile on the device"
        ):
            tensorrt_gpu.compute_capability()


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
            "from edgefg.build.tensorrt import CompileOptions, open_compiler\n"
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


class TestRefusals:
    def test_an_unsupported_operator(self, compiler: Compiler) -> None:
        nodes = node("Relu", "x", output="r"), node("Det", "r")
        message = refusal(compiler, network(*nodes, inputs={"x": ("N", 3, 3)}))
        assert "node 1 'the Det' (Det): unsupported node; " in message
        assert message.endswith("what edgefg build exports compiles")

    def test_several(self, compiler: Compiler) -> None:
        nodes = node("Det", "x", output="d"), node("Det", "x")
        assert "(Det) (and 1 more): " in refusal(compiler, network(*nodes, inputs={"x": ("N", 3, 3)}))

    def test_an_operator_of_another_domain(self, compiler: Compiler) -> None:
        model = network(node("Frobnicate", "x", domain="ai.example"), domain="ai.example")
        assert "node 0 'the Frobnicate' (Frobnicate): invalid node: " in refusal(compiler, model)

    def test_types_that_do_not_fit(self, compiler: Compiler) -> None:
        model = network(node("Add", "x", "half"), constants={"half": np.zeros(3, np.float16)})
        message = refusal(compiler, model)
        assert "'the Add' (Add): invalid node: " in message
        assert "Float and Half" in message
        assert "cudaError" not in message

    def test_bytes_cannot_be_transposed(self, compiler: Compiler) -> None:
        model = network(node("Transpose", "x", perm=[1, 0]), kind=kinds.UINT8)
        assert "first input has type UInt8" in refusal(compiler, model)

    @pytest.mark.parametrize("length", [1, 20, -1])
    def test_a_file_cut_short(self, length: int, compiler: Compiler) -> None:
        assert "expected an ONNX file, found " in refusal(compiler, SMALL[:length])

    @pytest.mark.parametrize("content", [b"", b"hello", bytes(1000), b"\x89PNG\r\n\x1a\n" * 20])
    def test_no_onnx(self, content: bytes, compiler: Compiler) -> None:
        assert "expected an ONNX file, found " in refusal(compiler, content)

    def test_a_failed_build_says_why(self, tensorrt: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
        opened = open_compiler("tensorrt")

        class FakeBuilder:
            """The real one, but for the build itself."""

            def __getattr__(self, name: str) -> Any:
                return getattr(real, name)

            def build_serialized_network(self, network: Any, config: Any) -> None:
                severity = tensorrt.ILogger.Severity
                for text in ("first", "second", "second", "third", "Could not find any implementation In f at /_src/a"):
                    opened._logger.log(severity.ERROR, text)

        real = opened._builder
        monkeypatch.setattr(opened, "_builder", FakeBuilder())
        message = refusal(opened, SMALL)
        assert message.endswith("TensorRT 10.3.0 cannot build it: second; third; Could not find any implementation")

    def test_errors_of_the_binding(self, compiler: Compiler) -> None:
        assert "failed: parse(): incompatible function arguments" in refusal(compiler, None)  # type: ignore[arg-type]

    @pytest.mark.parametrize(
        ("text", "line"),
        [
            ("a\n  b", "a b"),
            (
                "[cudaResources.cpp::ScopedCudaStream::25] Error Code 1 (In check at /_src/x.cpp:250 (35))",
                "Error Code 1 ( (35))",
            ),
            ("Transpose: wrong. In checkType at /_src/optimizer/nodeBase.cpp:456)", "Transpose: wrong.)"),
        ],
    )
    def test_one_line(self, text: str, line: str) -> None:
        assert readable(text) == line


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
        watch = Watch(lambda *step: told.append(step))
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
            "from edgefg.build.tensorrt import CompileOptions, open_compiler\n"
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
        assert f"the timing cache {path} is made anew: damaged" in plan.warnings[0]
        assert path.read_bytes() != b"garbage" * 10

    def test_that_cannot_be_read_or_written_is_said(self, tensorrt: ModuleType, tmp_path: Path) -> None:
        read, written = self.compile(tmp_path).warnings
        assert f"{tmp_path} is made anew: Is a directory" in read
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
        assert "is made anew" in attach_timing_cache(config, path, TensorRtLog())[0]
        assert config.cache == b""
        assert "TensorRT made none" in save_timing_cache(config, path)[0]
        assert path.read_bytes() == b"of another GPU"
