"""INT8 of the shipped networks on real frames: good on the CPU, and what an engine computes wrongly is caught."""

import os
import platform
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("onnxruntime")
pytest.importorskip("openvino")
pytest.importorskip("torch")

from edgefg.build.acceptance.comparison import Comparison, compare
from edgefg.build.acceptance.frames import ComparisonScene, scenes_from_recording
from edgefg.build.acceptance.verdict import refusal
from edgefg.build.quantization.qdq import CPU, TENSORRT, Scheme
from edgefg.build.quantization.variants import CPU_ENGINES, Calibration, Candidate, calibrate, integer
from edgefg.bundle.bundle import open_bundle
from edgefg.calibration.recording import sample_recording
from edgefg.engines.self_check import MIN_IOU
from edgefg.utils.resources import CLIP

FRAMES = 12


@pytest.fixture(scope="module")
def fp32() -> Candidate:
    (variant,) = (variant for variant in open_bundle().variants if variant.precision == "fp32")
    return Candidate("fp32", CPU_ENGINES, variant.stage1.read_bytes(), variant.stage2.read_bytes())


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EDGEFG_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def scenes() -> list[ComparisonScene]:
    """A few frames of the clip, against the median of all."""
    (scene,) = scenes_from_recording(str(CLIP), None, 256)
    chosen = list(scene.frames())[:: scene.count // FRAMES]
    return [ComparisonScene(scene.name, scene.category, False, scene.background, lambda: iter(chosen), len(chosen))]


def calibrated(fp32: Candidate, scheme: Scheme) -> Calibration:
    sample = sample_recording(str(CLIP), open_bundle().input_size, 32)
    return calibrate(fp32, scheme, sample, lambda what, done, total: None)


def compared(candidate: Candidate, fp32: Candidate, engine: str, scenes: list[ComparisonScene]) -> Comparison:
    return compare(candidate, fp32, engine, scenes, open_bundle().manifest, lambda what, done, total: None)


@pytest.mark.usefixtures("cache")
@pytest.mark.parametrize("engine", CPU_ENGINES)
def test_int8_for_the_cpu_keeps_the_masks(engine: str, fp32: Candidate, scenes: list[ComparisonScene]) -> None:
    candidate = integer(fp32, calibrated(fp32, CPU), CPU_ENGINES)
    found = compared(candidate, fp32, engine, scenes)
    assert found.iou > 0.97
    assert refusal(found, 0.02, must_be_faster=False) is None


@pytest.mark.usefixtures("cache")
def test_int8_for_tensorrt_keeps_the_masks_where_it_is_computed_as_written(
    fp32: Candidate, scenes: list[ComparisonScene]
) -> None:
    candidate = integer(fp32, calibrated(fp32, TENSORRT), ("tensorrt",))
    assert compared(candidate, fp32, "onnxruntime", scenes).iou > 0.95


COMPARE = """
import sys
from pathlib import Path
from edgefg.build.quantization.variants import CPU_ENGINES, Candidate
from edgefg.build.acceptance.comparison import compare
from edgefg.build.acceptance.frames import scenes_from_recording
from edgefg.build.acceptance.verdict import refusal
from edgefg.bundle.bundle import open_bundle
from edgefg.utils.resources import CLIP

fp32, int8 = (
    Candidate(precision, CPU_ENGINES, *(Path(f"{precision}.{stage}").read_bytes() for stage in ("stage1", "stage2")))
    for precision in ("fp32", "int8")
)
scenes = scenes_from_recording(str(CLIP), None, 12)
found = compare(int8, fp32, "openvino", scenes, open_bundle().manifest, lambda what, done, total: None)
print(found.iou)
print(refusal(found, 0.01, must_be_faster=False))
"""


@pytest.mark.usefixtures("cache")
@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="AVX2 is x86's")
def test_what_openvino_makes_of_int8_for_tensorrt_on_avx2_is_right_or_refused(fp32: Candidate, tmp_path: Path) -> None:
    """Without instructions for it OpenVINO computes symmetric activations wrongly, and says nothing."""
    candidate = integer(fp32, calibrated(fp32, TENSORRT), CPU_ENGINES)
    for form in (fp32, candidate):
        (tmp_path / f"{form.precision}.stage1").write_bytes(form.stage1)
        (tmp_path / f"{form.precision}.stage2").write_bytes(form.stage2)
    environment = os.environ | {"ONEDNN_MAX_CPU_ISA": "AVX2"}
    words = [sys.executable, "-c", COMPARE]
    ended = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=110)
    assert ended.returncode == 0, ended.stderr
    iou, reason = ended.stdout.splitlines()
    # A release of OpenVINO that gets it right is welcome.
    assert float(iou) >= MIN_IOU or re.match(r"refused: it loses 0\.\d+ of F-measure against fp32", reason)


def test_the_shipped_bundle_prefers_int8(fp32: Candidate) -> None:
    bundle = open_bundle()
    first = bundle.variants_for("openvino")[0]
    assert first.precision == "int8"
    figures = {entry["engine"].split()[0]: entry for entry in first.measured["comparisons"]}
    assert figures["openvino"]["f_drop"] <= 0.01
    assert figures["openvino"]["speedup"]["together"] > 1
    assert Path(bundle.path / "calibration.json").is_file()
