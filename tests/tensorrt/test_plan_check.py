"""Plans that prove themselves on a GPU. The GPU is a fake one; the test marked ``gpu`` does the same on a real one."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgefg.build.tensorrt.plan_check import PlanCheck, refusal, try_plans
from edgefg.bundle import reference_masks
from edgefg.bundle.bundle import Bundle, write_bundle
from edgefg.bundle.reference_masks import ReferenceMasks
from edgefg.engines.open import open_engine
from edgefg.errors import EngineError, MissingDependencyError

from ..conftest import fp32_variant
from ..engines.test_engines import compile_for_rtx
from ..support.fake_gpu import FakeGpu, install, write_plans

pytest.importorskip("onnxruntime")


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeGpu]:
    fake = install(monkeypatch)
    yield fake
    assert not fake.depth, "the context is still current in this thread"


def with_masks(bundle: Bundle, folder: Path, make_scene: Any, shift: int = 0) -> Bundle:
    """The tiny bundle with reference masks, which are moved by some rows."""
    background, frames = make_scene(), [make_scene(boxes=((x, 16, 16, 16),)) for x in (0, 16, 32)]
    engine = open_engine(bundle, "onnxruntime")
    features = engine.embed(background)
    masks = np.stack([np.asarray(engine.run(frame, features).probability) for frame in frames])
    engine.close()
    variant = bundle.variants[0]
    files: dict[str, bytes | Path] = {path.name: path for path in (variant.stage1, variant.stage2)}
    files[reference_masks.FILE] = ReferenceMasks(background, np.stack(frames), np.roll(masks, shift, axis=1)).to_bytes()
    return write_bundle(folder, files=files, manifest={**bundle.manifest, "variants": [fp32_variant()]})


def tried(bundle: Bundle, target: str = "tensorrt") -> PlanCheck:
    (trial,) = try_plans(bundle, target, lambda what, done, total: None).values()
    return trial


@pytest.mark.usefixtures("gpu")
def test_plans_are_compared_with_fp32_and_timed(tiny_bundle: Bundle, tmp_path: Path, make_scene: Any) -> None:
    trial = tried(write_plans(with_masks(tiny_bundle, tmp_path / "tiny", make_scene), tmp_path / "plans"))
    assert (trial.gpu, trial.engine, trial.iou, trial.failure) == ("fake GPU", "tensorrt 10.3.0", 1.0, None)
    assert all(ms > 0 for ms in trial.stage_ms)
    assert refusal(trial, None) is None


@pytest.mark.usefixtures("gpu")
def test_masks_of_other_networks_are_refused(tiny_bundle: Bundle, tmp_path: Path, make_scene: Any) -> None:
    bundle = with_masks(tiny_bundle, tmp_path / "tiny", make_scene, shift=20)
    reason = refusal(tried(write_plans(bundle, tmp_path / "plans")), None)
    assert reason is not None
    assert "expected 0.95 or more" in reason


@pytest.mark.usefixtures("gpu")
def test_a_plan_that_does_not_load_is_refused(tiny_bundle: Bundle, tmp_path: Path) -> None:
    reason = refusal(tried(write_plans(tiny_bundle, tmp_path / "plans", stage2=b"no plan")), None)
    assert reason is not None
    assert "they do not run: " in reason
    assert "the plan is no plan" in reason


@pytest.mark.usefixtures("gpu")
def test_without_pairs_only_the_time_is_known(tiny_bundle: Bundle, tmp_path: Path) -> None:
    trial = tried(write_plans(tiny_bundle, tmp_path / "plans"))
    assert trial.iou is None
    assert str(trial).endswith(" stage 2)")
    assert "IoU" not in str(trial)


def both_precisions(tiny: Bundle, folder: Path) -> Bundle:
    """Plans of FP32, and the same ones as INT8 before them, as a compiled bundle has them."""
    fp32 = write_plans(tiny, folder / "fp32")
    plan, onnx = fp32.manifest["variants"]
    stages = {stage: {"file": f"int8.{stage}.plan"} for stage in ("stage1", "stage2")}
    files: dict[str, bytes | Path] = {f"int8.{stage}.plan": fp32.path / f"{stage}.plan" for stage in stages}
    for variant in fp32.variants:
        files |= {path.name: path for path in (variant.stage1, variant.stage2)}
    variants = [plan | {"precision": "int8", "stages": stages}, plan, onnx]
    return write_bundle(folder / "both", files=files, manifest={**fp32.manifest, "variants": variants})


@pytest.mark.usefixtures("gpu")
@pytest.mark.parametrize("fails_at", [None, 5])
def test_plans_run_in_turns(
    fails_at: int | None, tiny_bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from edgefg.engines.trt.engine import TensorRtEngine

    bundle, order, run = both_precisions(tiny_bundle, tmp_path), [], TensorRtEngine.run

    def counted(engine: Any, *arguments: Any) -> Any:
        order.append(engine.variant.precision)
        if engine.variant.precision == "int8" and order.count("int8") == fails_at:
            raise EngineError("it broke")
        return run(engine, *arguments)

    monkeypatch.setattr(TensorRtEngine, "run", counted)
    trials = try_plans(bundle, "tensorrt", lambda what, done, total: None)
    assert list(trials) == ["int8", "fp32"]
    assert order[:10] == ["int8", "fp32"] * 5
    assert trials["int8"].failure == (None if fails_at is None else "it broke")
    assert trials["fp32"].failure is None
    assert order.count("fp32") == 70
    assert order.count("int8") == (fails_at or 70)


def test_nothing_stays_on_the_gpu(gpu: FakeGpu, tiny_bundle: Bundle, tmp_path: Path) -> None:
    tried(write_plans(tiny_bundle, tmp_path / "plans"))
    assert not gpu.memory


@pytest.mark.usefixtures("gpu")
def test_plans_of_another_gpu_are_not_run(tiny_bundle: Bundle, tmp_path: Path) -> None:
    plans = write_plans(tiny_bundle, tmp_path / "plans", compute_capabilities=["7.5"])
    with pytest.raises(MissingDependencyError, match=r"expected 8\.7 \(the device's GPU\) among them, found 7\.5"):
        tried(plans)


@pytest.mark.parametrize(
    ("iou", "stage_ms", "words"),
    [(0.94, (1.0, 1.0), "by IoU 0.940 only"), (1.0, (2.0, 2.0), "4.00 ms against 3.00 ms"), (1.0, (1.0, 1.0), None)],
)
def test_slower_than_fp32_or_wrong_is_refused(iou: float, stage_ms: tuple[float, float], words: str | None) -> None:
    fp32 = PlanCheck("GPU", "tensorrt 10", 1.0, (2.0, 1.0))
    reason = refusal(PlanCheck("GPU", "tensorrt 10", iou, stage_ms), fp32)
    assert reason is None if words is None else words in str(reason)


def test_a_reference_that_does_not_run_refuses_nobody() -> None:
    assert (
        refusal(PlanCheck("GPU", "tensorrt 10", 1.0, (1.0, 1.0)), PlanCheck("GPU", "tensorrt 10", failure="broken"))
        is None
    )


def test_without_tensorrt_for_rtx_its_tests_are_skipped(
    tiny_bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt_rtx", None)
    with pytest.raises(pytest.skip.Exception, match="tensorrt_rtx"):
        compile_for_rtx(tiny_bundle, tmp_path / "real")


@pytest.mark.gpu
def test_rtx_on_a_real_gpu(tiny_bundle: Bundle, tmp_path: Path) -> None:
    trial = tried(compile_for_rtx(tiny_bundle, tmp_path / "real"), "tensorrt-rtx")
    assert trial.failure is None
    assert trial.total_ms > 0
