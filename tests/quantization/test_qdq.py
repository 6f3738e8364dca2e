"""Q/DQ nodes: where they stand, node by node, and what they do to the values."""

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
torch = pytest.importorskip("torch")
pytest.importorskip("onnxruntime")

from edgefg.build.export.onnx import export_stage1, export_stage2
from edgefg.build.export.simulate import open_session
from edgefg.build.networks.sizes import VGG_LITE
from edgefg.build.networks.stage2 import UNetDecoder
from edgefg.build.networks.vgg import VggDistance
from edgefg.build.quantization.qdq import CPU, TENSORRT, Scheme, convolution_inputs, quantize
from edgefg.errors import DataError

SIZE = (64, 48)
RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def stages() -> dict[str, bytes]:
    torch.manual_seed(0)
    first, second = VggDistance(VGG_LITE).eval(), UNetDecoder(VGG_LITE).eval()
    return {
        "stage1": export_stage1(first, SIZE),
        "stage2": export_stage2(second, SIZE),
        "stage1.half": export_stage1(first, SIZE, half=True),
        "stage2.half": export_stage2(second, SIZE, half=True),
    }


def bounds(model: bytes, low: float = -200.0, high: float = 200.0) -> dict[str, tuple[float, float]]:
    return dict.fromkeys(convolution_inputs(model), (low, high))


def graph_of(model: bytes) -> tuple[dict[str, "onnx.NodeProto"], dict[str, np.ndarray], list["onnx.NodeProto"]]:
    """Producers by tensor, constants by name, convolutions."""
    graph = onnx.load_from_string(model).graph
    producers = {output: node for node in graph.node for output in node.output}
    constants = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    return producers, constants, [node for node in graph.node if node.op_type in ("Conv", "ConvTranspose")]


@pytest.mark.parametrize("stage", ["stage1", "stage2", "stage1.half", "stage2.half"])
@pytest.mark.parametrize("scheme", [CPU, TENSORRT], ids=lambda scheme: scheme.name)
def test_placement_node_by_node(stage: str, scheme: Scheme, stages: dict[str, bytes]) -> None:
    float_dtype = np.float16 if "half" in stage else np.float32
    model = quantize(stages[stage], bounds(stages[stage]), scheme)
    producers, constants, convolutions = graph_of(model)
    assert len(convolutions) == len(convolution_inputs(stages[stage]))
    for node in (node for node in convolutions if node.op_type in scheme.operators):
        data = producers[node.input[0]]
        assert data.op_type == "DequantizeLinear"
        assert producers[data.input[0]].op_type == "QuantizeLinear"
        scale, zero_point = (constants[name] for name in data.input[1:3])
        assert scale.shape == zero_point.shape == ()  # a scale for the whole tensor
        assert (scale.dtype, zero_point.dtype) == (float_dtype, np.dtype(scheme.activations))
        assert zero_point == 0 or scheme is CPU
        # The same scale on the way in and out.
        assert list(producers[data.input[0]].input[1:3]) == list(data.input[1:3])

        weight = producers[node.input[1]]
        assert weight.op_type == "DequantizeLinear"
        integers, scales, zero_points = (constants[name] for name in weight.input)
        axis = next(attribute.i for attribute in weight.attribute if attribute.name == "axis")
        assert axis == (0 if node.op_type == "Conv" else 1)
        assert integers.dtype == np.int8
        assert integers.min() >= -127
        assert scales.shape == zero_points.shape == (integers.shape[axis],)  # one for each output channel
        assert scales.dtype == float_dtype
        assert not zero_points.any()

        # The bias stays as it was. (The exporter lets layers with equal biases share one.)
        bias = node.input[2] if node.input[2] in constants else producers[node.input[2]].input[0]
        assert constants[bias].dtype == float_dtype


@pytest.mark.parametrize("stage", ["stage1", "stage2"])
def test_nothing_else_is_quantised(stage: str, stages: dict[str, bytes]) -> None:
    producers, _, convolutions = graph_of(quantize(stages[stage], bounds(stages[stage]), TENSORRT))
    into_convolutions = {name for node in convolutions if node.op_type == "Conv" for name in node.input[:2]}
    dequantised = {node.output[0] for node in producers.values() if node.op_type == "DequantizeLinear"}
    assert dequantised == into_convolutions
    # No output of a convolution goes straight into a QuantizeLinear: convolution, bias and ReLU can be one kernel.
    for node in producers.values():
        if node.op_type == "QuantizeLinear":
            assert producers[node.input[0]].op_type not in ("Conv", "ConvTranspose") or stage == "stage2"


