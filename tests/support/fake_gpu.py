"""A fake GPU: pycuda, cuda-bindings and TensorRT in host memory, as far as edgefg calls them.

Work in a stream is done only once the host waits for it, memory starts out as garbage, and every call needs its context
to be current. So mistakes of edgefg show up here. Tests marked ``gpu`` do the same on a real GPU.
"""

import itertools
import sys
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from edgefg.bundle.bundle import Bundle, write_bundle
from edgefg.utils.cpu import platform_tag

from .fake_device import CudaError, CudaMemoryError, Event, FakeGpu, PinnedArray, Stream, bytes_of
from .fake_kernels import FakeModule
from .fake_tensorrt import make_tensorrt
from .tensorrt_module import VERSION

OURS = (
    "bench.baseline_tensorrt",
    "engines.trt.cuda",
    "engines.tensorrt",
    "engines.tensorrt_rtx",
    "engines.trt.arrivals",
    "engines.trt.embedder",
    "engines.trt.engine",
    "engines.trt.launch",
    "engines.trt.plan",
    "engines.trt.scaler",
    "engines.trt.slots",
)


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
        "module_from_buffer": lambda image: FakeModule(gpu, image),
    }.items():
        setattr(driver, name, value)
    return driver


def make_bindings(gpu: FakeGpu) -> ModuleType:
    """Graphs: what is added to a stream between begin and end of a capture. And events of any library's streams."""
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

    events: dict[int, Event] = {}

    def create_event(flags: int) -> tuple[Any, int]:
        number = next(numbers)
        events[number] = Event(gpu)
        return result.CUDA_SUCCESS, number

    def record(number: int, handle: int) -> tuple[Any]:
        events[number].record(gpu.stream(handle))
        return (result.CUDA_SUCCESS,)

    def delay(handle: int, number: int, flags: int) -> tuple[Any]:
        gpu.streams[handle].wait_for_event(events[number])
        return (result.CUDA_SUCCESS,)

    def wait(number: int) -> tuple[Any]:
        events[number].synchronize()
        return (result.CUDA_SUCCESS,)

    def destroy_event(number: int) -> tuple[Any]:
        gpu.check_current()
        del events[number]
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
        "cuEventCreate": create_event,
        "cuEventRecord": record,
        "cuStreamWaitEvent": delay,
        "cuEventSynchronize": wait,
        "cuEventDestroy": destroy_event,
    }.items():
        setattr(driver, name, value)
    return driver


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
            "version": VERSION,
            "platform": platform_tag(),
            "compute_capabilities": ["8.7"],
            "max_batch": 1,
        }
        | requires,
        "measured": {},
    }
    variants = [plans, *bundle.manifest["variants"]]
    return write_bundle(folder, files=files, manifest={**bundle.manifest, "variants": variants})
