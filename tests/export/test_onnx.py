"""ONNX exports keep the stages' contract, and agree with torch."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

from edgefg.build.export.onnx import export_stage1, export_stage2, fold_batch_norm
from edgefg.build.networks.fusion import CONCAT
from edgefg.build.networks.make import make_stage1, make_stage2
from edgefg.build.networks.sizes import LITE, VGG_LITE, Size
from edgefg.build.networks.stage1 import SiameseDistance
from edgefg.build.networks.stage2 import MaskDecoder
from edgefg.build.networks.vgg import VggDistance
from edgefg.errors import OptionError

SIZE = (64, 48)
NARROW = Size("narrow", width=0.125, early_stride=1, feature_channels=8, batch_norm=False)


@pytest.fixture(scope="module", params=[VGG_LITE, LITE, NARROW], ids=lambda size: size.name)
def stages(request: pytest.FixtureRequest) -> "tuple[SiameseDistance, MaskDecoder]":
    torch.manual_seed(0)
    stage1, stage2 = make_stage1(request.param), make_stage2(request.param, CONCAT)
    for module in (*stage1.modules(), *stage2.modules()):
        if isinstance(module, torch.nn.BatchNorm2d):  # As training leaves them, so that folding has something to do.
            module.running_mean.normal_(0, 0.2)
            module.running_var.uniform_(0.5, 2)
            module.weight.data.uniform_(0.5, 1.5)
    return stage1.eval(), stage2.eval()


def frames(count: int) -> np.ndarray:  # type: ignore[type-arg]
    return np.random.default_rng(1).integers(0, 256, (count, SIZE[1], SIZE[0], 3), np.uint8)


def ports(model: bytes) -> dict[str, list[object]]:
    graph = onnx.load_from_string(model).graph
    return {
        port.name: [dim.dim_param or dim.dim_value for dim in port.type.tensor_type.shape.dim]
        for port in (*graph.input, *graph.output)
    }


def test_stage1_has_the_contracts_ports(stages: "tuple[SiameseDistance, MaskDecoder]") -> None:
    frame = torch.zeros(1, SIZE[1], SIZE[0], 3, dtype=torch.uint8)
    channels = stages[0].features(frame).shape[1]
    assert ports(export_stage1(stages[0], SIZE)) == {
        "frame": ["N", 48, 64, 3],
        "background_features": ["N", channels, 12, 16],
        "features": ["N", channels, 12, 16],
        "distance": ["N", 12, 16],
        **context_port(stages[1]),
    }


def test_stage2_has_the_contracts_ports(stages: "tuple[SiameseDistance, MaskDecoder]") -> None:
    assert ports(export_stage2(stages[1], SIZE)) == {
        "frame": ["N", 48, 64, 3],
        "distance": ["N", 12, 16],
        **context_port(stages[1]),
        "probability": ["N", 48, 64],
    }


def context_port(stage2: MaskDecoder) -> dict[str, list[object]]:
    return {"context": ["N", stage2.context_channels, 12, 16]} if stage2.context_channels else {}


@pytest.mark.parametrize("batch", [1, 3])
def test_exports_agree_with_torch(stages: "tuple[SiameseDistance, MaskDecoder]", batch: int) -> None:
    stage1, stage2 = stages
    first = onnxruntime.InferenceSession(export_stage1(stage1, SIZE), providers=["CPUExecutionProvider"])
    second = onnxruntime.InferenceSession(export_stage2(stage2, SIZE), providers=["CPUExecutionProvider"])
    frame = frames(batch)
    with torch.inference_mode():
        background = stage1.features(torch.from_numpy(frame[::-1].copy()))
        expected = stage1(torch.from_numpy(frame), background)
        logits = stage2(torch.from_numpy(frame), expected.distance, expected.context)
        probability = (logits.sigmoid() * 255).round()
    names = [port.name for port in first.get_outputs()]
    found = dict(zip(names, first.run(None, {"frame": frame, "background_features": background.numpy()}), strict=True))
    for name in names:
        np.testing.assert_allclose(found[name], getattr(expected, name).numpy(), rtol=1e-3, atol=2e-3)
    del found["features"]
    mask = second.run(None, {"frame": frame, **found})[0]
    assert mask.dtype == np.uint8
    assert np.abs(mask.astype(int) - probability.numpy()).max() <= 1


def test_folding_batch_norm_changes_nothing_but_the_layers(stages: "tuple[SiameseDistance, MaskDecoder]") -> None:
    stage1 = stages[0]
    folded = fold_batch_norm(stage1)
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in folded.modules())
    frame = torch.from_numpy(frames(1))
    with torch.inference_mode():
        torch.testing.assert_close(folded.features(frame), stage1.features(frame), rtol=1e-3, atol=1e-3)


def test_no_padding_is_left_beside_a_convolution(stages: "tuple[SiameseDistance, MaskDecoder]") -> None:
    nodes = onnx.load_from_string(export_stage1(stages[0], SIZE)).graph.node
    assert not [node for node in nodes if node.op_type == "Pad"]


@pytest.mark.parametrize("size", [(320, 250), (0, 0), (8, 8), (-16, 16)])
def test_an_input_size_that_cannot_be_halved_is_refused(size: tuple[int, int]) -> None:
    with pytest.raises(OptionError, match="multiples of 16"):
        export_stage1(VggDistance(VGG_LITE), size)
