"""What a stage's ONNX computes, layer by layer and in numbers.

A bundle carries this in its layers.json, so that a device that has no onnx can show it. A layer is a convolution: they
are nearly all of the work. All figures are of one frame.

    {
      "inputs": [{"name": "frame", "dtype": "uint8", "shape": ["N", 240, 320, 3]}, ...],
      "outputs": [...],
      "layers": [
        {
          "name": "backbone.0.0", "op": "Conv", "precision": "int8", "kernel": [3, 3], "stride": [2, 2],
          "channels_in": 3, "channels_out": 16, "output_height": 120, "output_width": 160,
          "multiply_adds": 8294400, "weight_bytes": 576, "output_bytes": 307200
        }, ...
      ],
      "others": {"Relu": 10, "MaxPool": 5, ...},
      "q_dq_pairs": 11,
      "totals": {"multiply_adds": ..., "weight_bytes": ..., "port_bytes": ..., "output_bytes": ...}
    }

Kernel and stride are height and width. ``precision`` is what the layer computes in: INT8 where both its data and its
weights come out of 8 bits, else the type of its floating-point numbers. ``weight_bytes`` are weights, biases and their
scales as the file stores them; ``output_bytes`` count a byte for each value of an INT8 layer, whether or not an engine
widens it. ``port_bytes`` are the inputs and outputs of the stage, the other totals are sums over the layers.
"""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from onnx import NodeProto, TensorProto, ValueInfoProto, helper, shape_inference

from edgefg.errors import DataError

from .qdq import CONVOLUTIONS

_PRECISIONS = {TensorProto.FLOAT: "fp32", TensorProto.FLOAT16: "fp16"}
_VALUE_BYTES = {"int8": 1, "fp16": 2, "fp32": 4}
_EIGHT_BITS = (TensorProto.INT8, TensorProto.UINT8)
_NOT_COUNTED = (*CONVOLUTIONS, "Constant", "Identity", "QuantizeLinear", "DequantizeLinear")


def layers_of(model: bytes) -> dict[str, Any]:
    """Describe one stage, ready for JSON.

    Args:
        model: Its ONNX in any precision, with or without Q/DQ nodes.

    Raises:
        DataError: It is no ONNX, or the sizes of its tensors for one frame do not follow from it.
    """
    graph = _Graph(model)
    layers = list(graph.layers())
    kinds = Counter(node.op_type for node in graph.nodes)
    return {
        "inputs": [_port(port) for port in graph.inputs],
        "outputs": [_port(port) for port in graph.outputs],
        "layers": layers,
        "others": {kind: kinds[kind] for kind in sorted(kinds) if kind not in _NOT_COUNTED},
        "q_dq_pairs": graph.q_dq_pairs(),
        "totals": {
            "multiply_adds": sum(layer["multiply_adds"] for layer in layers),
            "weight_bytes": sum(layer["weight_bytes"] for layer in layers),
            "port_bytes": sum(graph.size_bytes(port.name) for port in (*graph.inputs, *graph.outputs)),
            "output_bytes": sum(layer["output_bytes"] for layer in layers),
        },
    }


