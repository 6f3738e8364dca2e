"""Levels of 0..255 are divided before the first convolution, without any other change."""

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

from edgefg.build.export.level_scale import divide_levels
from edgefg.build.quantization.qdq import TENSORRT, quantize

helper, kinds = onnx.helper, onnx.TensorProto
SMALLEST_NORMAL = float(np.finfo(np.float16).tiny)
# As a convolution that reads whole levels has them.
WEIGHTS = np.random.default_rng(0).normal(0, 2e-3, (4, 3, 3, 3)).astype(np.float32)


def network(kind: int = kinds.FLOAT) -> bytes:
    """Frame -> floats -> planes -> minus a mean -> convolution -> ReLU -> convolution."""
    dtype = helper.tensor_dtype_to_np_dtype(kind)
    constants = {
        "mean": np.full((1, 3, 1, 1), 100, dtype),
        "w": WEIGHTS.astype(dtype),
        "b": np.arange(4).astype(dtype),
        "w2": np.ones((1, 4, 1, 1), dtype),
    }
    nodes = [
        helper.make_node("Cast", ["frame"], ["floats"], to=kind),
        helper.make_node("Transpose", ["floats"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("Sub", ["planes", "mean"], ["centred"]),
        helper.make_node("Conv", ["centred", "w", "b"], ["found"], name="first"),
        helper.make_node("Relu", ["found"], ["positive"]),
        helper.make_node("Conv", ["positive", "w2"], ["y"], name="second"),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("frame", kinds.UINT8, ("N", 8, 8, 3))],
        [helper.make_tensor_value_info("y", kind, ("N", 1, 6, 6))],
        [onnx.numpy_helper.from_array(values, name) for name, values in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)], ir_version=8)
    return bytes(model.SerializeToString())


def divided(model: bytes) -> bytes:
    return bytes(divide_levels(onnx.load_from_string(model)).SerializeToString())


def run(model: bytes) -> np.ndarray:
    frame = np.random.default_rng(1).integers(0, 256, (2, 8, 8, 3), np.uint8)
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"frame": frame})
    return np.asarray(found)


def test_it_changes_no_result() -> None:
    np.testing.assert_array_equal(run(divided(network())), run(network()))


def test_only_what_reads_levels_changes() -> None:
    model = onnx.load_from_string(divided(network()))
    values = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    np.testing.assert_array_equal(values["w"], WEIGHTS * 64)
    np.testing.assert_array_equal(values["w2"], np.ones((1, 4, 1, 1)))
    onnx.checker.check_model(model, full_check=True)


@pytest.mark.parametrize(("change", "are_normal"), [(divided, True), (bytes, False)])
def test_scales_of_int8_weights_are_normal_in_half_precision(change: "type[bytes]", are_normal: bool) -> None:
    bounds = {"first": (-2.0, 3.0), "second": (0.0, 1.0)}
    model = onnx.load_from_string(quantize(change(network(kinds.FLOAT16)), bounds, TENSORRT))
    scales = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    assert scales["w/int8/scale"].dtype == np.float16
    assert bool((scales["w/int8/scale"] >= SMALLEST_NORMAL).all()) == are_normal
