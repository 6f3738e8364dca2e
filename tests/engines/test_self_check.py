"""Reference masks, and the engines that check themselves against them."""

import json
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgefg.bundle import reference_masks
from edgefg.bundle.bundle import Bundle, open_bundle, write_bundle
from edgefg.bundle.reference_masks import ReferenceMasks, read_reference_masks
from edgefg.engines.host import HostEngine
from edgefg.engines.open import open_engine
from edgefg.engines.self_check import MIN_IOU, agreement
from edgefg.errors import BundleError, EngineError
from edgefg.utils.cpu import cpu_kind, cpu_model

from ..conftest import fp32_variant

pytest.importorskip("openvino")


@pytest.fixture
def reference(tiny_bundle: Bundle, make_scene: Any) -> ReferenceMasks:
    """What the tiny bundle's FP32 networks make of three frames."""
    background, frames = make_scene(), [make_scene(boxes=((x, 16, 16, 16),)) for x in (0, 16, 32)]
    engine = open_engine(tiny_bundle, "openvino")
    features = engine.embed(background)
    masks = [np.asarray(engine.run(frame, features).probability) for frame in frames]
    engine.close()
    return ReferenceMasks(background, np.stack(frames), np.stack(masks))


def bundle_with(
    tiny_bundle: Bundle, folder: Path, reference: ReferenceMasks, cpu: str, *, fallback: bool = False
) -> Bundle:
    """A bundle that calls its networks INT8, accepted on some kind of CPU; FP32 ones stand behind them if asked for."""
    first, second = tiny_bundle.variants[0].stage1, tiny_bundle.variants[0].stage2
    files: dict[str, bytes | Path] = {
        "stage1.onnx": first,
        "stage2.onnx": second,
        "reference_masks.npz": reference.to_bytes(),
    }
    variants = [{**fp32_variant(), "precision": "int8", "measured": {"cpu": cpu}}]
    if fallback:
        files |= {"stage1.fp32.onnx": first, "stage2.fp32.onnx": second}
        variants.append(fp32_variant("stage1.fp32.onnx", "stage2.fp32.onnx"))
    return write_bundle(folder / "checked", files=files, manifest={**tiny_bundle.manifest, "variants": variants})


def wrong(reference: ReferenceMasks) -> ReferenceMasks:
    """The masks of another network."""
    return replace(reference, probabilities=np.roll(reference.probabilities, 20, axis=1))


def test_masks_are_read_as_they_were_written(tiny_bundle: Bundle, tmp_path: Path, reference: ReferenceMasks) -> None:
    found = read_reference_masks(bundle_with(tiny_bundle, tmp_path, reference, "any"))
    assert found is not None
    np.testing.assert_array_equal(found.frames, reference.frames)
    np.testing.assert_array_equal(found.probabilities, reference.probabilities)


def test_a_bundle_may_have_none(tiny_bundle: Bundle) -> None:
    assert read_reference_masks(tiny_bundle) is None


def test_agreement_is_the_share_of_common_foreground(tiny_bundle: Bundle, reference: ReferenceMasks) -> None:
    engine = open_engine(tiny_bundle, "openvino")
    assert agreement(engine, reference, 0.5) == 1.0
    assert agreement(engine, wrong(reference), 0.5) < 0.5
    nothing = replace(
        reference, frames=np.stack([reference.background] * 3), probabilities=np.zeros((3, 48, 64), np.uint8)
    )
    assert agreement(engine, nothing, 0.5) == 1.0
    engine.close()


def test_int8_that_is_right_on_another_cpu_is_used(
    tiny_bundle: Bundle, tmp_path: Path, reference: ReferenceMasks
) -> None:
    engine = open_engine(bundle_with(tiny_bundle, tmp_path, reference, "another CPU"))
    assert engine.variant.precision == "int8"
    engine.close()


def test_int8_that_is_wrong_on_another_cpu_gives_way_to_fp32(
    tiny_bundle: Bundle, tmp_path: Path, reference: ReferenceMasks, caplog: pytest.LogCaptureFixture
) -> None:
    bundle = bundle_with(tiny_bundle, tmp_path, wrong(reference), "another CPU", fallback=True)
    with caplog.at_level(logging.WARNING, "edgefg"):
        engine = open_engine(bundle)
    assert engine.variant.precision == "fp32"
    engine.close()
    (record,) = caplog.records
    assert "int8 on openvino" in record.getMessage()
    assert record.getMessage().endswith("falling back to fp32")