def test_tensorrt_has_transposed_convolutions_in_floating_point(stages: dict[str, bytes]) -> None:
    _, constants, convolutions = graph_of(quantize(stages["stage2"], bounds(stages["stage2"]), TENSORRT))
    transposed = [node for node in convolutions if node.op_type == "ConvTranspose"]
    assert len(transposed) == 4
    assert all(constants[node.input[1]].dtype == np.float32 for node in transposed)


def test_a_tensor_that_two_convolutions_read_is_quantised_once(stages: dict[str, bytes]) -> None:
    inputs = list(convolution_inputs(stages["stage2"]).values())
    producers, _, _ = graph_of(quantize(stages["stage2"], bounds(stages["stage2"]), CPU))
    quantised = [node.input[0] for node in producers.values() if node.op_type == "QuantizeLinear"]
    assert sorted(quantised) == sorted(set(inputs))


@pytest.mark.parametrize("scheme", [CPU, TENSORRT], ids=lambda scheme: scheme.name)
def test_a_layer_may_stay_in_floating_point(scheme: Scheme, stages: dict[str, bytes]) -> None:
    kept = list(convolution_inputs(stages["stage1"]))[3]
    model = quantize(stages["stage1"], bounds(stages["stage1"]), scheme, [kept])
    producers, constants, convolutions = graph_of(model)
    (node,) = (node for node in convolutions if node.name == kept)
    assert constants[node.input[1]].dtype == np.float32
    assert producers[node.input[0]].op_type != "DequantizeLinear"


def test_a_layer_without_a_range_is_an_error(stages: dict[str, bytes]) -> None:
    known = bounds(stages["stage1"])
    known.popitem()
    with pytest.raises(DataError, match="expected a range for the input of"):
        quantize(stages["stage1"], known, CPU)


@pytest.mark.parametrize(
    ("scheme", "low", "high", "scale", "zero_point"),
    [
        (CPU, 0, 255, 1, 0),
        (CPU, -51, 204, 1, 51),
        (CPU, 10, 510, 2, 0),  # widened to hold 0
        (TENSORRT, 0, 254, 2, 0),
        (TENSORRT, -127, 20, 1, 0),
    ],
)
def test_scale_and_zero_point(scheme: Scheme, low: float, high: float, scale: float, zero_point: int) -> None:
    assert scheme.parameters((low, high)) == pytest.approx((scale, zero_point))


@pytest.mark.parametrize("scheme", [CPU, TENSORRT], ids=lambda scheme: scheme.name)
@pytest.mark.parametrize("edges", [(0.0, 0.0), (-1e-9, 1e-9)])
def test_a_tensor_that_is_always_nothing_gets_a_scale(scheme: Scheme, edges: tuple[float, float]) -> None:
    scale, zero_point = scheme.parameters(edges)
    assert np.float16(scale) > 0
    assert zero_point == 0


@pytest.mark.parametrize("scheme", [CPU, TENSORRT], ids=lambda scheme: scheme.name)
def test_values_stay_close(scheme: Scheme, stages: dict[str, bytes]) -> None:
    """One convolution, whose input the range fits exactly: the error is that of 8 bits."""
    helper, numpy_helper = onnx.helper, onnx.numpy_helper
    weights = RNG.normal(0, 1, (4, 3, 3, 3)).astype(np.float32)
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node("Conv", ["x", "w", "b"], ["y"], name="conv")],
        "one",
        [value("x", 1, (1, 3, 8, 8))],
        [value("y", 1, (1, 4, 6, 6))],
        [numpy_helper.from_array(weights, "w"), numpy_helper.from_array(np.ones(4, np.float32), "b")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()
    frame = RNG.uniform(-1, 3, (1, 3, 8, 8)).astype(np.float32)
    exact, found = (
        open_session(form).run(None, {"x": frame})[0] for form in (model, quantize(model, {"conv": (-1, 3)}, scheme))
    )
    noise = np.square(found - exact).mean() / np.square(exact).mean()
    assert 0 < noise < 1e-3  # 30 dB


@pytest.mark.parametrize("size", [1e-9, 1e-4])
def test_tiny_weights_keep_a_scale_in_half_precision(size: float, stages: dict[str, bytes]) -> None:
    model = onnx.load_from_string(stages["stage1.half"])
    first = next(node for node in model.graph.node if node.op_type == "Conv")
    (tensor,) = (tensor for tensor in model.graph.initializer if tensor.name == first.input[1])
    values = onnx.numpy_helper.to_array(tensor).copy()
    values[0] = np.sign(values[0]) * size
    tensor.CopyFrom(onnx.numpy_helper.from_array(values, tensor.name))
    quantised = quantize(model.SerializeToString(), bounds(stages["stage1"]), TENSORRT)
    producers, constants, convolutions = graph_of(quantised)
    assert (constants[producers[convolutions[0].input[1]].input[1]] > 0).all()
