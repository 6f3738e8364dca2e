"""`edgefg build`: from weights to a bundle that was compared with FP32."""

import json
import os
import re
import shutil
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnxruntime")
pytest.importorskip("openvino")

from edgefg.build import candidates, check_export, choose  # noqa: E402
from edgefg.build.calibrated import calibrated  # noqa: E402
from edgefg.build.gate import Comparison, compare  # noqa: E402
from edgefg.build.networks import MaskDecoder, SiameseDistance  # noqa: E402
from edgefg.build.options import BuildOptions  # noqa: E402
from edgefg.build.pack import build_bundle  # noqa: E402
from edgefg.build.quantise import CPU  # noqa: E402
from edgefg.build.sizes import LITE  # noqa: E402
from edgefg.build.weights import save_weights  # noqa: E402
from edgefg.calibration.ranges import measure_ranges  # noqa: E402
from edgefg.calibration.sample import Pair, Sample, Shot  # noqa: E402

from edgefg.bundle import open_bundle  # noqa: E402
from edgefg.engines.host import HostEngine  # noqa: E402
from edgefg.engines.onnxruntime import OnnxRuntimeStage  # noqa: E402
from edgefg.engines.openvino import OpenVinoStage  # noqa: E402
from edgefg.errors import DataError, EngineError, GateError, MissingFileError, OptionError, OutputError  # noqa: E402
from edgefg.segmenter import Segmenter  # noqa: E402
from edgefg.verification import read_verification  # noqa: E402

SIZE = (64, 48)
VALIDATION = {
    "frames": 4,
    "full": {"f": 0.8, "threshold": 0.431, "f_at_0.5": 0.79},
    "map": {"f": 0.7, "distance": 9.0},
    "quiet": {"distance": 6.5},
    "mode": "fused",
}


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEFG_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    path = tmp_path / "weights.safetensors"
    card = {"size": "lite", "validation": VALIDATION, "seen_frames": []}
    save_weights(path, SiameseDistance(LITE).state_dict(), MaskDecoder(LITE).state_dict(), card)
    return path


@pytest.fixture
def untrained(monkeypatch: pytest.MonkeyPatch) -> None:
    """Untrained masks are noise, in which the last bit of a sum decides: their agreement means nothing."""
    monkeypatch.setattr(check_export, "LEAST_IOU", 0.0)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory, write_sequence: Any) -> Path:
    """A JSON file with a part to calibrate on and one that judges."""
    root = tmp_path_factory.mktemp("data")
    write_sequence(root / "baseline" / "street", range(1, 41))
    write_sequence(root / "baseline" / "yard", range(101, 111))
    for path in (root / "baseline" / "yard" / "input").iterdir():
        cv2.imwrite(str(path), cv2.flip(np.asarray(cv2.imread(str(path))), 0))  # Frames of its own.
    for path in (root / "baseline" / "yard" / "groundtruth").iterdir():
        cv2.imwrite(str(path), cv2.flip(np.asarray(cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)), 0))
    (root / "splits.json").write_text('{"train": ["baseline/street"], "validate": ["baseline/yard"]}')
    return root / "splits.json"


def options(tmp_path: Path, data: Path | None = None, **changes: Any) -> BuildOptions:
    given: dict[str, Any] = {"out": tmp_path / "bundle", "size": "lite", "input_size": SIZE, "samples": 32}
    if data is not None:
        given |= {"calibrate": str(data), "part": "train"}
    return BuildOptions(**(given | changes))


@pytest.mark.usefixtures("untrained")
def test_a_bundle_runs_and_explains_itself(weights: Path, tmp_path: Path) -> None:
    bundle = build_bundle(options(tmp_path, size=None, weights=weights))
    assert bundle.input_size == SIZE
    assert bundle.threshold == 0.43
    assert (bundle.mode, bundle.map_distance, bundle.quiet_distance) == ("fused", 9.0, 6.5)
    assert [variant.precision for variant in bundle.variants] == ["fp32"]
    assert json.loads((bundle.path / "card.json").read_text())["validation"] == VALIDATION
    assert bundle.manifest["measured"]["multiply_adds"]["stage1"] > 0
    with Segmenter(bundle) as segmenter:
        mask = segmenter.segment(np.zeros((90, 120, 3), np.uint8)).mask
    assert mask.shape == (90, 120)


@pytest.mark.parametrize(("found", "threshold"), [(0.0, 0.01), (0.004, 0.01), (0.431, 0.43), (1.0, 1.0)])
def test_a_threshold_is_one_that_a_manifest_takes(found: float, threshold: float) -> None:
    assert calibrated({"validation": {"full": {"threshold": found}}}) == {"threshold": threshold, "mode": "full"}


