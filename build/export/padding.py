"""Zero padding as part of the convolution that follows, so that engines quantise and run one layer for two."""

from collections import Counter
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx.reference import ReferenceEvaluator


def fold_padding(model: onnx.ModelProto) -> onnx.ModelProto:
    """Makes each zero padding before a convolution part of it: PyTorch's own convolutions pad symmetrically only."""
    users = Counter(name for node in model.graph.node for name in node.input)
    pads = {node.output[0]: node for node in model.graph.node if node.op_type == "Pad"}
    if not pads:
        return model
    for conv in [node for node in model.graph.node if node.op_type == "Conv" and node.input[0] in pads]:
        pad = pads[conv.input[0]]
        if users[pad.output[0]] > 1:
            continue
        amounts = _constant(model, pad.input[1])  # Before and after, for N, C, H and W.
        own = next(attribute for attribute in conv.attribute if attribute.name == "pads")
        own.ints[:] = [own + more for own, more in zip(own.ints, amounts[[2, 3, 6, 7]].tolist(), strict=True)]
        conv.input[0] = pad.input[0]
    _remove_unused(model.graph)
    # Shapes were unknown behind the padding.
    return onnx.shape_inference.infer_shapes(model)


def _constant(model: onnx.ModelProto, name: str) -> NDArray[np.int64]:
    """Computes a tensor that depends on no input: the exporter writes amounts of padding as a chain of nodes."""
    needed, nodes = {name}, []
    for node in reversed(model.graph.node):
        if needed.intersection(node.output):
            needed.update(node.input)
            nodes.append(node)
    constants = [tensor for tensor in model.graph.initializer if tensor.name in needed]
    output = onnx.helper.make_tensor_value_info(name, onnx.TensorProto.INT64, None)
    graph = onnx.helper.make_graph(nodes[::-1], "constant", [], [output], constants)
    chain = onnx.helper.make_model(graph, opset_imports=model.opset_import)
    results: Any = ReferenceEvaluator(chain).run(None, {})
    return np.asarray(results[0], np.int64)


def _remove_unused(graph: onnx.GraphProto) -> None:
    outputs = {port.name for port in graph.output}
    while True:
        used = outputs.union(*(node.input for node in graph.node))
        unused = [node for node in graph.node if not used.intersection(node.output)]
        if not unused:
            return
        for node in unused:
            graph.node.remove(node)
