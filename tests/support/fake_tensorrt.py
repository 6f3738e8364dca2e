"""TensorRT on the fake GPU: its plans are ONNX files."""

from types import ModuleType
from typing import Any

import numpy as np

from .fake_device import FakeGpu, bytes_of
from .tensorrt_module import ContextMemory, DataType, Logger, TensorIOMode, make_module

SCRATCH = 1024
"""Bytes of scratch memory that each plan needs."""


def make_tensorrt(gpu: FakeGpu) -> ModuleType:
    """A TensorRT whose plans are ONNX files, and which runs them by ONNX Runtime."""

    class ExecutionContext(ContextMemory):
        def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
            self._shapes[name] = shape
            return all(side in (-1, wanted) for side, wanted in zip(self._engine.shapes[name], shape, strict=True))

        def set_tensor_address(self, name: str, memory: int) -> bool:
            self._addresses[name] = memory
            return name in self._engine.kinds

        def execute_async_v3(self, stream_handle: int) -> bool:
            engine = self._engine
            if self._scratch < engine.device_memory_size_v2 or set(self._addresses) != set(engine.kinds):
                return False
            addresses, shapes = dict(self._addresses), dict(self._shapes)

            def work() -> None:
                feeds = {}
                for name in engine.inputs:
                    dtype = np.dtype(engine.kinds[name].value)
                    raw = gpu.at(addresses[name], int(np.prod(shapes[name])) * dtype.itemsize)
                    feeds[name] = raw.view(dtype).reshape(shapes[name])
                for name, array in zip(engine.outputs, engine.session.run(engine.outputs, feeds), strict=True):
                    gpu.at(addresses[name], array.nbytes)[:] = bytes_of(np.ascontiguousarray(array))

            gpu.streams[stream_handle].add(work)
            return True

    class CudaEngine:
        device_memory_size_v2 = SCRATCH

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

    return make_module(Runtime)
