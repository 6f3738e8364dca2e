"""A stand-in for TensorRT on a real GPU, whose plans are simple CUDA kernels.

It serves GPUs that no installed TensorRT supports. All else is real: the context, memory, streams, events, slots and
graphs of `edgefg.engines.trt.cuda` and the engine. The kernels compute the same as the networks of the tiny bundle.

Run: python -m tests.support.kernel_tensorrt bench.json     (the benchmark of a bundle whose stages take 1 ms each)
"""

import ctypes
import json
import sys
import tempfile
import weakref
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from edgefg.bundle.bundle import Bundle

from .fake_gpu import write_plans
from .host_cuda.kernels import compile_for_host
from .host_cuda.watch import is_host_driver
from .tensorrt_module import ContextMemory, DataType, Logger, TensorIOMode, make_module

# Of frames of WIDTH x HEIGHT and features of three channels; each layer of the grid is a frame of the batch. Each waits
# until it took as long as its plan says.
KERNELS = r"""
#ifdef HOST_CUDA_KERNEL
#include <chrono>
__device__ unsigned long long now_ns()
{
    return std::chrono::steady_clock::now().time_since_epoch() / std::chrono::nanoseconds(1);
}
#else
__device__ unsigned long long now_ns()
{
    unsigned long long now;
    asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(now));
    return now;
}
#endif

extern "C" __global__ void stage1(const unsigned char *frame, const float *background, float *features,
                                  float *distance, int width, int height, unsigned long long least_ns)
{
    const unsigned long long began = now_ns();
    const int x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y * blockDim.y + threadIdx.y;
    const int columns = width / 4, rows = height / 4, places = columns * rows;
    frame += blockIdx.z * width * height * 3;
    background += blockIdx.z * places * 3;
    features += blockIdx.z * places * 3;
    distance += blockIdx.z * places;
    if (x < columns && y < rows) {
        float squares = 0;
        for (int channel = 0; channel < 3; ++channel) {
            float sum = 0;
            for (int pixel = 0; pixel < 16; ++pixel)
                sum += frame[((4 * y + pixel / 4) * width + 4 * x + pixel % 4) * 3 + channel];
            const int at = (channel * rows + y) * columns + x;
            const float mean = sum / (16 * 255), difference = mean - background[at];
            features[at] = mean;
            squares += difference * difference;
        }
        distance[y * columns + x] = sqrtf(squares);
    }
    while (now_ns() - began < least_ns) { }
}

extern "C" __global__ void stage2(const float *distance, unsigned char *probability, int width, int height,
                                  unsigned long long least_ns)
{
    const unsigned long long began = now_ns();
    const int x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y * blockDim.y + threadIdx.y;
    distance += blockIdx.z * (width / 4) * (height / 4);
    probability += blockIdx.z * width * height;
    if (x < width && y < height) {
        const float level = distance[(y / 4) * (width / 4) + x / 4];
        probability[y * width + x] = (unsigned char)rintf(fminf(fmaxf(level, 0.f), 1.f) * 255);
    }
    while (now_ns() - began < least_ns) { }
}
"""


@cache
def compile_kernels() -> bytes:
    """Compiles the kernels for the GPU that there is."""
    from edgefg.engines.trt.cuda import Gpu

    gpu = Gpu()
    if is_host_driver(gpu.name):
        return compile_for_host(KERNELS)
    from pycuda.compiler import compile as compile_by_nvcc

    with gpu.use("compile kernels"):
        architecture = f"sm_{gpu.compute_capability.replace('.', '')}"
        binary: bytes = compile_by_nvcc(KERNELS, no_extern_c=True, arch=architecture, cache_dir=False)
        return binary


