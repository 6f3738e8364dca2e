"""Networks whose stage 1 hands stage 2 more than the distance map."""

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

from edgefg.build.export.onnx import export_stage1, export_stage2
from edgefg.build.networks.fusion import CONCAT
from edgefg.build.networks.make import make_stage1, make_stage2
from edgefg.build.networks.sizes import LITE
from edgefg.bundle.bundle import Bundle, write_bundle
from edgefg.engines.open import open_engine
from edgefg.errors import BundleError

from ..conftest import HEIGHT, WIDTH, fp32_variant

SIZE = (WIDTH, HEIGHT)


def manifest(context_channels: int) -> dict[str, object]:
    return {
        "name": "lite",
        "network": {
            "size": "lite",
            "width": 0.1875,
            "early_stride": 2,
            "feature_channels": LITE.feature_channels,
            "context_channels": context_channels,
        },
        "input_size": {"width": WIDTH, "height": HEIGHT},
        "decision": {"schema": 1, "mode": "full", "threshold": 0.5},
        "variants": [fp32_variant()],
        "versions": {"edgefg": "0.1.0"},
        "measured": {},
    }


@pytest.fixture(scope="module")
def networks() -> "tuple[torch.nn.Module, torch.nn.Module]":
    torch.manual_seed(0)
    return make_stage1(LITE).eval(), make_stage2(LITE, CONCAT).eval()


@pytest.fixture(scope="module")
def files(networks: "tuple[torch.nn.Module, torch.nn.Module]") -> dict[str, bytes]:
    stage1, stage2 = networks
    return {
        "stage1.onnx": export_stage1(stage1, SIZE),
        "stage2.onnx": export_stage2(stage2, SIZE),
        "card.json": b'{"seen_frames": []}',
        "LICENSE": b"Made by tests.\n",
    }


@pytest.fixture
def bundle(files: dict[str, bytes], tmp_path: Path) -> Bundle:
    return write_bundle(tmp_path / "lite", files=files, manifest=manifest(LITE.context_channels))


@pytest.mark.parametrize("name", ["openvino", "onnxruntime"])
def test_an_engine_hands_it_on(name: str, bundle: Bundle, networks: "tuple[torch.nn.Module, torch.nn.Module]") -> None:
    pytest.importorskip(name)
    stage1, stage2 = networks
    rng = np.random.default_rng(0)
    background, frame = rng.integers(0, 256, (2, HEIGHT, WIDTH, 3), np.uint8)
    engine = open_engine(bundle, name, None, None)
    try:
        outcome = engine.run(frame, engine.embed(background))
    finally:
        engine.close()
    with torch.inference_mode():
        found = stage1(torch.from_numpy(frame)[None], stage1.features(torch.from_numpy(background)[None]))
        logits = stage2(torch.from_numpy(frame)[None], found.distance, found.context)
    expected = (logits.sigmoid()[0] * 255).numpy()
    assert outcome.probability is not None
    assert np.abs(outcome.probability - expected).max() <= 1.01


def test_a_manifest_without_it_is_refused(files: dict[str, bytes], tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path / "lite", files=files, manifest=manifest(0))
    with pytest.raises(BundleError, match="expected a network from background_features, frame to distance, features"):
        open_engine(bundle, "onnxruntime", None, None)
