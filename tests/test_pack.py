"""`edgefg build`: from weights to a checked bundle."""

import json
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnxruntime")

from edgefg.build import pack  # noqa: E402
from edgefg.build.networks import MaskDecoder, SiameseDistance  # noqa: E402
from edgefg.build.sizes import LITE  # noqa: E402
from edgefg.build.weights import save_weights  # noqa: E402

from edgefg.errors import EngineError, MissingFileError, OptionError  # noqa: E402
from edgefg.segmenter import Segmenter  # noqa: E402

VALIDATION = {"frames": 4, "full": {"f": 0.8, "threshold": 0.431, "f_at_0.5": 0.79}, "map": {"f": 0.7, "distance": 9.0}}


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    path = tmp_path / "weights.safetensors"
    card = {"size": "lite", "validation": VALIDATION, "seen_frames": []}
    save_weights(path, SiameseDistance(LITE).state_dict(), MaskDecoder(LITE).state_dict(), card)
    return path


@pytest.fixture
def say_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Untrained masks are noise, in which the last bit of a sum decides: their agreement means nothing."""
    monkeypatch.setattr(pack, "LEAST_IOU", 0.0)


@pytest.mark.usefixtures("say_nothing")
def test_a_bundle_runs_and_explains_itself(weights: Path, tmp_path: Path) -> None:
    bundle = pack.build_bundle(tmp_path / "bundle", weights, input_size=(64, 48))
    assert bundle.input_size == (64, 48)
    assert bundle.threshold == 0.43
    assert json.loads((bundle.path / "card.json").read_text())["validation"] == VALIDATION
    measured = json.loads((bundle.path / "manifest.json").read_text())["measured"]
    assert measured["multiply_adds"]["stage1"] > 0
    with Segmenter(bundle) as segmenter:
        mask = segmenter.segment(np.zeros((90, 120, 3), np.uint8)).mask
    assert mask.shape == (90, 120)


def test_an_export_that_differs_from_torch_is_refused(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pack, "agreement_with_torch", lambda *_: 0.5)
    with pytest.raises(EngineError, match=r"0\.5000"):
        pack.build_bundle(tmp_path / "bundle", weights)
    assert not (tmp_path / "bundle").exists()


def test_the_shipped_size_builds_as_it_was_shipped(tmp_path: Path) -> None:
    bundle = pack.build_bundle(tmp_path / "bundle", size="lite")
    assert json.loads((bundle.path / "manifest.json").read_text())["measured"]["iou_with_torch"] >= pack.LEAST_IOU
    assert "non-commercial" in (bundle.path / "LICENSE").read_text()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"target": "tpu"}, "--target cpu"),
        ({"precision": "int4"}, "--precision fp32"),
        ({"input_size": (321, 240)}, "321x240"),
        ({"size": "lite"}, "either --weights"),
        ({"weights": None}, "either --weights"),
    ],
)
def test_options_that_make_no_sense(weights: Path, tmp_path: Path, change: dict[str, object], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        pack.build_bundle(tmp_path / "bundle", **({"weights": weights} | change))  # type: ignore[arg-type]


def test_a_size_that_does_not_ship(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="edgefg train"):
        pack.build_bundle(tmp_path / "bundle", size="huge")


def test_missing_weights(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match="edgefg train"):
        pack.build_bundle(tmp_path / "bundle", tmp_path / "none.safetensors")
