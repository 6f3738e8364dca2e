"""A GPU where there is none: pycuda, cuda-bindings and TensorRT in host memory, as far as edgefg calls them.

Work in a stream is done only once somebody waits for it, memory starts out as rubbish, and every call wants its context
current: what edgefg forgets on this GPU shows. Tests marked ``gpu`` do the same on a real one.
"""

import ctypes
import itertools
import sys
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from edgefg.bundle import Bundle, write_bundle
from edgefg.machine import platform_tag

OURS = (
    "bench.raw_gpu",
    "cuda",
    "engines.tensorrt",
    "engines.tensorrt_rtx",
    "engines.tensorrt_engine",
    "engines.tensorrt_plan",
    "engines.tensorrt_slots",
)


class CudaError(Exception):
    pass


class CudaMemoryError(CudaError):
    pass


class FakeGpu:
    """The device, and all that was acquired on it."""

    name = "fake GPU"
    compute_capability = (8, 7)

    def __init__(self) -> None:
        self.memory: dict[int, np.ndarray] = {}
        self.pinned: dict[int, np.ndarray] = {}
        self.streams: weakref.WeakValueDictionary[int, Stream] = weakref.WeakValueDictionary()
        self.alive: weakref.WeakSet[Any] = weakref.WeakSet()
        self.graphs: dict[int, list[Callable[[], None]]] = {}
        self.limit = 64 << 20
        self.current = threading.local()
        self.copied = {"up": 0, "down": 0, "within": 0}
        self.launches = 0

    @property
    def used(self) -> int:
        return sum(block.nbytes for block in self.memory.values())

    @property
    def is_empty(self) -> bool:
        return not self.memory and not self.pinned and not self.graphs and not self.alive

    @property
    def depth(self) -> int:
        return getattr(self.current, "depth", 0)

    def check_current(self) -> None:
        if not self.depth:
            raise CudaError("invalid device context")

    def at(self, address: int, nbytes: int) -> np.ndarray:
        for start, block in self.memory.items():
            if start <= address and address + nbytes <= start + block.nbytes:
                return block[address - start : address - start + nbytes]
        raise CudaError("an illegal memory access was encountered")

    def refuse_while_capturing(self, *, in_default_stream: bool) -> None:
        """What waits for all streams fails while one is captured; what goes into the default stream, if it blocks."""
        for stream in list(self.streams.values()):
            if stream.capturing is not None and (stream.blocking or not in_default_stream):
                stream.capture_spoilt = True
                raise CudaError("operation would make the legacy stream depend on a capturing blocking stream")

    def allocate(self, nbytes: int) -> Any:
        self.check_current()
        if self.used + nbytes > self.limit:
            raise CudaMemoryError("out of memory")
        block = np.full(nbytes, 0xA5, np.uint8)
        address = block.ctypes.data
        self.memory[address] = block
        return Allocation(self, address)


class Allocation:
    def __init__(self, gpu: FakeGpu, address: int) -> None:
        self._gpu, self._address = gpu, address

    def __int__(self) -> int:
        return self._address

    def free(self) -> None:
        self._gpu.check_current()
        self._gpu.memory.pop(self._address)[:] = 0x5A


class PinnedArray(np.ndarray):
    gpu: FakeGpu

    @property
    def base(self) -> Any:  # type: ignore[override]
        return SimpleNamespace(free=lambda: (self.gpu.check_current(), self.gpu.pinned.pop(self.ctypes.data)))


class Stream:
    _handles = itertools.count(100)

    def __init__(self, gpu: FakeGpu, flags: int = 0) -> None:
        gpu.check_current()
        self.gpu = gpu
        self.handle = next(self._handles)
        self.blocking = not flags
        self.capturing: list[Callable[[], None]] | None = None
        self.capture_spoilt = False
        self._todo: deque[Callable[[], None]] = deque()
        self._turn = threading.RLock()
        gpu.streams[self.handle] = self
        gpu.alive.add(self)

    def add(self, work: Callable[[], None]) -> None:
        self.gpu.check_current()
        if self.capturing is not None:
            self.capturing.append(work)
        else:
            self._todo.append(work)

    def run(self, until: Callable[[], bool] = lambda: False) -> None:
        self.gpu.check_current()
        with self._turn:
            while self._todo and not until():
                self._todo.popleft()()

    def synchronize(self) -> None:
        if self.capturing is not None:
            self.capture_spoilt = True
            raise CudaError("operation not permitted when stream is capturing")
        self.run()


