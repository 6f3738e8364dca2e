"""The bundle that comes with edgefg: what it holds, that every engine gives its masks, and that they show people."""

import json
import os
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from edgefg.bundle.bundle import open_bundle
from edgefg.bundle.decision import MODES
from edgefg.datasets.sequences import open_dataset
from edgefg.errors import BundleError, DataError
from edgefg.evaluate.evaluate import evaluate
from edgefg.imaging.convert import fit
from edgefg.imaging.median import temporal_median
from edgefg.segmentation.segmenter import Segmenter
from edgefg.utils.resources import CLIP

pytest.importorskip("av")

from edgefg.media.reader import open_video

Mask = npt.NDArray[np.uint8]
DATA = os.environ.get("EDGEFG_DATA")


@pytest.fixture(scope="module")
def frames() -> list[Mask]:
    """Frames of people at the networks' size."""
    size = open_bundle().input_size
    sample = open_video(CLIP).sample(50, max(size))
    return [fit(frame, size) for frame in sample[:25]]


@pytest.fixture(scope="module")
def background(frames: list[Mask]) -> Mask:
    return temporal_median(frames)


def masks_of(engine: str, frames: list[Mask], background: Mask) -> npt.NDArray[np.bool_]:
    with Segmenter(
        background=background, engine=engine, precision="fp32", policy="fixed", mode="full", skip_below=None
    ) as segmenter:
        return np.stack([segmenter.segment(frame).mask > 0 for frame in frames])


@pytest.fixture(scope="module")
def masks(frames: list[Mask], background: Mask) -> npt.NDArray[np.bool_]:
    """Those of OpenVINO."""
    pytest.importorskip("openvino")
    return masks_of("openvino", frames, background)


def iou(a: npt.NDArray[np.bool_], b: npt.NDArray[np.bool_]) -> float:
    return float(np.count_nonzero(a & b) / np.count_nonzero(a | b))


def test_it_is_small_and_says_where_it_comes_from() -> None:
    bundle = open_bundle()
    assert sum(file.stat().st_size for file in bundle.path.iterdir()) < 13_000_000
    card = json.loads((bundle.path / "card.json").read_text())
    assert card["data"]["sequences"]
    assert card["seen_frames"]
    assert card["commit"]
    assert "commercial use and changes are allowed" in (bundle.path / "LICENSE").read_text()
    sources = json.loads((bundle.path / "provenance.json").read_text())["sources"]
    assert all(source["licence"] and source["author"] for source in sources)
    assert not any(source["share_alike"] for source in sources)


@pytest.mark.parametrize("target", ["tensorrt", "tensorrt-rtx"])
def test_it_can_be_compiled_in_every_precision(target: str) -> None:
    sources = [variant for variant in open_bundle().variants if variant.format == "onnx" and target in variant.engines]
    assert {variant.precision for variant in sources} == {"int8", "fp16", "fp32"}


def test_where_it_has_no_engines_the_remedy_leaves_it_as_it_is() -> None:
    with pytest.raises(BundleError, match=r"make them: edgefg compile --out DIR --target tensorrt$"):
        open_bundle().variants_for("tensorrt")


def test_engines_give_the_same_masks(frames: list[Mask], background: Mask, masks: npt.NDArray[np.bool_]) -> None:
    pytest.importorskip("onnxruntime")
    assert iou(masks, masks_of("onnxruntime", frames, background)) >= 0.999


def test_engines_give_the_masks_of_torch(frames: list[Mask], background: Mask, masks: npt.NDArray[np.bool_]) -> None:
    pytest.importorskip("torch")
    from edgefg.build.acceptance.parity import torch_probabilities
    from edgefg.build.networks.weights import load_weights
    from edgefg.build.options import shipped_weights

    threshold = open_bundle().decision.threshold
    probabilities = torch_probabilities(load_weights(shipped_weights("lite")), background, np.stack(frames))
    assert iou(probabilities >= threshold * 255, masks) >= 0.999


@pytest.mark.parametrize("mode", MODES)
def test_people_are_found(frames: list[Mask], background: Mask, mode: str) -> None:
    with Segmenter(background=background, policy="fixed", mode=mode) as segmenter:
        largest = [max((blob.area_px for blob in segmenter.segment(f).regions()), default=0) for f in frames]
    assert min(largest) >= 200


@pytest.mark.parametrize("mode", MODES)
def test_an_empty_scene_stays_empty(background: Mask, mode: str) -> None:
    noise = np.random.default_rng(0).normal(0, 4, background.shape)
    noisy = np.clip(background + noise, 0, 255).astype(np.uint8)
    with Segmenter(background=background, policy="fixed", mode=mode) as segmenter:
        assert np.count_nonzero(segmenter.segment(noisy).mask) < 0.002 * noisy[..., 0].size


@pytest.mark.skipif(DATA is None, reason="EDGEFG_DATA names no data set")
def test_frames_it_was_trained_on_are_refused() -> None:
    sequence = Path(str(DATA)) / "cdnet2014" / "baseline" / "PETS2006"
    with pytest.raises(DataError, match="allow_seen=True"):
        evaluate(open_dataset(sequence), methods=["edgefg"])


@pytest.mark.soak
@pytest.mark.skipif(DATA is None, reason="EDGEFG_DATA names no data set")
@pytest.mark.parametrize("background", ["median", "first"])
def test_it_beats_the_classical_methods_on_scenes_never_seen(background: str) -> None:
    dataset = open_dataset(Path(str(DATA)) / "splits.json", "validate")
    methods = ["edgefg", "edgefg-map", "mog2", "knn"]
    scores = evaluate(dataset, methods=methods, background=background).to_json()["method"]
    f = {name: score["overall"]["f"] for name, score in scores.items()}
    assert min(f["edgefg"], f["edgefg-map"]) > max(f["mog2"], f["knn"])
