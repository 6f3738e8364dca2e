"""Levels of 0..255 divided before the first convolution, so that its INT8 weights have scales that FP16 can hold.

A convolution that reads whole levels has tiny weights: their scales, a 127th of them, are subnormal in half precision,
which some hardware rounds to zero. A power of two moves them up, and changes no other bit.
"""

import numpy as np
import onnx
from onnx import numpy_helper

DIVISOR = 64

# What a frame passes on its way to the first convolution and stays 0..255, about.
_ON_THE_WAY = ("Cast", "Transpose", "Sub", "Pad")


def divide_levels(model: onnx.ModelProto, port: str = "frame") -> onnx.ModelProto:
    """Divides what convolutions read of an input's levels by 64, and multiplies their weights by it.

    Args:
        model: FP32 or FP16 ONNX. Both must be changed alike: ranges that are measured in one serve the other.
        port: The input in 0..255.
    """
    graph = model.graph
    levels = {port}
    for node in graph.node:
        if node.op_type in _ON_THE_WAY and node.input[0] in levels:
            levels.update(node.output)
    readers = [node for node in graph.node if node.op_type == "Conv" and node.input[0] in levels]
    weights = {tensor.name: tensor for tensor in graph.initializer}
    for name in {conv.input[1] for conv in readers}:
        values = numpy_helper.to_array(weights[name])
        weights[name].CopyFrom(numpy_helper.from_array(values * values.dtype.type(DIVISOR), name))
    for name in dict.fromkeys(conv.input[0] for conv in readers):
        reads = [conv for conv in readers if conv.input[0] == name]
        dtype = numpy_helper.to_array(weights[reads[0].input[1]]).dtype
        divided, factor = f"{name}/divided", f"{name}/factor"
        graph.initializer.append(numpy_helper.from_array(np.asarray(1 / DIVISOR, dtype), factor))
        for conv in reads:
            conv.input[0] = divided
        position = list(graph.node).index(reads[0])
        graph.node.insert(position, onnx.helper.make_node("Mul", [name, factor], [divided], name=divided))
    return model