class Event:
    def __init__(self, gpu: FakeGpu) -> None:
        gpu.check_current()
        gpu.alive.add(self)
        self._stream: Stream | None = None
        self._at = 0.0
        self._pending = 0

    def record(self, stream: Stream) -> None:
        self._stream = stream
        self._pending += 1
        stream.add(self._pass)

    def _pass(self) -> None:
        self._pending -= 1
        self._at = time.perf_counter()

    def synchronize(self) -> None:
        assert self._stream is not None
        self._stream.run(until=lambda: not self._pending)

    def time_since(self, other: "Event") -> float:
        if self._pending or other._pending:
            raise CudaError("device not ready")
        return (self._at - other._at) * 1e3


def make_pycuda(gpu: FakeGpu) -> ModuleType:
    driver = ModuleType("pycuda.driver")

    def push() -> None:
        gpu.current.depth = gpu.depth + 1

    def pop() -> None:
        gpu.check_current()
        gpu.current.depth -= 1

    def device(ordinal: int) -> Any:
        if ordinal:
            raise CudaError("invalid device ordinal")
        return SimpleNamespace(
            name=lambda: gpu.name,
            get_attribute=lambda part: gpu.compute_capability[part],
            retain_primary_context=lambda: SimpleNamespace(push=push, detach=pop),
        )

    def synchronize() -> None:
        gpu.refuse_while_capturing(in_default_stream=False)
        for stream in list(gpu.streams.values()):
            stream.run()

    def pagelocked_zeros(shape: tuple[int, ...], dtype: Any) -> np.ndarray:
        gpu.check_current()
        array = np.zeros(shape, dtype).view(PinnedArray)
        array.gpu = gpu
        gpu.pinned[array.ctypes.data] = array
        return array

    def upload(address: int, array: np.ndarray, stream: Stream) -> None:
        def work() -> None:
            gpu.copied["up"] += array.nbytes
            gpu.at(address, array.nbytes)[:] = bytes_of(array)

        stream.add(work)

    def download(array: np.ndarray, address: int, stream: Stream) -> None:
        def work() -> None:
            gpu.copied["down"] += array.nbytes
            bytes_of(array)[:] = gpu.at(address, array.nbytes)

        stream.add(work)

    def within(target: int, source: int, nbytes: int, stream: Stream) -> None:
        def work() -> None:
            gpu.copied["within"] += nbytes
            gpu.at(target, nbytes)[:] = gpu.at(source, nbytes)

        stream.add(work)

    def read(array: np.ndarray, address: int) -> None:
        gpu.check_current()
        gpu.refuse_while_capturing(in_default_stream=True)
        bytes_of(array)[:] = gpu.at(address, array.nbytes)

    def fill(address: int, value: int, nbytes: int, stream: Stream) -> None:
        def work() -> None:
            gpu.at(address, nbytes)[:] = value

        stream.add(work)

    for name, value in {
        "Error": CudaError,
        "MemoryError": CudaMemoryError,
        "init": lambda: None,
        "Device": device,
        "Context": SimpleNamespace(pop=pop, synchronize=synchronize),
        "Stream": lambda flags=0: Stream(gpu, flags),
        "Event": lambda flags: Event(gpu),
        "device_attribute": SimpleNamespace(COMPUTE_CAPABILITY_MAJOR=0, COMPUTE_CAPABILITY_MINOR=1),
        "event_flags": SimpleNamespace(BLOCKING_SYNC=1),
        "mem_alloc": gpu.allocate,
        "mem_get_info": lambda: (gpu.limit - gpu.used, gpu.limit),
        "pagelocked_zeros": pagelocked_zeros,
        "memcpy_htod_async": upload,
        "memcpy_dtoh_async": download,
        "memcpy_dtod_async": within,
        "memcpy_dtoh": read,
        "memset_d8_async": fill,
    }.items():
        setattr(driver, name, value)
    return driver


