"""The engine of ONNX Runtime on the CPU, which runs nearly everywhere."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy.typing as npt
import onnxruntime as ort  # type: ignore[import-untyped]
from onnxruntime.capi import onnxruntime_pybind11_state as _state  # type: ignore[import-untyped]

from ..bundle.bundle import Bundle, Variant
from ..errors import ClosedError, EngineError
from .host import HostEngine
from .io_spec import StageContract, TensorSpec, stage1_contract, stage2_contract

VERSION: str = ort.__version__

_DTYPES = {"tensor(uint8)": "uint8", "tensor(float)": "float32"}
_ERRORS_ONLY = 3
# The library's exceptions have no common base class.
_FOREIGN_ERRORS: tuple[type[Exception], ...] = (
    *(thing for thing in vars(_state).values() if isinstance(thing, type) and issubclass(thing, Exception)),
    RuntimeError,
    TypeError,
    ValueError,
)

_AS_WRITTEN = ContextVar("_AS_WRITTEN", default=False)


@contextmanager
def as_written() -> Iterator[None]:
    """Loads networks without optimising them, to simulate those that are meant for another engine.

    ONNX Runtime would round biases to the product of INT8's scales, which FP16 cannot hold, and add products of signed
    bytes in 16 bits on CPUs without VNNI.
    """
    token = _AS_WRITTEN.set(True)
    try:
        yield
    finally:
        _AS_WRITTEN.reset(token)


def load(bundle: Bundle, variant: Variant, threads: int | None, slots: int) -> HostEngine:
    """Loads both networks; see `edgefg.engines.open.open_engine` for the arguments and errors."""
    stage1, stage2 = (OnnxRuntimeStage(part(bundle, variant), threads) for part in (stage1_contract, stage2_contract))
    return HostEngine("onnxruntime", VERSION, bundle, variant, slots, stage1, stage2)


class OnnxRuntimeStage:
    """One network in a session, which any number of threads may run at once."""

    def __init__(self, contract: StageContract, threads: int | None) -> None:
        with _onnxruntime_errors(f"load {contract.file}"):
            options = ort.SessionOptions()
            options.log_severity_level = _ERRORS_ONLY
            if _AS_WRITTEN.get():
                options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
            if threads is not None:
                options.intra_op_num_threads = threads
            session = ort.InferenceSession(str(contract.file), options, providers=["CPUExecutionProvider"])
            inputs = {port.name: _port(port) for port in session.get_inputs()}
            outputs = [port.name for port in session.get_outputs()]
        contract.check(inputs, outputs)
        self._session: ort.InferenceSession | None = session
        self._doing = f"run {contract.file}"

    def run(self, outputs: Sequence[str], **inputs: npt.NDArray[Any]) -> list[npt.NDArray[Any]]:
        # The local reference outlives a close() in another thread.
        session = self._session
        if session is None:
            raise ClosedError("this ONNX Runtime engine was closed; open a new one")
        with _onnxruntime_errors(self._doing):
            results: list[npt.NDArray[Any]] = session.run(list(outputs), inputs)
            return results

    def close(self) -> None:
        self._session = None


def _port(port: Any) -> TensorSpec:
    # A dynamic side has a name instead of a number.
    sides = [side if isinstance(side, int) else None for side in port.shape]
    return TensorSpec(_DTYPES.get(port.type, port.type), tuple(sides[1:]))


@contextmanager
def _onnxruntime_errors(doing: str) -> Iterator[None]:
    try:
        yield
    except _FOREIGN_ERRORS as error:
        raise EngineError(f"ONNX Runtime {VERSION} cannot {doing}: {' '.join(str(error).split())}") from error
