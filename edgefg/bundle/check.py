"""``edgefg check``: checks from its files alone, without a GPU, that a bundle is whole and fits a device."""

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from ..errors import BundleError
from . import calibration_record, reference_masks
from .bundle import Bundle, Variant
from .devices import LIST_COMMAND, OLDEST_TENSORRT, Target, all_targets
from .fields import read_json_object
from .findings import Failed, Finding, Passed, one_line, shown
from .layers import LAYERS, StageLayers, read_layers, variant_label
from .manifest import MANIFEST, SCHEMA, manifest_digest
from .rebuild import build_command
from .requirements import PLAN_ENGINES, gpus_as_text, is_rtx, name_of, plan_mismatches, read_requires, title


def check_bundle(bundle: Bundle, target: Target | None = None) -> list[Finding]:
    """Checks a bundle against its own manifest and, if there is a target, against that device.

    Args:
        bundle: A bundle from `edgefg.open_bundle`, which has checked its schema and every file's hash.
        target: The device that is to run it by TensorRT.

    Returns:
        All findings, in the order of the bundle's parts.
    """
    width, height = bundle.input_size
    stage_files = {path.name for variant in bundle.variants for path in (variant.stage1, variant.stage2)}
    files = len(stage_files) + len(bundle.manifest["files"])
    return [
        Passed("schema", str(SCHEMA)),
        _manifest(bundle),
        Passed("files", f"{files} next to the manifest, each with the SHA-256 that it lists"),
        Passed("input", f"frames of {width}x{height}, {bundle.feature_channels} channels of features"),
        Passed("decision", str(bundle.decision)),
        *_networks(bundle),
        *_calibration(bundle),
        _reference_masks(bundle),
        *_compiled(bundle, target),
    ]


def target_lines() -> Iterator[str]:
    """Yields the table of targets, one line each: its software, and why it is not supported if it is not."""
    rows = [("TARGET", "DEVICE", "COMPUTE CAPABILITY", "JETPACK", "TENSORRT", "")]
    for target in all_targets():
        device, jetpack = target.device, target.jetpack
        version = target.tensorrt or ("-" if target.unsupported else f"{OLDEST_TENSORRT} or later")
        rows.append(
            (
                target.name,
                device.name,
                device.compute_capability,
                jetpack.version if jetpack else "-",
                # Versions whose source was not seen to confirm them.
                version if jetpack is None or jetpack.verified else f"{version} (unconfirmed)",
                f"not supported: {target.unsupported}" if target.unsupported else "supported",
            )
        )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


# ---- The bundle by itself ----


def _manifest(bundle: Bundle) -> Finding:
    """Checks that the manifest is as the build wrote it."""
    stated = bundle.manifest.get("digest")
    try:
        found = manifest_digest(bundle.manifest)
    except RecursionError:  # Nested too deeply; see _sample.
        found = "none"
    if stated == found:
        return Passed(MANIFEST, "as it was written")
    return Failed(MANIFEST, f"fields of the digest {shown(stated)}", f"others, of {shown(found)}", _build(bundle))


def _networks(bundle: Bundle) -> Iterator[Finding]:
    """Lists the engines of each ONNX variant, and checks that its networks are those that the manifest promises."""
    try:
        layers = read_layers(bundle)
    except BundleError as error:
        layers = {}
        yield Failed(LAYERS, "layers as edgefg build lists them", f"others ({one_line(error)})", _build(bundle))
    for variant in bundle.variants:
        if variant.format == "onnx":
            mismatches = [*_broken_promises(bundle, variant, layers.get(variant_label(variant), {}))]
            yield from mismatches
            if not mismatches:
                yield Passed(name_of(variant), f"for {', '.join(variant.engines)}")


