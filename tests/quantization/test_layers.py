"""What a build says of a network's layers is what the network has."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")

from edgefg.build.quantization.layers import layers_of
from edgefg.build.quantization.qdq import CPU, TENSORRT, Scheme, convolution_inputs, quantize
from edgefg.bundle.bundle import open_bundle
from edgefg.errors import DataError

STAGES = ("stage1", "stage2")
Export = Callable[..., tuple[bytes, bytes]]


@pytest.fixture(scope="module")
def export() -> Export:
    """Makes the ONNX of both stages of VGG_LITE."""
    torch = pytest.importorskip("torch")
    from edgefg.build.export.onnx import export_stage1, export_stage2
    from edgefg.build.networks.sizes import VGG_LITE
    from edgefg.build.networks.stage2 import UNetDecoder
    from edgefg.build.networks.vgg import VggDistance

    torch.manual_seed(0)
    stage1, stage2 = VggDistance(VGG_LITE).eval(), UNetDecoder(VGG_LITE).eval()

    def make(size: tuple[int, int] = (64, 48), *, half: bool = False) -> tuple[bytes, bytes]:
        return export_stage1(stage1, size, half=half), export_stage2(stage2, size, half=half)

    return make


def network(
    nodes: list[Any],
    weights: dict[str, tuple[int, ...]],
    *,
    frame: tuple[int | str, ...] = ("N", 4, 12, 16),
    result: tuple[int | str, ...] = ("N", "C", "H", "W"),
    dtype: type[np.generic] = np.float32,
) -> bytes:
    """A graph from `data` to `result` whose weights are ones."""
    kind = onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    graph = onnx.helper.make_graph(
        nodes,
        "small",
        [onnx.helper.make_tensor_value_info("data", kind, frame)],
        [onnx.helper.make_tensor_value_info("result", kind, result)],
        [onnx.numpy_helper.from_array(np.ones(shape, dtype), name) for name, shape in weights.items()],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 19)], ir_version=9)
    return bytes(model.SerializeToString())


def conv(name: str, data: str, weight: str, output: str, op: str = "Conv", **attributes: object) -> Any:
    return onnx.helper.make_node(op, [data, weight], [output], name=name, **attributes)


def in_int8(model: bytes, scheme: Scheme, but: tuple[str, ...] = ()) -> bytes:
    return quantize(model, dict.fromkeys(convolution_inputs(model), (-1.0, 1.0)), scheme, but)


def pick(description: dict[str, Any], key: str) -> list[Any]:
    return [layer[key] for layer in description["layers"]]


class TestFigures:
    def test_multiply_adds_are_those_that_the_shipped_bundle_was_measured_to_have(self) -> None:
        bundle = open_bundle()
        variant = bundle.variants_for("onnxruntime", "fp32")[0]
        for stage, path in zip(STAGES, (variant.stage1, variant.stage2), strict=True):
            totals = layers_of(path.read_bytes())["totals"]
            assert totals["multiply_adds"] == bundle.manifest["measured"]["multiply_adds"][stage]

    @pytest.mark.parametrize("size", [(320, 240), (112, 80)])
    def test_multiply_adds_are_those_that_torch_counts(self, export: Export, size: tuple[int, int]) -> None:
        import torch

        from edgefg.build.networks.cost import multiply_adds
        from edgefg.build.networks.sizes import VGG_LITE
        from edgefg.build.networks.stage2 import UNetDecoder
        from edgefg.build.networks.vgg import VggDistance

        width, height = size
        frame = torch.zeros(1, height, width, 3, dtype=torch.uint8)
        features = torch.zeros(1, VGG_LITE.feature_channels, height // 4, width // 4)
        counted = [
            multiply_adds(VggDistance(VGG_LITE).eval(), frame, features),
            multiply_adds(UNetDecoder(VGG_LITE).eval(), frame, features[:, 0]),
        ]
        described = [layers_of(model) for model in export(size)]
        assert [stage["totals"]["multiply_adds"] for stage in described] == counted
        assert [sum(pick(stage, "multiply_adds")) for stage in described] == counted

    def test_one_layer_by_hand(self) -> None:
        nodes = [
            conv("/enc/enc.0/Conv", "data", "w", "middle", strides=[2, 1], pads=[1, 1, 1, 1]),  # (1, 8, 6, 16)
            conv("/up/ConvTranspose", "middle", "u", "result", "ConvTranspose", strides=[2, 2]),  # (1, 2, 12, 32)
        ]
        first, second = layers_of(network(nodes, {"w": (8, 4, 3, 3), "u": (8, 2, 2, 2)}))["layers"]
        assert first == {
            "name": "enc.0",
            "op": "Conv",
            "precision": "fp32",
            "kernel": [3, 3],
            "stride": [2, 1],
            "channels_in": 4,
            "channels_out": 8,
            "output_height": 6,
            "output_width": 16,
            "multiply_adds": 6 * 16 * 8 * 4 * 9,
            "weight_bytes": 4 * 8 * 4 * 9,
            "output_bytes": 4 * 8 * 6 * 16,
        }
        assert second["multiply_adds"] == 12 * 32 * 2 * 8
        assert (second["channels_in"], second["channels_out"]) == (8, 2)
        assert (second["output_height"], second["output_width"]) == (12, 32)

    def test_groups_multiply_less(self) -> None:
        (layer,) = layers_of(network([conv("c", "data", "w", "result", group=4)], {"w": (8, 1, 1, 1)}))["layers"]
        assert (layer["channels_in"], layer["channels_out"], layer["multiply_adds"]) == (4, 8, 8 * 12 * 16)

    def test_a_weight_that_layers_share_is_stored_once(self) -> None:
        nodes = [
            onnx.helper.make_node("Identity", ["w"], ["same"]),
            conv("a", "data", "w", "middle"),
            conv("b", "middle", "same", "result"),
        ]
        assert pick(layers_of(network(nodes, {"w": (4, 4, 1, 1)})), "weight_bytes") == [64, 0]

    def test_a_weight_may_be_a_node(self) -> None:
        weight = onnx.numpy_helper.from_array(np.ones((4, 4, 1, 1), np.float32))
        nodes = [onnx.helper.make_node("Constant", [], ["w"], value=weight), conv("a", "data", "w", "result")]
        assert pick(layers_of(network(nodes, {})), "weight_bytes") == [64]

    def test_bytes_of_ports_and_layers(self, export: Export) -> None:
        stage1, stage2 = (layers_of(model) for model in export())
        frame, features, distance = 64 * 48 * 3, 64 * 12 * 16 * 4, 12 * 16 * 4
        assert stage1["totals"]["port_bytes"] == frame + 2 * features + distance
        assert stage2["totals"]["port_bytes"] == frame + distance + 64 * 48
        for stage in (stage1, stage2):
            for total, key in (("weight_bytes", "weight_bytes"), ("output_bytes", "output_bytes")):
                assert stage["totals"][total] == sum(pick(stage, key))

    def test_weights_are_nearly_all_of_the_file(self, export: Export) -> None:
        for half in (False, True):
            for model in export(half=half):
                assert 0.95 * len(model) < layers_of(model)["totals"]["weight_bytes"] < len(model)


class TestForm:
    def test_ports_have_a_free_batch(self, export: Export) -> None:
        stage1, stage2 = (layers_of(model) for model in export())
        assert stage1["inputs"] == [
            {"name": "frame", "dtype": "uint8", "shape": ["N", 48, 64, 3]},
            {"name": "background_features", "dtype": "float32", "shape": ["N", 64, 12, 16]},
        ]
        assert stage2["outputs"] == [{"name": "probability", "dtype": "uint8", "shape": ["N", 48, 64]}]

    def test_names_are_short_and_unique(self, export: Export) -> None:
        for model in export():
            names = pick(layers_of(model), "name")
            assert len(set(names)) == len(names)
            assert not [name for name in names if "/" in name]
        assert {"encoder.0.0.0", "up.3", "head"} <= set(names)

    def test_layers_of_one_name_are_numbered(self) -> None:
        nodes = [
            conv("/c/Conv", "data", "w", "a"),
            conv("/c/Conv_1", "a", "w", "b"),
            conv("/c/Conv_2", "b", "w", "c"),
            conv("", "c", "w", "result"),
        ]
        assert pick(layers_of(network(nodes, {"w": (4, 4, 1, 1)})), "name") == ["c", "c (2)", "c (3)", "Conv"]

    def test_others_are_counted_by_kind(self, export: Export) -> None:
        stage1, _ = (layers_of(model) for model in export())
        assert stage1["others"]["MaxPool"] == 5
        assert stage1["others"]["Relu"] == 10
        assert not set(stage1["others"]) & {"Conv", "Constant", "Identity"}

    def test_a_network_without_convolutions_has_no_layers(self) -> None:
        described = layers_of(network([onnx.helper.make_node("Relu", ["data"], ["result"])], {}))
        assert (described["layers"], described["others"]) == ([], {"Relu": 1})

    def test_it_is_json(self, export: Export) -> None:
        for model in export():
            described = layers_of(in_int8(model, CPU))
            assert json.loads(json.dumps(described, allow_nan=False)) == described


class TestPrecision:
    @pytest.mark.parametrize(("half", "precision", "value_bytes"), [(False, "fp32", 4), (True, "fp16", 2)])
    def test_floating_point(self, export: Export, half: bool, precision: str, value_bytes: int) -> None:
        for model in export(half=half):
            described = layers_of(model)
            assert set(pick(described, "precision")) == {precision}
            assert described["q_dq_pairs"] == 0
            for layer in described["layers"]:
                values = layer["channels_out"] * layer["output_height"] * layer["output_width"]
                assert layer["output_bytes"] == value_bytes * values

    @pytest.mark.parametrize("scheme", [CPU, TENSORRT], ids=lambda scheme: scheme.name)
    @pytest.mark.parametrize("half", [False, True], ids=["fp32", "fp16"])
    def test_int8_and_the_layers_left_out_of_it(self, export: Export, scheme: Scheme, half: bool) -> None:
        for model in export(half=half):
            kept = list(convolution_inputs(model))[1]
            described = layers_of(in_int8(model, scheme, (kept,)))
            floating = "fp16" if half else "fp32"
            expected = ["int8" if op in scheme.operators else floating for op in pick(described, "op")]
            expected[1] = floating
            assert pick(described, "precision") == expected
            assert described["q_dq_pairs"] == expected.count("int8")
            assert not set(described["others"]) & {"QuantizeLinear", "DequantizeLinear"}
            assert described["others"] == layers_of(model)["others"]
            assert pick(described, "multiply_adds") == pick(layers_of(model), "multiply_adds")

    def test_int8_weights_are_a_byte_each_and_have_scales(self) -> None:
        model = network([conv("c", "data", "w", "result")], {"w": (8, 4, 3, 3)})
        (layer,) = layers_of(in_int8(model, CPU))["layers"]
        assert layer["weight_bytes"] == 8 * 4 * 9 + 8 * (4 + 1)
        assert layer["output_bytes"] == 8 * 10 * 14

    def test_8_bit_weights_alone_are_computed_in_floating_point(self) -> None:
        model = onnx.load_from_string(in_int8(network([conv("c", "data", "w", "result")], {"w": (8, 4, 3, 3)}), CPU))
        (node,) = [node for node in model.graph.node if node.op_type == "Conv"]
        node.input[0] = "data"
        assert pick(layers_of(model.SerializeToString()), "precision") == ["fp32"]


class TestRefusals:
    @pytest.mark.parametrize("model", [b"", b"no network", b"\x08\x08"], ids=["empty", "text", "header"])
    def test_what_is_no_onnx(self, model: bytes) -> None:
        with pytest.raises(DataError, match="expected the ONNX of a stage"):
            layers_of(model)

    def test_a_file_cut_short(self, export: Export) -> None:
        with pytest.raises(DataError):
            layers_of(export()[0][:-1000])

    def test_shapes_that_do_not_fit(self) -> None:
        with pytest.raises(DataError, match="expected the ONNX of a stage"):
            layers_of(network([conv("c", "data", "w", "result")], {"w": (8, 4, 3, 3)}, result=("N", 8, 12, 16)))

    def test_a_free_height(self) -> None:
        nodes = [conv("c", "data", "w", "result")]
        with pytest.raises(DataError, match="sizes are fixed but for the batch"):
            layers_of(network(nodes, {"w": (8, 4, 3, 3)}, frame=("N", 4, "H", 16)))

    def test_a_convolution_over_time(self) -> None:
        nodes = [conv("c", "data", "w", "result")]
        with pytest.raises(DataError, match="expected c to be a convolution of images"):
            layers_of(network(nodes, {"w": (8, 4, 3)}, frame=("N", 4, 16), result=("N", "C", "W")))

    def test_another_precision(self) -> None:
        with pytest.raises(DataError, match="int8, fp16 or fp32, got Tensor"):
            layers_of(network([conv("c", "data", "w", "result")], {"w": (8, 4, 3, 3)}, dtype=np.float64))
