"""INT8 by explicit Q/DQ nodes: a network that says itself what is computed in 8 bits, and with which scales.

A pair of QuantizeLinear and DequantizeLinear stands before the data input of each convolution, and a DequantizeLinear
after its INT8 weights; outputs and biases have none, so that engines fuse convolution, bias and ReLU into one kernel.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper, numpy_helper

from edgefg.errors import DataError

from .saturation import round_unsaturated

CONVOLUTIONS = ("Conv", "ConvTranspose")

Bounds = tuple[float, float]


@dataclass(frozen=True)
class Scheme:
    """How activations become 8 bits; weights are always symmetric INT8, a scale for each output channel.

    Attributes:
        name: What the files are called after.
        activations: ``"uint8"`` with a zero point, as CPUs multiply fastest and most exactly; weights then keep clear
            of 16-bit sums that saturate, see `edgefg.build.quantization.saturation`. Or ``"int8"`` without, the only
            form that TensorRT takes.
        operators: The operators that are quantised; others stay in floating point.
    """

    name: str
    activations: Literal["uint8", "int8"]
    operators: tuple[str, ...] = CONVOLUTIONS

    def parameters(self, bounds: Bounds) -> tuple[float, int]:
        """Scale and zero point for a range, which is widened to hold 0."""
        low, high = min(bounds[0], 0.0), max(bounds[1], 0.0)
        if self.activations == "int8":
            return max(-low, high, _MIN_RANGE) / 127, 0
        scale = max(high - low, _MIN_RANGE) / 255
        return scale, round(-low / scale)


CPU = Scheme("cpu", "uint8")
# TensorRT has no INT8 kernels for a transposed convolution with a scale for each output channel (TensorRT #2380): some
# releases refuse it, some compute it wrongly. They are 1% of the multiply-adds.
TENSORRT = Scheme("tensorrt", "int8", ("Conv",))

# A tensor that is always 0 needs some range.
_MIN_RANGE = 1e-3
# Of weights. Half precision holds the first; nothing that float32 computes needs the second.
_MIN_WEIGHT_SCALES = {"float16": 1e-6, "float32": 1e-12}


def convolution_inputs(model: bytes) -> dict[str, str]:
    """The tensors to calibrate: the data input of each convolution, by the convolution's name."""
    return {node.name: node.input[0] for node in _convolutions(onnx.load_from_string(model))}


def quantize(
    model: bytes, bounds: Mapping[str, Bounds], scheme: Scheme, in_floating_point: Collection[str] = ()
) -> bytes:
    """Insert the Q/DQ nodes.

    Args:
        model: FP32 or FP16 ONNX, of opset 17, or 19 for FP16.
        bounds: Least and greatest value of the data input of each convolution, by the convolution's name.
        scheme: For which kind of engine.
        in_floating_point: Names of convolutions to leave as they are.

    Raises:
        DataError: ``bounds`` lacks a convolution.
    """
    proto = onnx.load_from_string(model)
    graph = proto.graph
    weights = {tensor.name: tensor for tensor in graph.initializer}
    placed: dict[str, list[NodeProto]] = {}  # what comes after the tensor of this name
    replaced: dict[str, str] = {}
    for node in _convolutions(proto):
        if node.name in in_floating_point or node.op_type not in scheme.operators:
            continue
        if node.name not in bounds:
            raise DataError(f"expected a range for the input of {node.name}, found none; calibrate this network")
        data, weight = node.input[0], node.input[1]
        if data not in replaced:
            added = _Added(graph, f"{data}/int8", numpy_helper.to_array(weights[weight]).dtype)
            placed[data] = added.activation(data, scheme, bounds[node.name])
            replaced[data] = added.output
        if weight not in replaced:
            added = _Added(graph, f"{weight}/int8", numpy_helper.to_array(weights[weight]).dtype)
            axis = 0 if node.op_type == "Conv" else 1
            placed.setdefault("", []).extend(added.weight(weights[weight], scheme, axis))
            replaced[weight] = added.output
        node.input[0], node.input[1] = replaced[data], replaced[weight]
    nodes = list(_in_order(proto, placed))
    del graph.node[:]
    graph.node.extend(nodes)
    onnx.checker.check_model(proto, full_check=True)
    return bytes(proto.SerializeToString())


@dataclass
class _Added:
    """The tensors and nodes of one quantised tensor, named after it."""

    graph: onnx.GraphProto
    name: str
    float_dtype: np.dtype[np.generic]

    @property
    def output(self) -> str:
        return f"{self.name}/dequantised"

    def activation(self, tensor: str, scheme: Scheme, bounds: Bounds) -> list[NodeProto]:
        scale, zero_point = scheme.parameters(bounds)
        inputs = [
            self._constant("scale", np.asarray(scale, self.float_dtype)),
            self._constant("zero_point", np.asarray(zero_point, scheme.activations)),
        ]
        quantised = f"{self.name}/quantised"
        return [
            helper.make_node("QuantizeLinear", [tensor, *inputs], [quantised], name=quantised),
            helper.make_node("DequantizeLinear", [quantised, *inputs], [self.output], name=self.output),
        ]

    def weight(self, tensor: TensorProto, scheme: Scheme, axis: int) -> list[NodeProto]:
        values = np.moveaxis(numpy_helper.to_array(tensor).astype(np.float32), axis, 0)
        least = _MIN_WEIGHT_SCALES[self.float_dtype.name]
        scales = np.maximum(np.abs(values.reshape(len(values), -1)).max(axis=1) / 127, least).astype(self.float_dtype)
        # What multiplies signed by signed adds in 32 bits.
        rounded = round_unsaturated if scheme.activations == "uint8" else _round_nearest
        integers, scales = rounded(values, scales)
        self.graph.initializer.remove(tensor)
        inputs = [
            self._constant("quantised", np.ascontiguousarray(np.moveaxis(integers, 0, axis))),
            self._constant("scale", scales),
            self._constant("zero_point", np.zeros(len(scales), np.int8)),
        ]
        return [helper.make_node("DequantizeLinear", inputs, [self.output], name=self.output, axis=axis)]

    def _constant(self, part: str, values: NDArray[np.generic]) -> str:
        name = f"{self.name}/{part}"
        self.graph.initializer.append(numpy_helper.from_array(values, name))
        return name


def _round_nearest(
    values: NDArray[np.float32], scales: NDArray[np.floating]
) -> tuple[NDArray[np.int8], NDArray[np.floating]]:
    """As `round_unsaturated`, for engines that add all products exactly."""
    along = scales.astype(np.float32).reshape(-1, *[1] * (values.ndim - 1))
    return np.clip(np.round(values / along), -127, 127).astype(np.int8), scales


def _convolutions(proto: onnx.ModelProto) -> list[NodeProto]:
    return [node for node in proto.graph.node if node.op_type in CONVOLUTIONS]


def _in_order(proto: onnx.ModelProto, placed: Mapping[str, list[NodeProto]]) -> Iterator[NodeProto]:
    """All nodes, each after what it reads."""
    yield from placed.get("", ())
    for port in proto.graph.input:
        yield from placed.get(port.name, ())
    for node in proto.graph.node:
        yield node
        for output in node.output:
            yield from placed.get(output, ())
