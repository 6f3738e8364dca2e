"""Compiling a bundle by the real TensorRT for RTX, which needs no GPU to build."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("tensorrt_rtx")
torch = pytest.importorskip("torch")

from edgefg.build.build_bundle import VariantFiles
from edgefg.build.networks.sizes import PAPER, VGG_LITE, Size
from edgefg.build.networks.stage2 import UNetDecoder
from edgefg.build.networks.vgg import VggDistance
from edgefg.build.networks.weights import Networks
from edgefg.build.quantization.qdq import TENSORRT
from edgefg.build.quantization.variants import (
    TENSORRT_ENGINES,
    Candidate,
    calibrate,
    full_precision,
    half_precision,
    integer,
)
from edgefg.build.tensorrt import compile as compiling
from edgefg.build.tensorrt.builder import CompileOptions, open_compiler
from edgefg.build.tensorrt.compile import CompileRequest, compile_bundle
from edgefg.build.tensorrt.gpu import compute_capability
from edgefg.build.tensorrt.plan_check import PlanCheck
from edgefg.bundle.bundle import Bundle, open_bundle, write_bundle
from edgefg.bundle.check import check_bundle
from edgefg.bundle.findings import Failed
from edgefg.calibration.sequences import sample_sequences
from edgefg.datasets.sequences import open_dataset
from edgefg.errors import BundleError, CompileError, GateError, MissingDependencyError, OptionError
from edgefg.utils.resources import SHIPPED

SIZE = (64, 48)


def forms(size: Size, input_size: tuple[int, int], data: Path) -> list[Candidate]:
    """All three precisions for TensorRT, and INT8's second form, of networks that nobody trained."""
    torch.manual_seed(0)
    networks = Networks(size, VggDistance(size).eval(), UNetDecoder(size).eval(), {})
    fp32 = full_precision(networks, input_size, TENSORRT_ENGINES)
    half = half_precision(networks, input_size, TENSORRT_ENGINES)
    sample = sample_sequences(open_dataset(data), input_size, 32)
    calibration = calibrate(fp32, TENSORRT, sample, lambda what, done, total: None)
    return [*(integer(base, calibration, TENSORRT_ENGINES) for base in (half, fp32)), half, fp32]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory, write_sequence: Any) -> Path:
    folder: Path = write_sequence(tmp_path_factory.mktemp("data") / "baseline" / "street", range(1, 41))
    return folder


@pytest.fixture(scope="module")
def portable(tmp_path_factory: pytest.TempPathFactory, data: Path) -> Bundle:
    folder = tmp_path_factory.mktemp("portable")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EDGEFG_CACHE", str(folder / "cache"))
        made = [VariantFiles(form, form.engines, {"form": form.name}) for form in forms(VGG_LITE, SIZE, data)]
    files: dict[str, bytes | Path] = {}
    for form in made:
        files |= {form.files["stage1"]: form.candidate.stage1, form.files["stage2"]: form.candidate.stage2}
    manifest = {
        "name": "lite",
        "network": {"size": "lite", "width": 0.1875, "early_stride": 2, "feature_channels": 64},
        "input_size": {"width": SIZE[0], "height": SIZE[1]},
        "decision": {"schema": 1, "mode": "full", "threshold": 0.5},
        "variants": [form.entry() for form in made],
        "versions": {"edgefg": "0"},
        "measured": {},
    }
    return write_bundle(folder / "portable", files=files, manifest=manifest)


def test_plans_join_the_networks_they_were_made_of(portable: Bundle, tmp_path: Path) -> None:
    said: list[str] = []
    options = CompileOptions(max_batch=4)
    compiled = compile_bundle(portable, CompileRequest("tensorrt-rtx", tmp_path / "out", options=options), said.append)
    assert [(variant.precision, variant.format) for variant in compiled.variants] == [
        ("int8", "plan"),
        ("fp16", "plan"),
        ("fp32", "plan"),
        ("int8", "onnx"),
        ("int8", "onnx"),
        ("fp16", "onnx"),
        ("fp32", "onnx"),
    ]
    assert compiled.variants_for("tensorrt-rtx")[0].stage1.name == "stage1.int8.tensorrt-rtx.plan"
    assert compiled.variants[0].requires["max_batch"] == 4
    assert len([line for line in said if line.startswith("compiled stage")]) == 6


