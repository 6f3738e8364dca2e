"""Before TensorRT compiles: options out of range, and a TensorRT or GPU that is not there."""

import ctypes
import sys
from types import ModuleType
from typing import Any

import pytest

from edgefg.build.tensorrt import gpu as tensorrt_gpu
from edgefg.build.tensorrt.builder import CompileOptions, Compiler, open_compiler
from edgefg.errors import MissingDependencyError, OptionError

from ..support.tiny_networks import SMALL
from ..support.tiny_networks import compiler as compiler
from ..support.tiny_networks import tensorrt as tensorrt


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
        with pytest.raises(OptionError, match=r"this machine's GPU \(8\.7\) only, got 8\.6; .*target='tensorrt-rtx'"):
            open_compiler("tensorrt").compile(SMALL, name="x", options=CompileOptions(compute_capabilities=("8.6",)))


class TestOpening:
    def unavailable(self, target: str) -> str:
        with pytest.raises(MissingDependencyError) as missing:
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
        with pytest.raises(MissingDependencyError, match=r"\(CUDA error 100\); .*target='onnx'"):
            tensorrt_gpu.compute_capability()

    def test_no_driver(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def missing(name: str) -> None:
            raise OSError(f"{name}: cannot open shared object file")

        monkeypatch.setattr(ctypes, "CDLL", missing)
        with pytest.raises(
            MissingDependencyError, match=r"an NVIDIA GPU and its driver .*edgefg compile on the device"
        ):
            tensorrt_gpu.compute_capability()
