"""Loading of a stage's plan on the GPU, and the contexts that run it."""

from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from ...errors import EngineError
from ..io_spec import StageContract, TensorSpec
from .cuda import LESS_MEMORY, Buffer, Gpu, Span
from .log import TensorRtLog, make_logger
from .runtime_cache import RuntimeCache

if TYPE_CHECKING:
    import tensorrt as trt


class PlanRuntime:
    """Loads plans as TensorRT engines, and must outlive them."""

    def __init__(self, module: ModuleType, cache: RuntimeCache | None = None) -> None:
        """Makes a runtime.

        Args:
            module: TensorRT, or TensorRT for RTX.
            cache: Kernels compiled earlier; only for TensorRT for RTX.
        """
        if TYPE_CHECKING:
            # mypy knows the types of a module that is imported, but not of one that is passed in.
            import tensorrt as trt
        else:
            trt = module
        self._trt = trt
        self._log = TensorRtLog()
        self._logger = make_logger(module, self._log)
        self._runtime = trt.Runtime(self._logger)
        self._cache = cache
        self._dtypes = {trt.DataType.UINT8: "uint8", trt.DataType.FLOAT: "float32"}

    def load(self, contract: StageContract) -> "trt.ICudaEngine":
        """Loads a stage's plan. The GPU's context must be current.

        Raises:
            EngineError: TensorRT rejects the file.
            BundleError: The network differs from the manifest.
        """
        self._log.clear()
        engine = self._runtime.deserialize_cuda_engine(_read(contract.file))
        if engine is None:
            raise EngineError(f"{contract.file}: TensorRT cannot load this plan: {self._log.last_errors()}")
        inputs, outputs = {}, []
        for index in range(engine.num_io_tensors):
            name = engine.get_tensor_name(index)
            if engine.get_tensor_mode(name) == self._trt.TensorIOMode.INPUT:
                dtype = engine.get_tensor_dtype(name)
                sides = tuple(None if side == -1 else side for side in engine.get_tensor_shape(name))
                inputs[name] = TensorSpec(self._dtypes.get(dtype, dtype.name), sides[1:])
            else:
                outputs.append(name)
        contract.check(inputs, outputs)
        return engine

    def context(
        self, engine: "trt.ICudaEngine", contract: StageContract, scratch: Buffer | None, batch: int = 1
    ) -> "PlanContext":
        """Makes a context.

        Args:
            engine: The plan, loaded.
            contract: Contract of its stage.
            scratch: Memory as `scratch_memory` makes it, which no other context may use at the same time.
            batch: Number of frames in each run.

        Raises:
            EngineError: There is no memory for it, or the plan does not take that many frames.
        """
        strategy = self._trt.ExecutionContextAllocationStrategy.USER_MANAGED
        if self._cache is None:
            context = engine.create_execution_context(strategy)
        else:
            config = engine.create_runtime_config()
            config.set_execution_context_allocation_strategy(strategy)
            self._cache.attach(config)
            context = engine.create_execution_context(config)
        if context is None:
            raise EngineError(
                f"{contract.file}: TensorRT cannot make a context for this plan: {self._log.last_errors()}; "
                f"{LESS_MEMORY}"
            )
        if scratch is not None:
            context.set_device_memory(scratch.address, scratch.nbytes)
        for name, port in contract.inputs.items():
            if not context.set_input_shape(name, (batch, *(side or 1 for side in port.shape))):
                raise EngineError(
                    f"{contract.file}: expected a plan that takes {batch} frames at once, as the manifest's max_batch "
                    f"says, found one that does not ({self._log.last_errors()}); compile it again: edgefg compile"
                )
        return PlanContext(context, contract.file, self._log)


def scratch_memory(gpu: Gpu, *engines: "trt.ICudaEngine") -> Buffer | None:
    """Allocates scratch memory for plans that run one after the other; None if none of them needs any."""
    nbytes = max(engine.device_memory_size_v2 for engine in engines)
    return gpu.allocate(nbytes) if nbytes else None


class PlanContext:
    """Runs one stage on the number of frames that it was made for."""

    def __init__(self, context: "trt.IExecutionContext", file: Path, log: TensorRtLog) -> None:
        self._context = context
        self._file = file
        self._log = log

    def bind(self, **addresses: Span) -> None:
        """Sets the addresses of inputs and outputs, which apply to all later runs."""
        for name, buffer in addresses.items():
            if not self._context.set_tensor_address(name, buffer.address):
                raise EngineError(f"{self._file}: TensorRT rejects the address of {name}: {self._log.last_errors()}")

    def enqueue(self, stream: Any) -> None:
        """Enqueues a run in a stream."""
        if not self._context.execute_async_v3(stream.handle):
            raise EngineError(f"{self._file}: TensorRT cannot run this plan: {self._log.last_errors()}")

    def can_be_captured(self, stream: Any) -> bool:
        """Returns whether a run can become part of a CUDA graph."""
        # Only TensorRT for RTX has this query. In TensorRT, networks of fixed dimensions can always be captured.
        ask = getattr(self._context, "is_stream_capturable", None)
        return ask is None or bool(ask(stream.handle))


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise EngineError(f"{file}: cannot read this plan: {error.strerror}") from error