class TestTrial:
    """What the GPU would say is told here; `test_trial.py` runs plans on a fake one."""

    @pytest.fixture
    def on_gpu(self, monkeypatch: pytest.MonkeyPatch) -> Any:
        def answer(**trials: PlanCheck) -> None:
            monkeypatch.setattr(compiling, "try_plans", lambda *_: trials)

        return answer

    def test_without_a_gpu_the_plans_are_kept_and_it_is_said(self, portable: Bundle, tmp_path: Path) -> None:
        if has_gpu():
            pytest.skip("there is a GPU")
        said: list[str] = []
        compile_bundle(portable, CompileRequest("tensorrt-rtx", tmp_path / "out", "fp32"), said.append)
        assert said[-1].startswith("compiled, not run here: expected ")
        assert said[-1].endswith("; the plans check themselves when they are first loaded")

    def test_the_fastest_comes_first(self, on_gpu: Any, portable: Bundle, tmp_path: Path) -> None:
        on_gpu(int8=trial(3.0), fp16=trial(2.0), fp32=trial(9.0))
        said: list[str] = []
        compiled = compile_bundle(portable, CompileRequest("tensorrt-rtx", tmp_path / "out"), said.append)
        plans = compiled.variants_for("tensorrt-rtx")
        assert [variant.precision for variant in plans] == ["fp16", "int8", "fp32"]
        assert plans[0].measured["gpu"] == "some GPU"
        assert plans[0].measured["comparisons"][0]["speedup"] == {"together": 4.5}
        assert "fp16 on some GPU: masks agree with those of fp32 by IoU 0.990; 2.00 ms a frame" in said[-2]

    def test_what_is_wrong_or_slow_stays_out(self, on_gpu: Any, portable: Bundle, tmp_path: Path) -> None:
        on_gpu(int8=trial(1.0, iou=0.4), fp16=trial(9.5), fp32=trial(9.0))
        said: list[str] = []
        compiled = compile_bundle(portable, CompileRequest("tensorrt-rtx", tmp_path / "out"), said.append)
        assert [variant.precision for variant in compiled.variants_for("tensorrt-rtx")] == ["fp32"]
        assert not list(compiled.path.glob("*.int8.tensorrt-rtx.plan"))
        assert any(line.startswith("int8 on some GPU: refused: their masks agree") for line in said)
        assert any(line.startswith("fp16 on some GPU: refused: they are not faster than fp32") for line in said)

    def test_int8_that_is_wrong_is_compiled_from_its_second_form(
        self, portable: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        tried: list[list[str]] = []

        def try_plans(bundle: Bundle, *_: Any) -> dict[str, PlanCheck]:
            tried.append([variant.precision for variant in bundle.variants if variant.format == "plan"])
            return {"int8": trial(1.0, iou=0.4 if len(tried) == 1 else 0.99)}

        monkeypatch.setattr(compiling, "try_plans", try_plans)
        said: list[str] = []
        compiled = compile_bundle(portable, CompileRequest("tensorrt-rtx", tmp_path / "out", "int8"), said.append)
        assert tried == [["int8"], ["int8"]]
        assert len([line for line in said if line.startswith("compiled stage1 in int8")]) == 2
        (plan,) = compiled.variants_for("tensorrt-rtx")
        assert plan.measured["of_onnx"] == {"form": "int8.tensorrt.fp32"}

    def test_a_wrong_precision_that_was_asked_for_leaves_no_bundle(
        self, on_gpu: Any, portable: Bundle, tmp_path: Path
    ) -> None:
        on_gpu(int8=trial(1.0, iou=0.4))
        with pytest.raises(GateError, match="int8 on some GPU: refused: their masks agree"):
            compile_bundle(portable, CompileRequest("tensorrt-rtx", tmp_path / "out", "int8"))
        assert not (tmp_path / "out").exists()


def trial(total_ms: float, iou: float = 0.99) -> PlanCheck:
    return PlanCheck("some GPU", "tensorrt-rtx 1.7", iou, (total_ms / 2, total_ms / 2))


def has_gpu() -> bool:
    try:
        compute_capability()
    except MissingDependencyError:
        return False
    return True


def test_compiling_again_replaces_the_plans(portable: Bundle, tmp_path: Path) -> None:
    out = tmp_path / "out"
    compile_bundle(portable, CompileRequest("tensorrt-rtx", out))
    again = compile_bundle(open_bundle(out), CompileRequest("tensorrt-rtx", out, precision="fp16"))
    assert [v.precision for v in again.variants if v.format == "plan"] == ["fp16"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out"]


def test_a_compiled_bundle_passes_its_own_check(portable: Bundle, tmp_path: Path) -> None:
    compiled = compile_bundle(portable, CompileRequest("tensorrt-rtx", tmp_path / "out", precision="fp32"))
    wrong = [finding for finding in check_bundle(compiled) if isinstance(finding, Failed)]
    assert [finding.field for finding in wrong] == ["calibration.json", "calibration.digest"]  # It has no record.


@pytest.mark.parametrize(
    ("request_", "error", "message"),
    [
        (CompileRequest("tpu", Path("out")), OptionError, "expected a target of TensorRT"),
        (CompileRequest("tensorrt-rtx", Path("out"), precision="bf16"), OptionError, "precision must be"),
    ],
)
def test_requests_that_make_no_sense(
    request_: CompileRequest, error: type[Exception], message: str, portable: Bundle
) -> None:
    with pytest.raises(error, match=message):
        compile_bundle(portable, request_)


def test_a_bundle_for_the_cpu_only_says_how_to_get_another(tiny_bundle: Bundle, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="edgefg build --target onnx"):
        compile_bundle(tiny_bundle, CompileRequest("tensorrt-rtx", tmp_path / "out"))


def test_a_network_that_tensorrt_refuses_leaves_no_bundle(portable: Bundle, tmp_path: Path) -> None:
    manifest = {**portable.manifest, "variants": portable.manifest["variants"][-1:]}
    files: dict[str, bytes | Path] = {
        "stage1.fp32.onnx": portable.variants[-1].stage1,
        "stage2.fp32.onnx": portable.variants[-1].stage2.read_bytes()[:-2000],
    }
    broken = write_bundle(tmp_path / "broken", files=files, manifest=manifest)
    with pytest.raises(CompileError, match="stage2 in fp32"):
        compile_bundle(broken, CompileRequest("tensorrt-rtx", tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def with_broken(portable: Bundle, folder: Path, forms: int) -> Bundle:
    """As for a TensorRT that refuses forms of INT8, which come first: their stage 2 is cut short."""
    files: dict[str, bytes | Path] = {}
    for variant in portable.variants:
        files |= {path.name: path for path in (variant.stage1, variant.stage2)}
    for variant in portable.variants[:forms]:
        files[variant.stage2.name] = variant.stage2.read_bytes()[:-2000]
    return write_bundle(folder, files=files, manifest=portable.manifest)


@pytest.fixture
def with_a_broken_int8(portable: Bundle, tmp_path: Path) -> Bundle:
    return with_broken(portable, tmp_path / "broken", forms=2)


def test_a_refused_form_of_int8_leaves_the_second(portable: Bundle, tmp_path: Path) -> None:
    bundle, said = with_broken(portable, tmp_path / "broken", forms=1), []
    compiled = compile_bundle(bundle, CompileRequest("tensorrt-rtx", tmp_path / "out", "int8"), said.append)
    (plan,) = compiled.variants_for("tensorrt-rtx")
    assert plan.measured["of_onnx"] == {"form": "int8.tensorrt.fp32"}
    assert [line for line in said if line.startswith("int8 is tried in its next form: stage2 in int8")]


def test_a_refused_precision_leaves_the_others(with_a_broken_int8: Bundle, tmp_path: Path) -> None:
    said: list[str] = []
    compiled = compile_bundle(with_a_broken_int8, CompileRequest("tensorrt-rtx", tmp_path / "out"), said.append)
    assert [variant.precision for variant in compiled.variants if variant.format == "plan"] == ["fp16", "fp32"]
    assert [line for line in said if line.startswith("int8 is left out: stage2 in int8")]


def test_a_refused_precision_that_was_asked_for_leaves_no_bundle(with_a_broken_int8: Bundle, tmp_path: Path) -> None:
    with pytest.raises(CompileError, match="stage2 in int8"):
        compile_bundle(with_a_broken_int8, CompileRequest("tensorrt-rtx", tmp_path / "out", "int8"))
    assert not (tmp_path / "out").exists()


def test_without_torch_and_onnx(portable: Bundle, tmp_path: Path) -> None:
    """As on a device: only NumPy, TensorRT and the command line's packages can be imported."""
    code = (
        "import sys\n"
        "for name in ('torch', 'onnx', 'onnxruntime', 'openvino', 'cv2', 'av', 'safetensors', 'matplotlib'):\n"
        "    sys.modules[name] = None\n"
        "from edgefg.cli.main import main\n"
        "main(sys.argv[1:])"
    )
    words = ["compile", str(portable.path), "--target", "tensorrt-rtx", "--out", str(tmp_path / "out")]
    ended = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, timeout=110)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "compiled stage1 in int8" in ended.stdout
    assert json.loads((tmp_path / "out" / "manifest.json").read_text())["variants"][0]["format"] == "plan"


def test_the_bundle_that_ships_compiles_on_the_device(edgefg: Any, tmp_path: Path) -> None:
    open_compiler("tensorrt-rtx")
    ended = edgefg("compile", "--target", "tensorrt-rtx", "--precision", "fp16", "--out", tmp_path / "mine")
    assert ended.code == 0
    assert [entry.precision for entry in open_bundle(tmp_path / "mine").variants_for("tensorrt-rtx")][:1] == ["fp16"]


@pytest.mark.parametrize("words", [(), (SHIPPED,), ("--out", SHIPPED)], ids=["no folder", "itself", "into itself"])
def test_the_bundle_that_ships_is_left_as_it_is(edgefg: Any, words: tuple[Any, ...]) -> None:
    ended = edgefg("compile", *words, "--target", "tensorrt-rtx")
    assert ended.code == 2
    assert "--out" in ended.err


def test_without_a_gpu_tensorrt_itself_says_what_is_missing(portable: Bundle, edgefg: Any, tmp_path: Path) -> None:
    try:
        open_compiler("tensorrt")
    except MissingDependencyError:
        ended = edgefg("compile", portable.path, "--target", "tensorrt", "--out", tmp_path / "out")
        assert ended.code == 2
        assert ended.err.count("\n") == 1
        assert not (tmp_path / "out").exists()
    else:
        pytest.skip("TensorRT works here")


@pytest.mark.soak
def test_networks_of_the_papers_size_compile(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All ten convolutions of VGG16 at full width, on small frames: the graph is that of 320x240."""
    monkeypatch.setenv("EDGEFG_CACHE", str(tmp_path / "cache"))
    compiler = open_compiler("tensorrt-rtx")
    for candidate in forms(PAPER, SIZE, data):
        for stage in ("stage1", "stage2"):
            plan = compiler.compile(getattr(candidate, stage), name=stage, options=CompileOptions())
            assert len(plan.data) > 100_000
