"""`edgefg build`: from weights to a bundle that was compared with FP32."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("onnxruntime")
pytest.importorskip("openvino")

from edgefg.build.acceptance import parity as check_export
from edgefg.build.build_bundle import build_bundle
from edgefg.build.decision import decision_of
from edgefg.build.networks.weights import load_weights, save_weights
from edgefg.build.quantization import variants as candidates
from edgefg.build.quantization.qdq import CPU
from edgefg.bundle.bundle import open_bundle
from edgefg.bundle.decision import Decision
from edgefg.bundle.reference_masks import read_reference_masks
from edgefg.calibration.sample import Pair, Sample, SampledFrame
from edgefg.engines.host import HostEngine
from edgefg.engines.self_check import agreement
from edgefg.errors import EngineError
from edgefg.segmentation.segmenter import Segmenter

from ..support.build_rig import SIZE, narrow_weights, options
from ..support.build_rig import data as data
from ..support.build_rig import narrow_size as narrow_size
from ..support.build_rig import no_picture as no_picture
from ..support.build_rig import own_cache as own_cache

VALIDATION = {
    "frames": 4,
    "full": {"f": 0.8, "threshold": 0.431, "f_at_0.5": 0.79},
    "map": {"f": 0.7, "foreground_distance": 9.0},
    "mode": "fused",
    "skip_below": 6.5,
}


@pytest.fixture
def validated(tmp_path: Path) -> Path:
    networks, path = load_weights(narrow_weights()), tmp_path / "weights.safetensors"
    card = {**networks.card, "validation": VALIDATION}
    save_weights(path, networks.stage1.state_dict(), networks.stage2.state_dict(), card)
    return path


def test_a_bundle_runs_and_explains_itself(validated: Path, tmp_path: Path) -> None:
    bundle = build_bundle(options(tmp_path, weights=validated))
    assert bundle.input_size == SIZE
    assert bundle.decision == Decision("fused", 0.43, foreground_distance=9.0, skip_below=6.5)
    assert [variant.precision for variant in bundle.variants] == ["fp32"]
    assert json.loads((bundle.path / "card.json").read_text())["validation"] == VALIDATION
    assert bundle.manifest["measured"]["multiply_adds"]["stage1"] > 0
    with Segmenter(bundle) as segmenter:
        mask = segmenter.segment(np.zeros((90, 120, 3), np.uint8)).mask
    assert mask.shape == (90, 120)


@pytest.mark.parametrize(("found", "threshold"), [(0.0, 0.01), (0.004, 0.01), (0.431, 0.43), (1.0, 1.0)])
def test_a_threshold_is_one_that_a_manifest_takes(found: float, threshold: float) -> None:
    assert decision_of({"validation": {"full": {"threshold": found}}}) == Decision("full", threshold)


@pytest.mark.parametrize("card", [{}, {"validation": None}])
def test_without_validation_stage_2_alone_decides(card: dict[str, Any]) -> None:
    assert decision_of(card) == Decision("full", 0.5)


def test_a_map_that_says_nothing_has_no_distance() -> None:
    found = {**VALIDATION, "map": {"f": 0.0, "foreground_distance": 0.0}, "mode": "full"}
    assert decision_of({"validation": found}).foreground_distance is None


def test_masks_are_compared_as_they_are_made() -> None:
    """From 0.43 on, which is level 110 and not 109.65."""
    probability = np.array([[109, 110]], np.uint8)
    assert check_export._agreement(probability, np.array([[0, 255]], np.uint8), 0.43) == 1.0
    assert check_export._agreement(np.array([[107]], np.uint8), np.array([[0]], np.uint8), 107.4 / 255) == 1.0


def test_an_export_that_differs_from_torch_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check_export, "MIN_IOU", 1.01)
    with pytest.raises(EngineError, match="agree with torch's"):
        build_bundle(options(tmp_path))
    assert not (tmp_path / "bundle").exists()


def test_an_engine_that_computes_fp32_wrongly_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its masks are moved here; some releases compute FP32 in bfloat16 where the CPU can."""
    run = HostEngine.run

    def moved(engine: HostEngine, *arguments: Any) -> Any:
        outcome = run(engine, *arguments)
        if engine.name != "openvino":
            return outcome
        return replace(outcome, probability=np.roll(outcome.probability, 8, axis=1))

    monkeypatch.setattr(HostEngine, "run", moved)
    with pytest.raises(EngineError, match=r"masks of openvino 20\S+ in fp32 to agree with torch's .* uninstall it"):
        build_bundle(options(tmp_path))
    assert not (tmp_path / "bundle").exists()