class _Graph:
    """A network whose every tensor has a known type and, where it follows, a size for one frame."""

    def __init__(self, model: bytes) -> None:
        try:
            proto = onnx.load_from_string(model)
            onnx.checker.check_model(proto)
            inferred = shape_inference.infer_shapes(_for_one_frame(proto), strict_mode=True, data_prop=True).graph
        # ValueError: a name that is no UTF-8.
        except (DecodeError, onnx.checker.ValidationError, shape_inference.InferenceError, ValueError) as error:
            reason = " ".join(str(error).split())
            raise DataError(f"expected the ONNX of a stage, got something else or a damaged one: {reason}") from error
        self.nodes: Sequence[NodeProto] = proto.graph.node
        self.inputs: Sequence[ValueInfoProto] = proto.graph.input
        self.outputs: Sequence[ValueInfoProto] = proto.graph.output
        self._producers = {output: node for node in self.nodes for output in node.output}
        self._constants = {tensor.name for tensor in proto.graph.initializer} | {
            node.output[0] for node in self.nodes if node.op_type == "Constant"
        }
        self._kinds = {tensor.name: tensor.data_type for tensor in proto.graph.initializer}
        self._shapes = {tensor.name: list(tensor.dims) for tensor in proto.graph.initializer}
        for value in (*inferred.value_info, *inferred.input, *inferred.output):
            kind = value.type.tensor_type
            sizes = [dim.dim_value for dim in kind.shape.dim]
            self._kinds[value.name] = kind.elem_type
            # An unknown size reads as 0, and no tensor of ours is empty.
            if kind.HasField("shape") and all(sizes):
                self._shapes[value.name] = sizes

    def layers(self) -> Iterator[dict[str, Any]]:
        """Describes each convolution."""
        convolutions = [node for node in self.nodes if node.op_type in CONVOLUTIONS]
        counted: set[str] = set()
        for node, name in zip(convolutions, _short_names(convolutions), strict=True):
            data, weight, output = (self._shape(tensor) for tensor in (*node.input[:2], node.output[0]))
            if len(weight) != 4:
                raise DataError(
                    f"expected {node.name} to be a convolution of images, got a weight of {len(weight)} axes"
                )
            attributes = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
            precision = self._precision(node)
            # Each weight is used once at each place: of the output, or of the input where that is the one that is read.
            places = math.prod((data if node.op_type == "ConvTranspose" else output)[2:])
            # A tensor that several layers share is in the file once: it counts for the first of them.
            stored = [tensor for tensor in self._stored(node.input[1:]) if tensor not in counted]
            counted.update(stored)
            yield {
                "name": name,
                "op": node.op_type,
                "precision": precision,
                "kernel": weight[2:],
                "stride": list(attributes.get("strides", (1, 1))),
                "channels_in": data[1],
                "channels_out": output[1],
                "output_height": output[2],
                "output_width": output[3],
                "multiply_adds": places * math.prod(weight),
                "weight_bytes": sum(self.size_bytes(tensor) for tensor in stored),
                "output_bytes": math.prod(output) * _VALUE_BYTES[precision],
            }

    def q_dq_pairs(self) -> int:
        """Counts the tensors that become 8 bits and go straight back."""
        return sum(
            node.op_type == "DequantizeLinear" and self._made_by(node.input[0], "QuantizeLinear") for node in self.nodes
        )

    def size_bytes(self, tensor: str) -> int:
        """What a tensor takes: a constant in the file, another one for a frame."""
        return math.prod(self._shape(tensor)) * _dtype(self._kinds[tensor]).itemsize

    def _shape(self, tensor: str) -> list[int]:
        if tensor not in self._shapes:
            raise DataError(f"expected a network whose sizes are fixed but for the batch; {tensor} has no fixed size")
        return self._shapes[tensor]

    def _precision(self, node: NodeProto) -> str:
        if all(self._from_eight_bits(tensor) for tensor in node.input[:2]):
            return "int8"
        kind = self._kinds[node.output[0]]
        if kind not in _PRECISIONS:
            raise DataError(
                f"expected {node.name} to compute in int8, fp16 or fp32, got {helper.tensor_dtype_to_string(kind)}"
            )
        return _PRECISIONS[kind]

    def _from_eight_bits(self, tensor: str) -> bool:
        if not self._made_by(tensor, "DequantizeLinear"):
            return False
        return self._kinds.get(self._producers[tensor].input[0]) in _EIGHT_BITS

    def _made_by(self, tensor: str, kind: str) -> bool:
        return tensor in self._producers and self._producers[tensor].op_type == kind

    def _stored(self, tensors: Sequence[str]) -> list[str]:
        """The constants that tensors are made from, through whatever stands between."""
        pending, found = list(tensors), dict[str, None]()
        while pending:
            tensor = pending.pop()
            if tensor in self._constants:
                found[tensor] = None
            elif tensor in self._producers:
                pending.extend(self._producers[tensor].input)
        return list(found)


def _for_one_frame(proto: onnx.ModelProto) -> onnx.ModelProto:
    """A copy whose batch is 1."""
    single = onnx.ModelProto()
    single.CopyFrom(proto)
    # What an exporter noted of tensors in between may hold the free batch.
    del single.graph.value_info[:]
    for port in (*single.graph.input, *single.graph.output):
        sizes = port.type.tensor_type.shape.dim
        if sizes and not sizes[0].HasField("dim_value"):
            sizes[0].dim_value = 1
    return single


def _port(port: ValueInfoProto) -> dict[str, Any]:
    kind = port.type.tensor_type
    return {
        "name": port.name,
        "dtype": _dtype(kind.elem_type).name,
        "shape": [dim.dim_value or "N" for dim in kind.shape.dim],
    }


def _dtype(kind: int) -> np.dtype[np.generic]:
    try:
        return helper.tensor_dtype_to_np_dtype(kind)
    except KeyError:
        raise DataError(f"expected tensors of a type that ONNX has, got type {kind}") from None


def _short_names(nodes: Sequence[NodeProto]) -> list[str]:
    """The module's name out of each path, such as backbone.0.0 out of /backbone/backbone.0/backbone.0.0/Conv."""
    names: list[str] = []
    for node in nodes:
        parts = [part for part in node.name.split("/") if part] or [node.op_type]
        name = parts[-2] if len(parts) > 1 else parts[0]
        alike = sum(other == name or other.startswith(f"{name} (") for other in names)
        names.append(f"{name} ({alike + 1})" if alike else name)
    return names