def test_masks_are_compared_as_they_are_made() -> None:
    """From 0.43 on, which is level 110 and not 109.65."""
    probability = np.array([[109, 110]], np.uint8)
    assert check_export._agreement(probability, np.array([[0, 255]], np.uint8), 0.43) == 1.0
    assert check_export._agreement(np.array([[107]], np.uint8), np.array([[0]], np.uint8), 107.4 / 255) == 1.0


def test_an_export_that_differs_from_torch_is_refused(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(check_export, "LEAST_IOU", 1.01)
    with pytest.raises(EngineError, match="agree with torch's"):
        build_bundle(options(tmp_path, size=None, weights=weights))
    assert not (tmp_path / "bundle").exists()


def test_an_engine_that_computes_fp32_wrongly_is_refused(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
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
            "options": ["--size", "lite", "--max-f-drop", "1.0"],
            "calibration": ["--part", "train", "--samples", "32", "--seed", "0"],
        }
        record = json.loads((bundle.path / "calibration.json").read_text())
        assert record["digest"] == bundle.manifest["calibration"]["digest"]
        report = json.loads((tmp_path / "bundle-report" / "report.json").read_text())
        (candidate,) = report["candidates"]
        assert candidate["name"] == "int8.cpu"
        assert {comparison["frames"] for comparison in candidate["comparisons"]} == {10}
        assert (tmp_path / "bundle-report" / "report.png").read_bytes().startswith(b"\x89PNG")
        assert any(line.startswith("int8.cpu on openvino: ") for line in said)

    def test_a_bundle_of_int8_runs_on_both_engines(self, data: Path, tmp_path: Path) -> None:
        bundle = build_bundle(options(tmp_path, data, precision="int8", max_f_drop=1.0))
        (variant,) = bundle.variants
        assert variant.precision == "int8"
        frame = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
        for engine in variant.engines:
            with Segmenter(bundle, engine=engine) as segmenter:
                assert segmenter.segment(frame).mask.shape == (48, 64)

    def test_a_bundle_carries_three_pairs_with_their_masks(self, data: Path, tmp_path: Path) -> None:
        bundle = build_bundle(options(tmp_path, data, precision="fp32"))
        pairs = read_verification(bundle)
        assert pairs is not None
        assert pairs.frames.shape == (3, 48, 64, 3)
        with Segmenter(bundle) as segmenter:
            assert pairs.agreement(segmenter.engine, bundle.threshold) > 0.99

    def test_a_portable_bundle_has_both_kinds_of_int8(self, data: Path, tmp_path: Path) -> None:
        bundle = build_bundle(options(tmp_path, data, target="onnx", max_f_drop=1.0))
        held = {(variant.precision, variant.engines[0]) for variant in bundle.variants}
        assert {("int8", "tensorrt"), ("fp16", "tensorrt"), ("fp32", "openvino")} <= held

    def test_the_same_seed_measures_the_ranges_once(
        self, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        build_bundle(options(tmp_path, data, max_f_drop=1.0))

        def never(*_: object) -> Any:
            raise AssertionError("these ranges are in the cache")

        monkeypatch.setattr(candidates, "measure_ranges", never)
        build_bundle(options(tmp_path, data, max_f_drop=1.0))


def test_ranges_are_kept_by_what_the_networks_saw(monkeypatch: pytest.MonkeyPatch) -> None:
    """A region of interest changes that, and no file of the sample."""
    keys: list[Any] = []

    def note(key: Any, measure: Any) -> Any:
        keys.append(key)
        raise LookupError

    monkeypatch.setattr(candidates, "cached_ranges", note)
    shot, fp32 = Shot("in000001.png", "0" * 64), candidates.Candidate("fp32", ("openvino",), b"1", b"2")
    samples = [
        Sample(0, "yard", (Pair("c", shot, shot, (np.zeros((4, 4, 3)), np.full((4, 4, 3), n))),)) for n in (0, 1)
    ]
    for sample in samples:
        with pytest.raises(LookupError):
            candidates.calibrate(fp32, CPU, sample, lambda what, done, total: None)
    assert samples[0].digest == samples[1].digest
    assert keys[0] != keys[1]


SLOW_S = 0.1


def slowed(run: Any) -> Any:
    """A stage that takes its time when it is one of INT8."""

    def run_slowly(stage: Any, *arguments: Any, **inputs: Any) -> Any:
        if "int8" in stage._doing:
            time.sleep(SLOW_S)
        return run(stage, *arguments, **inputs)

    return run_slowly


class TestGate:
    """Where it matters INT8 really is slow or wrong here; where only the consequences count, figures are altered."""

    @pytest.fixture
    def altered(self, monkeypatch: pytest.MonkeyPatch) -> Any:
        def alter(**changes: Any) -> None:
            def measured(*arguments: Any) -> Comparison:
                return replace(compare(*arguments), **changes)

            monkeypatch.setattr(choose, "compare", measured)

        return alter

    def test_auto_refuses_a_slow_int8(self, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        for stage in (OnnxRuntimeStage, OpenVinoStage):
            monkeypatch.setattr(stage, "run", slowed(stage.run))
        said: list[str] = []
        bundle = build_bundle(options(tmp_path, data, max_f_drop=1.0), said.append)
        assert [variant.precision for variant in bundle.variants] == ["fp32"]
        for engine in ("openvino", "onnxruntime"):
            told = rf"int8\.cpu on {engine}: refused: it is not faster than fp32: (\S+) ms against (\S+) ms a frame"
            (found,) = (match for line in said if (match := re.fullmatch(told, line)))
            assert float(found[1]) >= 2 * SLOW_S * 1e3 > float(found[2])

    def test_auto_refuses_a_wrong_int8_after_trying_to_repair_it(
        self, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def far_too_narrow(*arguments: Any) -> Any:
            return {name: (low / 1000, high / 1000) for name, (low, high) in measure_ranges(*arguments).items()}

        monkeypatch.setattr(candidates, "measure_ranges", far_too_narrow)
        said: list[str] = []
        bundle = build_bundle(options(tmp_path, data), said.append)
        assert [variant.precision for variant in bundle.variants] == ["fp32"]
        assert any("looking for layers to leave in higher precision" in line for line in said)
        for engine in ("openvino", "onnxruntime"):
            told = rf"int8\.cpu on {engine}: 16 of 32 convolutions in higher precision: refused: it loses (\S+) of F-"
            (found,) = (match for line in said if (match := re.match(told, line)))
            assert float(found[1]) > 0.01

    def test_a_wrong_int8_that_was_asked_for_fails_the_build(self, data: Path, tmp_path: Path, altered: Any) -> None:
        altered(f=0.5, f_fp32=0.9)
        with pytest.raises(GateError, match=r"loses 0\.4000"):
            build_bundle(options(tmp_path, data, precision="int8"))
        assert not (tmp_path / "bundle").exists()

    def test_a_slow_int8_that_was_asked_for_is_built(self, data: Path, tmp_path: Path, altered: Any) -> None:
        altered(stage_ms=(20.0, 20.0), stage_ms_fp32=(10.0, 10.0), f=1.0, f_fp32=1.0)
        assert build_bundle(options(tmp_path, data, precision="int8")).variants[0].precision == "int8"

    def test_layers_are_left_in_higher_precision_until_it_passes(
        self, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def measured(candidate: Any, *rest: Any) -> Comparison:
            kept = sum(map(len, candidate.in_floating_point.values()))
            return replace(compare(candidate, *rest), f=0.9 if kept >= 2 else 0.5, f_fp32=0.9)

        monkeypatch.setattr(choose, "compare", measured)
        bundle = build_bundle(options(tmp_path, data, precision="int8"))
        kept = bundle.variants[0].measured["in_floating_point"]
        assert sum(map(len, kept.values())) == 2


class TestRefused:
    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"target": "tpu"}, "--target to be one of cpu, onnx"),
            ({"precision": "int4"}, "--precision to be one of auto"),
            ({"precision": "fp16"}, "CPUs compute it as fp32"),
            ({"precision": "int8"}, "expected --calibrate DATA"),
            ({"input_size": (321, 240)}, "321x240"),
            ({"samples": 31}, "--samples of 32 or more"),
            ({"max_batch": 0}, "--max-batch of 1 or more"),
            ({"max_f_drop": -0.1}, "--max-f-drop between 0 and 1"),
            ({"max_f_drop": float("nan")}, "--max-f-drop between 0 and 1"),
            ({"seed": -1}, "--seed of 0 or more"),
            ({"part": "train"}, "--part: expected --calibrate"),
            ({"verify_part": "train"}, "--verify-part: expected --verify"),
            ({"weights": Path("w.safetensors")}, "either --weights"),
            ({"size": None}, "either --weights"),
            ({"size": "huge"}, "edgefg train"),
        ],
    )
    def test_options_that_make_no_sense(self, tmp_path: Path, change: dict[str, Any], message: str) -> None:
        with pytest.raises(OptionError, match=message):
            build_bundle(options(tmp_path, **change))

    def test_missing_weights(self, tmp_path: Path) -> None:
        with pytest.raises(MissingFileError, match="edgefg train"):
            build_bundle(options(tmp_path, size=None, weights=tmp_path / "none.safetensors"))

    def test_data_that_are_both_calibrated_and_judged_on(self, data: Path, tmp_path: Path) -> None:
        with pytest.raises(DataError, match="found this one in both"):
            build_bundle(options(tmp_path, data, verify=str(data), verify_part="train"))

    def test_random_noise(self, tmp_path: Path) -> None:
        (tmp_path / "noise").mkdir()
        rng = np.random.default_rng(0)
        for index in range(64):
            noise = rng.integers(0, 256, (48, 64, 3), dtype=np.uint8)
            cv2.imwrite(str(tmp_path / f"noise/{index}.png"), noise)
        with pytest.raises(DataError, match="it is noise"):
            build_bundle(options(tmp_path, calibrate=str(tmp_path / "noise")))

    def test_a_folder_that_is_no_bundle_is_refused_before_any_work(self, tmp_path: Path) -> None:
        (tmp_path / "bundle").mkdir()
        (tmp_path / "bundle" / "notes.txt").write_text("keep me")
        said: list[str] = []
        with pytest.raises(OutputError, match="not a bundle"):
            build_bundle(options(tmp_path), said.append)
        assert said == []

    @pytest.mark.parametrize("place", ["bundle", "bundle/report", "other", "file/report"])
    def test_a_report_that_would_spoil_a_bundle_is_refused_before_any_work(self, tmp_path: Path, place: str) -> None:
        (tmp_path / "file").write_text("")
        shutil.copytree(build_bundle(options(tmp_path, precision="fp32")).path, tmp_path / "other")
        said: list[str] = []
        with pytest.raises(OutputError, match="pass another --report"):
            build_bundle(options(tmp_path, report=tmp_path / place), said.append)
        assert said == []
        open_bundle(tmp_path / "other")

    @pytest.mark.parametrize("words", ["the bundle", "the report"])
    def test_a_place_that_may_not_be_written_is_noticed_before_any_work(
        self, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A stand-in for the answer of the system, which lets root write nearly everywhere."""
        (tmp_path / "locked").mkdir()
        monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != tmp_path / "locked")
        place = tmp_path / "locked" / "new"
        said: list[str] = []
        with pytest.raises(OutputError, match=f"cannot write {words} .*may not be written"):
            build_bundle(options(tmp_path, **{"out" if words == "the bundle" else "report": place}), said.append)
        assert said == []

    def test_the_root_of_all_folders_is_no_place_for_a_bundle(self, tmp_path: Path) -> None:
        with pytest.raises(OutputError, match="not a bundle"):
            build_bundle(options(tmp_path, out=Path("/")))

    def test_a_file_in_the_way_of_the_folder_is_noticed_before_any_work(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        said: list[str] = []
        with pytest.raises(OutputError, match="is no folder; choose another --out"):
            build_bundle(options(tmp_path, out=tmp_path / "file" / "bundle"), said.append)
        assert said == []

    def test_ctrl_c_leaves_the_bundle_before(self, data: Path, tmp_path: Path) -> None:
        before = build_bundle(options(tmp_path, precision="fp32"))

        def interrupt(what: str, done: int, total: int | None) -> None:
            if what.startswith("comparing"):
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            build_bundle(options(tmp_path, data), progress=interrupt)
        assert open_bundle(tmp_path / "bundle").manifest == before.manifest
        assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith("bundle")) == ["bundle"]

    def test_a_full_disk_leaves_the_bundle_before(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A stand-in: the file system is told to be full where the new bundle's files are written."""
        before = build_bundle(options(tmp_path, precision="fp32"))
        write = Path.write_bytes

        def full(path: Path, content: Any) -> int:
            if path.suffix == ".onnx":
                write(path, content[: len(content) // 2])
                raise OSError(28, "No space left on device", str(path))
            return write(path, content)

        monkeypatch.setattr(Path, "write_bytes", full)
        with pytest.raises(OutputError, match="No space left on device"):
            build_bundle(options(tmp_path, precision="fp32"))
        monkeypatch.undo()
        assert open_bundle(tmp_path / "bundle").manifest == before.manifest
        assert [path.name for path in tmp_path.iterdir() if path.name.startswith((".", "bundle"))] == ["bundle"]


def test_a_recording_of_ones_own_calibrates_and_judges(write_video: Any, tmp_path: Path) -> None:
    video = write_video(tmp_path / "camera.mp4", frames=80)
    bundle = build_bundle(options(tmp_path, calibrate=str(video), max_f_drop=1.0))
    record = json.loads((bundle.path / "calibration.json").read_text())
    assert record["source"] == "camera.mp4"
    report = json.loads((tmp_path / "bundle-report" / "report.json").read_text())
    assert report["candidates"][0]["comparisons"][0]["f_against"] == "fp32"


def test_the_shipped_size_builds_with_its_licence(tmp_path: Path) -> None:
    bundle = build_bundle(options(tmp_path))
    assert bundle.manifest["measured"]["iou_with_torch"] >= check_export.LEAST_IOU
    assert "non-commercial" in (bundle.path / "LICENSE").read_text()


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