def make_bindings(gpu: FakeGpu) -> ModuleType:
    """Graphs: what is added to a stream between begin and end of a capture."""
    driver = ModuleType("cuda.bindings.driver")
    result = Enum("CUresult", ["CUDA_SUCCESS", "CUDA_ERROR_STREAM_CAPTURE_INVALIDATED"])
    numbers = itertools.count(1)

    def begin(handle: int, mode: object) -> tuple[Any]:
        gpu.streams[handle].capturing = []
        return (result.CUDA_SUCCESS,)

    def end(handle: int) -> tuple[Any, Any]:
        stream = gpu.streams[handle]
        captured, stream.capturing = stream.capturing, None
        if stream.capture_spoilt:
            return result.CUDA_ERROR_STREAM_CAPTURE_INVALIDATED, None
        return result.CUDA_SUCCESS, captured

    def instantiate(graph: list[Callable[[], None]], flags: int) -> tuple[Any, int]:
        number = next(numbers)
        gpu.graphs[number] = graph
        return result.CUDA_SUCCESS, number

    def launch(number: int, handle: int) -> tuple[Any]:
        gpu.launches += 1
        for work in gpu.graphs[number]:
            gpu.streams[handle].add(work)
        return (result.CUDA_SUCCESS,)

    def destroy(number: int) -> tuple[Any]:
        del gpu.graphs[number]
        return (result.CUDA_SUCCESS,)

    def wait(handle: int) -> tuple[Any]:
        gpu.streams[handle].run()
        return (result.CUDA_SUCCESS,)

    for name, value in {
        "CUresult": result,
        "CUstream": lambda handle: handle,
        "CUstreamCaptureMode": SimpleNamespace(CU_STREAM_CAPTURE_MODE_THREAD_LOCAL=1),
        "cuStreamBeginCapture": begin,
        "cuStreamEndCapture": end,
        "cuGraphInstantiate": instantiate,
        "cuGraphDestroy": lambda graph: (result.CUDA_SUCCESS,),
        "cuGraphLaunch": launch,
        "cuGraphExecDestroy": destroy,
        "cuStreamSynchronize": wait,
    }.items():
        setattr(driver, name, value)
    return driver


class DataType(Enum):
    UINT8 = "uint8"
    FLOAT = "float32"
    HALF = "float16"


class TensorIOMode(Enum):
    INPUT = 0
    OUTPUT = 1


class Logger:
    class Severity(Enum):
        INTERNAL_ERROR = 0
        ERROR = 1
        WARNING = 2

    def log(self, severity: Severity, msg: str) -> None: ...