def _broken_promises(bundle: Bundle, variant: Variant, stages: Mapping[str, StageLayers]) -> Iterator[Failed]:
    precisions = sorted({layer.precision for stage in stages.values() for layer in stage.layers})
    if precisions and variant.precision not in precisions:
        yield Failed(f"{name_of(variant)} precision", variant.precision, ", ".join(precisions), _build(bundle))
    width, height = bundle.input_size
    frame, distance = ("uint8", (height, width, 3)), ("float32", (height // 4, width // 4))
    features = ("float32", (bundle.feature_channels, *distance[1]))
    handed_on: dict[str, tuple[str, tuple[int, ...]]] = {"distance": distance}
    if bundle.context_channels:
        handed_on["context"] = ("float32", (bundle.context_channels, *distance[1]))
    promised = {
        "stage1": {"frame": frame, "background_features": features, "features": features, **handed_on},
        "stage2": {"frame": frame, **handed_on, "probability": ("uint8", (height, width))},
    }
    for name, stage in stages.items():
        ports = {port.name: port for port in (*stage.inputs, *stage.outputs)}
        for port, (dtype, shape) in promised[name].items():
            found = ports.get(port)
            if found is None or (found.dtype, found.shape[1:]) != (dtype, shape):
                text = "none" if found is None else one_line(f"{found.dtype} of {found.shape}")
                yield Failed(f"{name_of(variant)} {name} {port}", f"{dtype} of {('N', *shape)}", text, _build(bundle))


def _calibration(bundle: Bundle) -> Iterator[Finding]:
    """Checks that INT8 networks were calibrated on the sample that the bundle records."""
    stated, listed = bundle.manifest.get("calibration"), calibration_record.FILE in bundle.manifest["files"]
    if stated is None and not listed and all(variant.precision != "int8" for variant in bundle.variants):
        yield Passed("calibration", "none, and no INT8 that needs one")
        return
    remedy = _build(bundle, calibrated=True)
    digest = stated.get("digest") if isinstance(stated, dict) else None
    sample = _sample(bundle) if listed else None
    if sample is None:
        found = "others" if listed else "no such file"
        yield Failed(calibration_record.FILE, "the seed and the pairs of a sample", found, remedy)
        if not isinstance(digest, str):
            yield Failed("calibration.digest", "the SHA-256 that names the sample", shown(digest), remedy)
        return
    record, of_pairs = sample
    for field, value in (("calibration.digest", digest), (f"{calibration_record.FILE} digest", record.get("digest"))):
        if value == of_pairs:
            yield Passed(field, f"that of the {len(record['pairs'])} pairs of {shown(record.get('source'))}")
        else:
            yield Failed(field, f"{of_pairs} (of the pairs that are listed)", shown(value), remedy)


def _sample(bundle: Bundle) -> tuple[dict[str, Any], str] | None:
    """Returns the record of the sample and the digest of its pairs; None if it is malformed."""
    try:
        record = read_json_object(bundle.path / calibration_record.FILE)
        digest = calibration_record.sample_digest(record["seed"], record["pairs"])
    # RecursionError: JSON that is nested too deeply can still be read, and fails when it is written again.
    except (BundleError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    return (record, digest) if record["pairs"] else None


def _reference_masks(bundle: Bundle) -> Finding:
    width, height = bundle.input_size
    try:
        found = reference_masks.read_reference_masks(bundle)
    except BundleError as error:
        expected = f"frames of {width}x{height} with their masks"
        return Failed(reference_masks.FILE, expected, f"others ({one_line(error)})", _build(bundle))
    if found is None:
        return Passed("reference masks", "none in this bundle")
    return Passed("reference masks", f"those of fp32 for {len(found.frames)} frames of {width}x{height}")


# ---- Its plans, and a device that is to load them ----


def _compiled(bundle: Bundle, target: Target | None) -> Iterator[Finding]:
    plans = [variant for variant in bundle.variants if variant.format == "plan"]
    if target is None or target.unsupported:
        for variant in plans:
            yield from _plan(bundle, variant, None)
        if target is not None:
            yield _refusal(bundle, target)
        return
    device = target.device
    software = "" if target.jetpack is None else f", JetPack {target.jetpack.version} with TensorRT {target.tensorrt}"
    memory = f", {' or '.join(map(str, device.memory_gb))} GB of memory" if device.memory_gb else ""
    yield Passed(
        f"target {target.name}", f"{device.name}{memory}, compute capability {device.compute_capability}{software}"
    )
    runs = ("tensorrt", "tensorrt-rtx") if device.tensorrt_rtx else ("tensorrt",)
    ours = [variant for variant in plans if variant.engines[0] in runs]
    for variant in plans:
        yield from _plan(bundle, variant, target if variant in ours else None)
        # Next to a plan that the device loads, one for other devices does no harm.
        if not ours:
            expected, found = f"{' or '.join(runs)} ({device.name})", ", ".join(variant.engines)
            yield Failed(f"{name_of(variant)} engines", expected, found, _make_plans(bundle, "tensorrt"))
    if not plans:
        yield _portable(bundle, runs)


def _plan(bundle: Bundle, variant: Variant, target: Target | None) -> list[Finding]:
    """Returns the faults of a plan, by itself or on a device; without any, the engine that loads it."""
    needs, mismatches = read_requires(variant)
    if target is not None:
        mismatches = plan_mismatches(
            variant,
            # The TensorRT for RTX of a device is not known.
            tensorrt=None if is_rtx(variant) else target.tensorrt,
            compute_capability=target.device.compute_capability,
            platform=target.device.platform,
        )
    if not mismatches:
        where = "" if is_rtx(variant) else f" on {needs['platform']}"
        gpus = f"compute capability {gpus_as_text(needs['compute_capabilities'])}"
        text = (
            f"loads in {title(variant)} {needs['version']}{where} only, {gpus}, batches of up to {needs['max_batch']}"
        )
        return [Passed(name_of(variant), text)]
    if _has_onnx(bundle, variant.engines[0]):
        return [*mismatches]
    return [replace(mismatch, remedy=_build(bundle, "onnx")) for mismatch in mismatches]


def _refusal(bundle: Bundle, target: Target) -> Failed:
    expected = f"a device that runs TensorRT {OLDEST_TENSORRT} or later"
    device = target.device
    newer = next((jetpack.version for jetpack in device.jetpacks if jetpack.runs_engines), None)
    remedy = f"choose another: {LIST_COMMAND}"
    if newer is not None:
        command = shlex.join(["edgefg", "check", str(bundle.path), "--target", f"{device.id}-jp{newer}"])
        remedy = f"with JetPack {newer}: {command}"
    return Failed(f"target {target.name}", expected, str(target.unsupported), remedy)


def _portable(bundle: Bundle, runs: tuple[str, ...]) -> Finding:
    """Checks for ONNX that a device compiles for one of the engines that it runs."""
    for engine in runs:
        precisions = [v.precision for v in bundle.variants if v.format == "onnx" and engine in v.engines]
        if precisions:
            how = f"compile it {_make_plans(bundle, engine)}"
            least = f" {OLDEST_TENSORRT} or later" if engine == "tensorrt" else ""
            return Passed(
                f"networks for {engine}", f"ONNX in {', '.join(precisions)} for {PLAN_ENGINES[engine]}{least}; {how}"
            )
    held = "; ".join(f"{v.precision} ONNX for {', '.join(v.engines)}" for v in bundle.variants)
    return Failed(f"networks for {' or '.join(runs)}", "plans, or ONNX to compile", held, _build(bundle, "onnx"))


# ---- Remedies: each ends in a command ----


def _make_plans(bundle: Bundle, engine: str) -> str:
    if not _has_onnx(bundle, engine):
        return _build(bundle, "onnx")
    return f"on the device: {bundle.compile_command(engine)}"


def _has_onnx(bundle: Bundle, engine: str) -> bool:
    return any(variant.format == "onnx" and engine in variant.engines for variant in bundle.variants)


def _build(bundle: Bundle, target: str | None = None, *, calibrated: bool = False) -> str:
    """Returns how to build the bundle again, for its own target unless another is passed."""
    # A damaged bundle is replaced; one that fits another device stays as it is.
    out = str(bundle.path) if target is None else f"{bundle.path.name}-{target}"
    return f"on a workstation: {build_command(bundle.manifest, out, target, calibrated=calibrated)}"
