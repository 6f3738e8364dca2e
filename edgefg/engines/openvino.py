"""The engine of OpenVINO on the CPU, which is the default without a GPU."""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt

from .quiet_import import out_of_reach

# Importing OpenVINO starts a process that reports the import over the network, which a camera's computer must not do.
# OpenVINO works without its reporting package.
with out_of_reach("openvino_telemetry"):
    import openvino as ov  # type: ignore[import-untyped]

from ..bundle.bundle import Bundle, Variant
from ..errors import EngineError
from .host import HostEngine
from .io_spec import StageContract, TensorSpec, stage1_contract, stage2_contract
from .pool import FairPool

# The first call fills a table inside OpenVINO, and two threads that make it at once deadlock. Here the import lock
# prevents that.
ov.Type.f32.to_dtype()

VERSION: str = ov.__version__.split("-")[0]

# The position in OpenVINO's own source, which is longer than the reason and does not help you.
_SOURCE_LINE = re.compile(r"Exception from \S+:\d+:")
_DTYPES = {"u8": "uint8", "f32": "float32"}


def load(bundle: Bundle, variant: Variant, threads: int | None, slots: int) -> HostEngine:
    """Compiles both networks; see `edgefg.engines.open.open_engine` for the arguments and errors."""
    with _openvino_errors("start"):
        core = ov.Core()
    # Floating-point layers run in FP32. On a CPU with AMX or AVX512-BF16, OpenVINO would silently use bfloat16.
    config = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
    if slots > 1:
        # One core per frame loses less to synchronization than all cores on one frame. Each stage has its own streams.
        # If they were pinned to cores, one frame's stage 2 would wait for another's stage 1 while a core is idle.
        streams = min(slots, threads or os.cpu_count() or 1)
        config |= {"PERFORMANCE_HINT": "THROUGHPUT", "NUM_STREAMS": str(streams), "ENABLE_CPU_PINNING": "NO"}
    if threads is not None:
        config["INFERENCE_NUM_THREADS"] = str(threads)
    stage1, stage2 = (
        OpenVinoStage(core, part(bundle, variant), config, slots) for part in (stage1_contract, stage2_contract)
    )
    return HostEngine("openvino", VERSION, bundle, variant, slots, stage1, stage2)


class OpenVinoStage:
    """One compiled network, with one inference request per slot that the runs share."""

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
        # A busy request rejects a second caller, and the next run overwrites its outputs.
        self._requests: FairPool[ov.InferRequest] = FairPool(requests, "OpenVINO engine")

    def run(self, outputs: Sequence[str], **inputs: npt.NDArray[Any]) -> list[npt.NDArray[Any]]:
        with self._requests.lend() as request, _openvino_errors(self._doing):
            results = request.infer(inputs, share_inputs=True, share_outputs=True)
            return [np.array(results[output]) for output in outputs]

    def close(self) -> None:
        self._requests.close()


def _port(port: Any) -> TensorSpec:
    dtype = port.element_type.to_string()
    sides = [None if side.is_dynamic else side.get_length() for side in port.partial_shape]
    return TensorSpec(_DTYPES.get(dtype, dtype), tuple(sides[1:]))


@contextmanager
def _openvino_errors(doing: str) -> Iterator[None]:
    try:
        yield
    # RuntimeError is ov::Exception; the binding raises the other two when it rejects an argument.
    except (RuntimeError, TypeError, ValueError) as error:
        reason = " ".join(_SOURCE_LINE.sub("", str(error)).split())
        raise EngineError(f"OpenVINO {VERSION} cannot {doing}: {reason}") from error