def make_tensorrt() -> ModuleType:
    """Makes the module. Needs a GPU, pycuda and nvcc; or the driver in host memory, and a compiler of C++."""
    binary = compile_kernels()
    cuda = ctypes.CDLL("libcuda.so.1")

    def call(name: str, *arguments: Any) -> None:
        status = getattr(cuda, name)(*arguments)
        if status:
            raise RuntimeError(f"{name} failed: CUDA error {status}")

    class CudaEngine:
        device_memory_size_v2 = 1024

        def __init__(self, plan: dict[str, Any]) -> None:
            self.stage: str = plan["stage"]
            self.least_ns: int = plan["least_ns"]
            self.max_batch: int = plan["max_batch"]
            width, height = self.size = plan["size"]
            small = (height // 4, width // 4)
            self.inputs, self.outputs, self.ports = ["frame", "distance"], ["probability"], {}
            if self.stage == "stage1":
                self.inputs, self.outputs = ["frame", "background_features"], ["features", "distance"]
            shapes = {
                "frame": (DataType.UINT8, (height, width, 3)),
                "background_features": (DataType.FLOAT, (3, *small)),
                "features": (DataType.FLOAT, (3, *small)),
                "distance": (DataType.FLOAT, small),
                "probability": (DataType.UINT8, (height, width)),
            }
            self.ports = {name: shapes[name] for name in (*self.inputs, *self.outputs)}
            self.num_io_tensors = len(self.ports)
            module, self.function = ctypes.c_void_p(), ctypes.c_void_p()
            call("cuModuleLoadData", ctypes.byref(module), binary)
            weakref.finalize(self, call, "cuModuleUnload", module).atexit = False
            call("cuModuleGetFunction", ctypes.byref(self.function), module, self.stage.encode())

        def get_tensor_name(self, index: int) -> str:
            return list(self.ports)[index]

        def get_tensor_mode(self, name: str) -> TensorIOMode:
            return TensorIOMode.INPUT if name in self.inputs else TensorIOMode.OUTPUT

        def get_tensor_dtype(self, name: str) -> DataType:
            return self.ports[name][0]

        def get_tensor_shape(self, name: str) -> tuple[int, ...]:
            return (-1, *self.ports[name][1])

        def create_execution_context(self, strategy: object) -> "ExecutionContext":
            return ExecutionContext(self)

    class ExecutionContext(ContextMemory):
        def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
            self._shapes[name] = shape
            return 1 <= shape[0] <= self._engine.max_batch and shape[1:] == self._engine.ports[name][1]

        def set_tensor_address(self, name: str, memory: int) -> bool:
            self._addresses[name] = memory
            return name in self._engine.ports

        def execute_async_v3(self, stream_handle: int) -> bool:
            engine = self._engine
            if self._scratch < engine.device_memory_size_v2 or set(self._addresses) != set(engine.ports):
                return False
            width, height = engine.size
            names = [name for name in engine.ports if (engine.stage, name) != ("stage2", "frame")]
            values = [
                *(ctypes.c_void_p(self._addresses[name]) for name in names),
                *map(ctypes.c_int, engine.size),
                ctypes.c_ulonglong(engine.least_ns),
            ]
            pointers = (ctypes.c_void_p * len(values))(*map(ctypes.addressof, values))
            columns, rows = (width // 4, height // 4) if engine.stage == "stage1" else (width, height)
            blocks = (-(-columns // 16), -(-rows // 16), self._shapes["frame"][0])
            call(
                "cuLaunchKernel", engine.function, *blocks, 16, 16, 1, 0, ctypes.c_void_p(stream_handle), pointers, None
            )
            return True

    class Runtime:
        def __init__(self, logger: Any) -> None:
            self._logger = logger

        def deserialize_cuda_engine(self, serialized_engine: bytes) -> CudaEngine | None:
            try:
                plan = json.loads(serialized_engine)
            except ValueError:
                self._logger.log(Logger.Severity.ERROR, "[runtime.cpp::load::1] Error: the plan is no plan")
                return None
            return CudaEngine(plan)

    return make_module(Runtime)


def install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Puts the stand-in where edgefg imports TensorRT from, for one test."""
    monkeypatch.setitem(sys.modules, "tensorrt", make_tensorrt())
    for name in ("edgefg.engines.tensorrt", "edgefg.bench.baseline_tensorrt"):
        # Set first, so that the end of the test takes away what is imported in between.
        monkeypatch.setitem(sys.modules, name, None)
        del sys.modules[name]


def write_kernel_plans(bundle: Bundle, folder: Path, stage_ms: float = 0, max_batch: int = 1) -> Bundle:
    """Writes the tiny bundle with "plans" for the stand-in. A batch takes as long as one frame."""
    from edgefg.engines.trt.cuda import Gpu

    stage1, stage2 = (
        json.dumps(
            {
                "stage": stage,
                "size": bundle.input_size,
                "least_ns": round(stage_ms * 1e6),
                "max_batch": max_batch,
            }
        ).encode()
        for stage in ("stage1", "stage2")
    )
    capabilities = [Gpu().compute_capability]
    return write_plans(bundle, folder, stage2, stage1, compute_capabilities=capabilities, max_batch=max_batch)


def main() -> None:
    from edgefg.bench.benchmark import BenchOptions, benchmark

    from ..conftest import make_tiny_bundle

    sys.modules["tensorrt"] = make_tensorrt()
    with tempfile.TemporaryDirectory() as folder:
        tiny = make_tiny_bundle(Path(folder) / "tiny")
        plans = write_kernel_plans(tiny, Path(folder) / "plans", stage_ms=1)
        found = benchmark(BenchOptions(bundle=plans.path, engine="tensorrt", cameras=4, frames=500))
    Path(sys.argv[1]).write_text(json.dumps(found.to_json(), indent=2))


if __name__ == "__main__":
    main()