def test_int8_that_was_asked_for_never_falls_back(
    tiny_bundle: Bundle, tmp_path: Path, reference: ReferenceMasks
) -> None:
    bundle = bundle_with(tiny_bundle, tmp_path, wrong(reference), "another CPU", fallback=True)
    with pytest.raises(EngineError, match=r"expected masks like those of fp32 .* rebuild the bundle on this machine"):
        open_engine(bundle, precision="int8")


def test_without_another_precision_wrong_int8_is_an_error(
    tiny_bundle: Bundle, tmp_path: Path, reference: ReferenceMasks
) -> None:
    with pytest.raises(EngineError, match="edgefg build"):
        open_engine(bundle_with(tiny_bundle, tmp_path, wrong(reference), "another CPU"))


def test_int8_that_does_not_run_falls_back_too(
    tiny_bundle: Bundle,
    tmp_path: Path,
    reference: ReferenceMasks,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(*_: object) -> float:
        raise EngineError("a kernel is missing")

    monkeypatch.setattr("edgefg.engines.self_check.agreement", fail)
    engine = open_engine(bundle_with(tiny_bundle, tmp_path, reference, "another CPU", fallback=True))
    assert engine.variant.precision == "fp32"
    engine.close()
    (record,) = caplog.records
    assert "a kernel is missing; falling back to fp32" in record.getMessage()


def test_an_engine_whose_check_breaks_is_closed(
    tiny_bundle: Bundle, tmp_path: Path, reference: ReferenceMasks, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed, close = [], HostEngine.close
    monkeypatch.setattr(HostEngine, "close", lambda engine: (closed.append(engine), close(engine)))

    def damaged(bundle: Bundle) -> None:
        raise BundleError("expected an archive of reference masks")

    monkeypatch.setattr("edgefg.engines.self_check.read_reference_masks", damaged)
    with pytest.raises(BundleError, match="expected an archive"):
        open_engine(bundle_with(tiny_bundle, tmp_path, reference, "another CPU"))
    assert len(closed) == 1


def test_the_cpu_that_accepted_it_does_not_check_again(
    tiny_bundle: Bundle, tmp_path: Path, reference: ReferenceMasks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgefg.engines.self_check.agreement", lambda *_: pytest.fail("it was accepted here"))
    open_engine(bundle_with(tiny_bundle, tmp_path, wrong(reference), cpu_kind())).close()


@pytest.mark.parametrize("damage", ["text", "empty", "other arrays", "other size", "cut"])
def test_a_file_that_is_no_such_archive_is_refused(
    damage: str, tiny_bundle: Bundle, tmp_path: Path, reference: ReferenceMasks
) -> None:
    good = reference.to_bytes()
    half = replace(reference, frames=reference.frames[:, ::2])
    other = tmp_path / "other.npz"
    np.savez(other, masks=np.zeros(3))
    content = {
        "text": b"not an archive",
        "empty": b"",
        "other arrays": other.read_bytes(),
        "other size": half.to_bytes(),
        "cut": good[: len(good) // 2],
    }[damage]
    made = bundle_with(tiny_bundle, tmp_path, reference, "any")
    files: dict[str, bytes | Path] = {path.name: path for path in (made.variants[0].stage1, made.variants[0].stage2)}
    damaged = write_bundle(tmp_path / "damaged", files={**files, reference_masks.FILE: content}, manifest=made.manifest)
    with pytest.raises(BundleError, match=r"reference_masks\.npz"):
        read_reference_masks(damaged)


def test_a_precision_that_the_bundle_lacks_is_named(tiny_bundle: Bundle) -> None:
    with pytest.raises(BundleError, match="expected networks of int8 for openvino, found fp32 onnx"):
        open_engine(tiny_bundle, "openvino", precision="int8")


def test_a_bundle_for_another_engine_says_how_to_compile(tiny_bundle: Bundle) -> None:
    with pytest.raises(BundleError, match=r"edgefg compile .* --target tensorrt"):
        tiny_bundle.variants_for("tensorrt")


def test_the_kind_of_cpu_starts_with_its_name() -> None:
    assert cpu_model()
    assert cpu_kind().startswith(cpu_model())


def test_the_shipped_bundle_checks_itself_anywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a CPU that it was not built on: this machine's own engine, against the FP32 masks it carries."""
    bundle = open_bundle()
    reference = read_reference_masks(bundle)
    assert reference is not None
    for variant in bundle.variants_for("openvino"):
        engine = open_engine(bundle, "openvino", precision=variant.precision)
        assert agreement(engine, reference, bundle.decision.threshold) >= MIN_IOU
        engine.close()
    assert json.loads((bundle.path / "manifest.json").read_text())["files"]["reference_masks.npz"]
