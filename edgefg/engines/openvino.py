"""OpenVINO on the CPU: the default engine."""

import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt

from ._quiet import out_of_reach

# Importing OpenVINO reports the import over the network, in a process of its own. A camera's computer does not phone
# home: with the reporting package out of reach OpenVINO does without.
with out_of_reach("openvino_telemetry"):
    import openvino as ov  # type: ignore[import-untyped]

from ..bundle import Bundle
from ..errors import ClosedError, EngineError
from .contract import Port, StageContract, stage1_contract, stage2_contract
from .host import HostEngine

VERSION: str = ov.__version__.split("-")[0]

# Where in its own source OpenVINO noticed: no use to a reader, and longer than the reason.
_SOURCE_LINE = re.compile(r"Exception from \S+:\d+:")
_DTYPES = {"u8": "uint8", "f32": "float32"}


def load(bundle: Bundle, threads: int | None) -> HostEngine:
    """Compiles both networks; see `edgefg.engines.open_engine` for the arguments and errors."""
    with _openvino_errors("start"):
        core = ov.Core()
    config = {"PERFORMANCE_HINT": "LATENCY"}
    if bundle.precision == "fp32":
        # On a CPU with AMX or AVX512-BF16 OpenVINO would compute in bfloat16, and say nothing.
        config["INFERENCE_PRECISION_HINT"] = "f32"
    if threads is not None:
        config["INFERENCE_NUM_THREADS"] = str(threads)
    stage1, stage2 = (OpenVinoStage(core, part(bundle), config) for part in (stage1_contract, stage2_contract))
    return HostEngine("openvino", VERSION, bundle, stage1, stage2)


class OpenVinoStage:
    """One compiled network with the one inference request that all its runs share."""

    def __init__(self, core: ov.Core, contract: StageContract, config: Mapping[str, str]) -> None:
        with _openvino_errors(f"read {contract.file}"):
            model = core.read_model(contract.file)
            inputs = {port.any_name: _port(port) for port in model.inputs}
            outputs = [port.any_name for port in model.outputs]
        contract.check(inputs, outputs)
        with _openvino_errors(f"compile {contract.file}"):
            # A graph of fixed shape runs faster than one that takes any batch.
            model.reshape({name: [1, *port.shape] for name, port in contract.inputs.items()})
            compiled = core.compile_model(model, "CPU", dict(config))
            self._request: ov.InferRequest | None = compiled.create_infer_request()
        self._doing = f"run {contract.file}"
        # A request that is busy refuses a second caller, and its outputs are overwritten by the next run.
        self._turn = threading.Lock()

    def run(self, output: str, **inputs: npt.NDArray[Any]) -> npt.NDArray[Any]:
        with self._turn:
            if self._request is None:
                raise ClosedError("this OpenVINO engine was closed; open a new one")
            with _openvino_errors(self._doing):
                results = self._request.infer(inputs, share_inputs=True, share_outputs=True)
                return np.array(results[output])

    def close(self) -> None:
        with self._turn:
            self._request = None


def _port(port: Any) -> Port:
    dtype = port.element_type.to_string()
    sides = [None if side.is_dynamic else side.get_length() for side in port.partial_shape]
    return Port(_DTYPES.get(dtype, dtype), tuple(sides[1:]))


@contextmanager
def _openvino_errors(doing: str) -> Iterator[None]:
    try:
        yield
    # RuntimeError is ov::Exception; the binding raises the other two when it cannot take an argument.
    except (RuntimeError, TypeError, ValueError) as error:
        reason = " ".join(_SOURCE_LINE.sub("", str(error)).split())
        raise EngineError(f"OpenVINO {VERSION} cannot {doing}: {reason}") from error
