"""OpenVINO on the CPU: the default engine."""

import os
import queue
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt

from .quiet_import import out_of_reach

# Importing OpenVINO reports the import over the network, in a process of its own. A camera's computer does not phone
# home: with the reporting package out of reach OpenVINO does without.
with out_of_reach("openvino_telemetry"):
    import openvino as ov  # type: ignore[import-untyped]

from ..bundle.bundle import Bundle, Variant
from ..errors import ClosedError, EngineError
from .host import HostEngine
from .io_spec import StageContract, TensorSpec, stage1_contract, stage2_contract

# The first call fills a table within OpenVINO, and two threads that make it at once wait for each other for ever. Here
# the import lock keeps them apart.
ov.Type.f32.to_dtype()

VERSION: str = ov.__version__.split("-")[0]

# Where in its own source OpenVINO noticed: no use to a reader, and longer than the reason.
_SOURCE_LINE = re.compile(r"Exception from \S+:\d+:")
_DTYPES = {"u8": "uint8", "f32": "float32"}


def load(bundle: Bundle, variant: Variant, threads: int | None, slots: int) -> HostEngine:
    """Compiles both networks; see `edgefg.engines.open.open_engine` for the arguments and errors."""
    with _openvino_errors("start"):
        core = ov.Core()
    # What an INT8 network leaves in floating point, and all of an FP32 one, is computed in FP32: on a CPU with AMX or
    # AVX512-BF16 OpenVINO would take bfloat16, and say nothing.
    config = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
    if slots > 1:
        # A core for each frame in work, rather than all cores on one frame: less is lost in handing over. The stages
        # have streams of their own; pinned to cores, one frame's stage 2 would wait for another's stage 1 beside an
        # idle core.
        streams = min(slots, threads or os.cpu_count() or 1)
        config |= {"PERFORMANCE_HINT": "THROUGHPUT", "NUM_STREAMS": str(streams), "ENABLE_CPU_PINNING": "NO"}
    if threads is not None:
        config["INFERENCE_NUM_THREADS"] = str(threads)
    stage1, stage2 = (
        OpenVinoStage(core, part(bundle, variant), config, slots) for part in (stage1_contract, stage2_contract)
    )
    return HostEngine("openvino", VERSION, bundle, variant, slots, stage1, stage2)


class OpenVinoStage:
    """One compiled network with an inference request for each slot, which its runs share."""

    def __init__(self, core: ov.Core, contract: StageContract, config: Mapping[str, str], slots: int) -> None:
        with _openvino_errors(f"read {contract.file}"):
            model = core.read_model(contract.file)
            inputs = {port.any_name: _port(port) for port in model.inputs}
            outputs = [port.any_name for port in model.outputs]
        contract.check(inputs, outputs)
        with _openvino_errors(f"compile {contract.file}"):
            # A graph of fixed shape runs faster than one that takes any batch.
            model.reshape({name: [1, *port.shape] for name, port in contract.inputs.items()})
            compiled = core.compile_model(model, "CPU", dict(config))
            requests = [compiled.create_infer_request() for _ in range(slots)]
        self._doing = f"run {contract.file}"
        # A request that is busy refuses a second caller, and its outputs are overwritten by the next run. The last in
        # is the first out: its memory is the warmest.
        self._free: queue.LifoQueue[ov.InferRequest | None] = queue.LifoQueue()
        for request in requests:
            self._free.put(request)
        self._closing = threading.Lock()
        self._slots = slots

    def run(self, output: str, **inputs: npt.NDArray[Any]) -> npt.NDArray[Any]:
        request = self._free.get()
        try:
            if request is None:
                raise ClosedError("this OpenVINO engine was closed; open a new one")
            with _openvino_errors(self._doing):
                results = request.infer(inputs, share_inputs=True, share_outputs=True)
                return np.array(results[output])
        finally:
            self._free.put(request)

    def close(self) -> None:
        with self._closing:
            # Waits for the runs that are under way; each place then holds None, which tells later runs.
            for _ in range(self._slots):
                self._free.get()
            for _ in range(self._slots):
                self._free.put(None)


def _port(port: Any) -> TensorSpec:
    dtype = port.element_type.to_string()
    sides = [None if side.is_dynamic else side.get_length() for side in port.partial_shape]
    return TensorSpec(_DTYPES.get(dtype, dtype), tuple(sides[1:]))


@contextmanager
def _openvino_errors(doing: str) -> Iterator[None]:
    try:
        yield
    # RuntimeError is ov::Exception; the binding raises the other two when it cannot take an argument.
    except (RuntimeError, TypeError, ValueError) as error:
        reason = " ".join(_SOURCE_LINE.sub("", str(error)).split())
        raise EngineError(f"OpenVINO {VERSION} cannot {doing}: {reason}") from error
