"""CPUs without VNNI add two products in 16 bits, which saturate; the weights of INT8 networks never let them."""

import numpy as np
import numpy.typing as npt
import pytest

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from edgefg.build.quantization.qdq import CPU, TENSORRT, Scheme, quantize
from edgefg.bundle.bundle import open_bundle

Integers = npt.NDArray[np.int8]
Rows = npt.NDArray[np.int64]


def saturating_sums(activations: npt.NDArray[np.uint8], weights: Rows) -> Rows:
    """Adds products as PMADDUBSW and PMADDWD do: neighbours in saturating 16 bits, these sums in 32."""
    products = activations.astype(np.int64) * weights
    if products.shape[1] % 2:
        products = np.pad(products, ((0, 0), (0, 1)))
    return np.clip(products[:, 0::2] + products[:, 1::2], -32768, 32767).sum(axis=1)


def orders(weights: Integers) -> list[Rows]:
    """Reports the orders in which engines read weights (O, I, height, width), as rows of what they add.

    OpenVINO pairs the channels of each tap, and an odd one with nothing; ONNX Runtime lays the taps in a row.
    """
    outputs, channels = weights.shape[:2]
    by_tap = weights.reshape(outputs, channels, -1).transpose(0, 2, 1).astype(np.int64)
    padded = np.pad(by_tap, ((0, 0), (0, 0), (0, channels % 2)))
    return [by_tap.reshape(outputs, -1), padded.reshape(outputs, -1)]


def worst_activations(weights: Rows) -> list[npt.NDArray[np.uint8]]:
    """Reports activations that drive the sums as far as they go, up and down."""
    return [np.where(weights > 0, 255, 0).astype(np.uint8), np.where(weights < 0, 255, 0).astype(np.uint8)]


def saturates(weights: Integers) -> bool:
    return any(
        bool((saturating_sums(activations, rows) != (activations.astype(np.int64) * rows).sum(axis=1)).any())
        for rows in orders(weights)
        for activations in worst_activations(rows)
    )


def weights_of(model: bytes) -> list[Integers]:
    """Reports the INT8 weights of each convolution, output channels first."""
    graph = onnx.load_from_string(model).graph
    constants = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    made = {node.output[0]: node for node in graph.node}
    return [
        np.moveaxis(constants[made[node.input[1]].input[0]], 0 if node.op_type == "Conv" else 1, 0)
        for node in graph.node
        if node.op_type in ("Conv", "ConvTranspose")
    ]


def quantised_weights(values: npt.NDArray[np.float32], kind: str, scheme: Scheme) -> tuple[Integers, bytes]:
    """Reports what one convolution becomes; `values` has output channels first."""
    helper, value = onnx.helper, onnx.helper.make_tensor_value_info
    weights = values if kind == "Conv" else np.ascontiguousarray(values.swapaxes(0, 1))
    graph = helper.make_graph(
        [helper.make_node(kind, ["x", "w"], ["y"], name="conv")],
        "one",
        [value("x", 1, (1, values.shape[1], 8, 8))],
        [value("y", 1, (1, len(values), None, None))],
        [onnx.numpy_helper.from_array(weights, "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()
    found = quantize(model, {"conv": (0, 255)}, scheme)
    return weights_of(found)[0], found


def drawn(channels: int) -> npt.NDArray[np.float32]:
    return np.random.default_rng(channels).normal(0, 1, (8, channels, 3, 3)).astype(np.float32)


@pytest.mark.parametrize("kind", ["Conv", "ConvTranspose"])
@pytest.mark.parametrize("channels", [1, 3, 4, 9, 48])
def test_no_sum_of_a_network_for_the_cpu_saturates(channels: int, kind: str) -> None:
    assert not saturates(quantised_weights(drawn(channels), kind, CPU)[0])


@pytest.mark.parametrize("channels", [3, 4, 9, 48])
def test_rounding_to_the_nearest_saturates(channels: int) -> None:
    """Without this the tests above would prove nothing; TensorRT adds in 32 bits and keeps every bit."""
    weights, _ = quantised_weights(drawn(channels), "Conv", TENSORRT)
    assert np.abs(weights).max(axis=(1, 2, 3)).tolist() == [127] * len(weights)
    assert saturates(weights)


@pytest.mark.parametrize("value", [1.0, -1.0])
def test_weights_that_are_all_alike_share_the_room(value: float) -> None:
    weights, _ = quantised_weights(np.full((2, 4, 3, 3), value, np.float32), "Conv", CPU)
    assert not saturates(weights)
    assert np.abs(weights).min() >= 63


def test_only_what_could_saturate_is_rounded_more_coarsely() -> None:
    """Large neighbours of opposite signs cannot, nor can a large one beside a small one."""
    values = np.tile(np.array([1, -1, 1, 0.003], np.float32).reshape(1, 4, 1, 1), (2, 1, 1, 1))
    weights, _ = quantised_weights(values, "Conv", CPU)
    assert np.abs(weights).max() == 127


@pytest.mark.parametrize("channels", [4, 48])
def test_it_is_closer_than_seven_bits(channels: int) -> None:
    values = drawn(channels)
    weights, model = quantised_weights(values, "Conv", CPU)
    constants = {t.name: onnx.numpy_helper.to_array(t) for t in onnx.load_from_string(model).graph.initializer}
    error = np.square(weights * constants["w/int8/scale"].reshape(-1, 1, 1, 1) - values).mean()
    coarse = np.abs(values).max(axis=(1, 2, 3), keepdims=True) / 63
    assert error < 0.75 * np.square(np.round(values / coarse) * coarse - values).mean()


def test_no_sum_of_the_bundle_that_ships_saturates() -> None:
    (variant,) = (v for v in open_bundle().variants if v.precision == "int8" and "openvino" in v.engines)
    layers = [weights for stage in (variant.stage1, variant.stage2) for weights in weights_of(stage.read_bytes())]
    assert layers
    assert not [index for index, weights in enumerate(layers) if saturates(weights)]