class TestWithCalibration:
    def test_auto_makes_int8_and_keeps_fp32(self, data: Path, tmp_path: Path) -> None:
        said: list[str] = []
        bundle = build_bundle(options(tmp_path, data, max_f_drop=1.0), said.append)
        assert "fp32" in [variant.precision for variant in bundle.variants]
        assert bundle.manifest["calibration"]["pairs"] == 32
        assert bundle.manifest["recipe"] == {
            "options": ["--weights", "FILE", "--max-f-drop", "1.0"],
            "calibration": ["--part", "train", "--samples", "32", "--seed", "0"],
        }
        record = json.loads((bundle.path / "calibration.json").read_text())
        assert record["digest"] == bundle.manifest["calibration"]["digest"]
        report = json.loads((tmp_path / "bundle-report" / "report.json").read_text())
        (candidate,) = report["candidates"]
        assert candidate["name"] == "int8.cpu"
        assert {comparison["frames"] for comparison in candidate["comparisons"]} == {10}
        assert any(line.startswith("int8.cpu on openvino: ") for line in said)

    def test_a_bundle_of_int8_runs_on_both_engines(self, data: Path, tmp_path: Path) -> None:
        bundle = build_bundle(options(tmp_path, data, precision="int8", max_f_drop=1.0))
        (variant,) = bundle.variants
        assert variant.precision == "int8"
        frame = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
        for engine in variant.engines:
            with Segmenter(bundle, engine=engine) as segmenter:
                assert segmenter.segment(frame).mask.shape == (48, 64)

    def test_a_bundle_carries_three_frames_with_their_masks(self, data: Path, tmp_path: Path) -> None:
        bundle = build_bundle(options(tmp_path, data, precision="fp32"))
        reference = read_reference_masks(bundle)
        assert reference is not None
        assert reference.frames.shape == (3, 48, 64, 3)
        with Segmenter(bundle) as segmenter:
            assert agreement(segmenter.engine, reference, bundle.decision.threshold) > 0.99

    def test_a_portable_bundle_has_both_kinds_of_int8(self, data: Path, tmp_path: Path) -> None:
        bundle = build_bundle(options(tmp_path, data, target="onnx", max_f_drop=1.0))
        held = {(variant.precision, variant.engines[0]) for variant in bundle.variants}
        assert {("int8", "tensorrt"), ("fp16", "tensorrt"), ("fp32", "openvino")} <= held
        # For TensorRT a second form, with scales in FP32, follows the first.
        forms = [variant.stage1.name for variant in bundle.variants if "tensorrt" in variant.engines]
        assert forms[:2] == ["stage1.int8.tensorrt.onnx", "stage1.int8.tensorrt.fp32.onnx"]

    def test_the_same_seed_measures_the_ranges_once(
        self, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        given = options(tmp_path, data, precision="int8", max_f_drop=1.0)
        build_bundle(given)

        def never(*_: object) -> Any:
            raise AssertionError("these ranges are in the cache")

        monkeypatch.setattr(candidates, "measure_ranges", never)
        build_bundle(given)


def test_ranges_are_kept_by_what_the_networks_saw(monkeypatch: pytest.MonkeyPatch) -> None:
    """A region of interest changes that, and no file of the sample."""
    keys: list[Any] = []

    def note(key: Any, measure: Any) -> Any:
        keys.append(key)
        raise LookupError

    monkeypatch.setattr(candidates, "cached_ranges", note)
    shot, fp32 = SampledFrame("in000001.png", "0" * 64), candidates.Candidate("fp32", ("openvino",), b"1", b"2")
    samples = [
        Sample(0, "yard", (Pair("c", shot, shot, (np.zeros((4, 4, 3)), np.full((4, 4, 3), n))),)) for n in (0, 1)
    ]
    for sample in samples:
        with pytest.raises(LookupError):
            candidates.calibrate(fp32, CPU, sample, lambda what, done, total: None)
    assert samples[0].digest == samples[1].digest
    assert keys[0] != keys[1]


def test_a_recording_of_ones_own_calibrates_and_judges(write_video: Any, tmp_path: Path) -> None:
    video = write_video(tmp_path / "camera.mp4", frames=80)
    bundle = build_bundle(options(tmp_path, calibrate=str(video), max_f_drop=1.0))
    record = json.loads((bundle.path / "calibration.json").read_text())
    assert record["source"] == "camera.mp4"
    report = json.loads((tmp_path / "bundle-report" / "report.json").read_text())
    assert report["candidates"][0]["comparisons"][0]["f_against"] == "fp32"


def test_the_shipped_size_builds_with_its_licence_and_provenance(tmp_path: Path) -> None:
    bundle = build_bundle(options(tmp_path, size="lite"))
    assert bundle.manifest["measured"]["iou_with_torch"] >= check_export.MIN_IOU
    assert "commercial use and changes are allowed" in (bundle.path / "LICENSE").read_text()
    assert (bundle.path / "provenance.json").is_file()


def test_the_folder_one_is_in_becomes_a_bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert build_bundle(options(tmp_path, out=Path())).path == tmp_path / "here"


def test_what_was_there_is_replaced(tmp_path: Path) -> None:
    first = build_bundle(options(tmp_path))
    shutil.copytree(first.path, tmp_path / "copy")
    second = build_bundle(options(tmp_path, input_size=(80, 64)))
    assert second.input_size == (80, 64)
    assert open_bundle(tmp_path / "copy").input_size == SIZE