def make_tensorrt(gpu: FakeGpu) -> ModuleType:
    """A TensorRT whose plans are ONNX files, and which runs them by ONNX Runtime."""
    tensorrt = ModuleType("tensorrt")

    class ExecutionContext:
        def __init__(self, engine: "CudaEngine") -> None:
            self._engine = engine
            self._addresses: dict[str, int] = {}
            self._scratch = 0

        def set_device_memory(self, memory: int, size: int) -> None:
            self._scratch = size

        def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
            self._engine.shapes[name] = shape
            return True

        def set_tensor_address(self, name: str, memory: int) -> bool:
            self._addresses[name] = memory
            return name in self._engine.kinds

        def execute_async_v3(self, stream_handle: int) -> bool:
            engine = self._engine
            if self._scratch < engine.device_memory_size_v2 or set(self._addresses) != set(engine.kinds):
                return False
            addresses = dict(self._addresses)

            def work() -> None:
                feeds = {}
                for name in engine.inputs:
                    dtype = np.dtype(engine.kinds[name].value)
                    shape = engine.shapes[name]
                    raw = gpu.at(addresses[name], int(np.prod(shape)) * dtype.itemsize)
                    feeds[name] = raw.view(dtype).reshape(shape)
                for name, array in zip(engine.outputs, engine.session.run(engine.outputs, feeds), strict=True):
                    gpu.at(addresses[name], array.nbytes)[:] = bytes_of(np.ascontiguousarray(array))

            gpu.streams[stream_handle].add(work)
            return True

    class CudaEngine:
        device_memory_size_v2 = 1024

        def __init__(self, plan: bytes) -> None:
            import onnxruntime as ort  # type: ignore[import-untyped]

            self.session = ort.InferenceSession(plan, providers=["CPUExecutionProvider"])
            gpu.alive.add(self)
            self.inputs = [port.name for port in self.session.get_inputs()]
            self.outputs = [port.name for port in self.session.get_outputs()]
            ports = [*self.session.get_inputs(), *self.session.get_outputs()]
            self.kinds = {port.name: DataType.UINT8 if "uint8" in port.type else DataType.FLOAT for port in ports}
            self.shapes: dict[str, tuple[int, ...]] = {
                port.name: tuple(side if isinstance(side, int) else -1 for side in port.shape) for port in ports
            }
            self.num_io_tensors = len(ports)

        def get_tensor_name(self, index: int) -> str:
            return [*self.inputs, *self.outputs][index]

        def get_tensor_mode(self, name: str) -> TensorIOMode:
            return TensorIOMode.INPUT if name in self.inputs else TensorIOMode.OUTPUT

        def get_tensor_dtype(self, name: str) -> DataType:
            return self.kinds[name]

        def get_tensor_shape(self, name: str) -> tuple[int, ...]:
            return self.shapes[name]

        def create_execution_context(self, strategy: object) -> ExecutionContext:
            gpu.check_current()
            return ExecutionContext(self)

    class Runtime:
        def __init__(self, logger: Any) -> None:
            self._logger = logger

        def deserialize_cuda_engine(self, serialized_engine: bytes) -> CudaEngine | None:
            gpu.check_current()
            try:
                return CudaEngine(serialized_engine)
            except Exception:
                self._logger.log(Logger.Severity.ERROR, "[runtime.cpp::load::1] Error: the plan is no plan")
                return None

    for name, value in {
        "__version__": "10.3.0",
        "Builder": object,
        "ILogger": Logger,
        "Runtime": Runtime,
        "DataType": DataType,
        "TensorIOMode": TensorIOMode,
        "ExecutionContextAllocationStrategy": SimpleNamespace(USER_MANAGED=2),
    }.items():
        setattr(tensorrt, name, value)
    return tensorrt


def bytes_of(array: np.ndarray) -> np.ndarray:
    """The array's own memory, as bytes."""
    raw = (ctypes.c_uint8 * array.nbytes).from_address(array.ctypes.data)
    return np.frombuffer(raw, np.uint8)


def install(monkeypatch: pytest.MonkeyPatch, *, graphs: bool = True) -> FakeGpu:
    """Puts the fakes where edgefg imports them from, for one test."""
    gpu = FakeGpu()
    driver, bindings = make_pycuda(gpu), make_bindings(gpu)
    modules: dict[str, Any] = {
        "pycuda": SimpleNamespace(driver=driver),
        "pycuda.driver": driver,
        "cuda": SimpleNamespace(),
        "cuda.bindings": SimpleNamespace(driver=bindings) if graphs else None,
        "tensorrt": make_tensorrt(gpu),
    }
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    for name in OURS:
        # Set first, so that the end of the test takes away what is imported in between.
        monkeypatch.setitem(sys.modules, f"edgefg.{name}", None)
        del sys.modules[f"edgefg.{name}"]
    return gpu


def write_plans(
    bundle: Bundle, folder: Path, stage2: bytes | None = None, stage1: bytes | None = None, **requires: Any
) -> Bundle:
    """Writes a bundle "compiled" for the fake TensorRT, beside its ONNX networks."""
    onnx = bundle.variants[0]
    files: dict[str, bytes | Path] = {path.name: path for path in (onnx.stage1, onnx.stage2)}
    files |= {name: bundle.path / name for name in bundle.manifest["files"]}
    files |= {"stage1.plan": stage1 or onnx.stage1.read_bytes(), "stage2.plan": stage2 or onnx.stage2.read_bytes()}
    plans = {
        "precision": "fp32",
        "format": "plan",
        "engines": ["tensorrt"],
        "stages": {"stage1": {"file": "stage1.plan"}, "stage2": {"file": "stage2.plan"}},
        "requires": {
            "target": "tensorrt",
            "version": "10.3.0",
            "platform": platform_tag(),
            "compute_capabilities": ["8.7"],
            "max_batch": 1,
        }
        | requires,
        "measured": {},
    }
    variants = [plans, *bundle.manifest["variants"]]
    return write_bundle(folder, files=files, manifest={**bundle.manifest, "variants": variants})
