"""The build of a bundle from weights: export, choice of precision, comparison, and the bundle's files."""

import json
import platform
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import torch

import edgefg
from edgefg.bundle import calibration_record, reference_masks
from edgefg.bundle.bundle import Bundle, check_replaceable, write_bundle
from edgefg.bundle.layers import LAYERS
from edgefg.calibration.sample import Sample
from edgefg.errors import GateError
from edgefg.imaging.convert import fit
from edgefg.imaging.median import temporal_median
from edgefg.media.reader import open_video
from edgefg.utils.cpu import cpu_kind
from edgefg.utils.progress import Progress

from .acceptance.parity import check_engine, check_export, clip_frames
from .acceptance.report import check_report, write_report
from .acceptance.selection import VariantSelector, engines_of, installed, wanted
from .acceptance.verdict import Limits, Verdict
from .data import Footage, choose_scenes, draw_sample, open_footage
from .decision import decision_of
from .export.simulate import Stages
from .networks.cost import multiply_adds
from .networks.weights import Networks, load_weights
from .options import SHIPPED, BuildOptions, check_options, recipe, shipped_weights
from .quantization.layers import layers_of
from .quantization.variants import CPU_ENGINES, TENSORRT_ENGINES, Candidate, full_precision
from .tensorrt.builder import CompileOptions, open_compiler
from .tensorrt.compile import CompileRequest, compile_bundle
from .tensorrt.timing_cache import timing_cache_path

REFERENCE_FRAMES = 3

Say = Callable[[str], None]


@dataclass(frozen=True)
class VariantFiles:
    """One variant on its way into a bundle: the candidate, its engines and its figures."""

    candidate: Candidate
    engines: tuple[str, ...]
    measured: Mapping[str, Any]

    @property
    def files(self) -> dict[str, str]:
        """Names of the files, by stage."""
        return {stage: f"{stage}.{self.candidate.name}.onnx" for stage in ("stage1", "stage2")}

    def entry(self) -> dict[str, Any]:
        """Returns the entry that the manifest lists."""
        return {
            "precision": self.candidate.precision,
            "format": "onnx",
            "engines": list(self.engines),
            "stages": {stage: {"file": file} for stage, file in self.files.items()},
            "requires": {},
            "measured": dict(self.measured),
        }


def build_bundle(
    options: BuildOptions,
    say: Say = lambda text: None,
    progress: Progress = lambda what, done, total: None,
) -> Bundle:
    """Builds a bundle from trained weights; an earlier bundle at `out` stays until the new one is complete.

    Args:
        options: Options of the build.
        say: Receives each step and finding as a sentence.
        progress: Receives the progress.

    Raises:
        OptionError: An option is out of range, or does not fit another.
        MissingFileError, DataError, MediaError: Weights or footage cannot be read, or are unfit.
        EngineError: The export, or an engine of this machine, does not agree with torch.
        GateError: The precision requested by name is not accurate enough.
        CompileError, MissingDependencyError: TensorRT is missing, or refuses a network.
        OutputError: The bundle cannot be written.
    """
    check_options(options)
    out = options.out.resolve()
    check_replaceable(out)
    report = options.report or out.parent / f"{out.name}-report"
    check_report(report, out)
    if options.target in TENSORRT_ENGINES:
        open_compiler(options.target)  # Minutes of work must not end in "there is no compiler".
    source = options.weights if options.weights is not None else shipped_weights(str(options.size))
    networks = load_weights(source)
    calibrate, verify = (
        None if data is None else open_footage(data, part)
        for data, part in ((options.calibrate, options.part), (options.verify, options.verify_part))
    )
    say(f"exporting {source.name} for {options.input_size[0]}x{options.input_size[1]}")
    fp32 = full_precision(networks, options.input_size, engines_of(options.target))
    agreement = check_export(networks, fp32, options.input_size, decision_of(networks.card).threshold)
    sample = None if calibrate is None else draw_sample(calibrate, options, networks.card)
    say(_about_calibration(sample))
    manifest = _manifest(networks, options, agreement, sample)
    if for_cpu := tuple(engine for engine in fp32.engines if engine in CPU_ENGINES):
        for engine in installed(for_cpu):
            check_engine(networks, fp32, engine, manifest)
    verdicts: list[Verdict] = []
    if tried := wanted(options.target, options.precision, calibrated=sample is not None):
        scenes = choose_scenes(verify, calibrate, sample, options.samples)
        say(f"comparing with fp32 on {sum(scene.count for scene in scenes)} frames of {len(scenes)} scene(s)")
        limits = Limits(options.max_f_drop, must_be_faster=options.precision == "auto")
        chooser = VariantSelector(networks, fp32, sample, scenes, manifest, options.input_size, limits, say, progress)
        verdicts = chooser.verdicts(tried)
        write_report(report, str(manifest["name"]), verdicts)
        say(f"wrote {report / 'report.json'} and report.png")
    written = _forms(options, fp32, verdicts)
    files = _files(options, networks, written, sample)
    files[reference_masks.FILE] = _reference_masks(options, fp32, calibrate).to_bytes()
    complete = {**manifest, "variants": [form.entry() for form in written]}
    if options.target not in TENSORRT_ENGINES:
        bundle = write_bundle(out, files=files, manifest=complete)
    else:
        with tempfile.TemporaryDirectory(prefix="edgefg-") as folder:
            portable = write_bundle(Path(folder) / out.name, files=files, manifest=complete)
            how = CompileOptions(max_batch=options.max_batch, timing_cache=timing_cache_path(out))
            request = CompileRequest(options.target, out, options.precision, how)
            bundle = compile_bundle(portable, request, say, progress)
    listed = (f"{variant.precision} for {' and '.join(variant.engines)}" for variant in bundle.variants)
    say(f"wrote {bundle.path}: {', '.join(listed)}")
    return bundle


def _about_calibration(sample: Sample | None) -> str:
    if sample is None:
        return "no INT8 without frames to calibrate on: pass calibrate=DATA, or a recording of your camera"
    return f"calibrating on {len(sample.pairs)} pairs of {sample.source}, digest {sample.digest[:12]}"


def _forms(options: BuildOptions, fp32: Candidate, verdicts: Sequence[Verdict]) -> list[VariantFiles]:
    """Returns the variants that go into the bundle, the preferred one first."""
    # INT8 before FP16: where both passed and speed could not be measured, a device should try them in this order.
    accepted = sorted(
        (verdict for verdict in verdicts if verdict.accepted), key=lambda verdict: verdict.candidate.precision != "int8"
    )
    written = [VariantFiles(verdict.candidate, verdict.engines, verdict.measured()) for verdict in accepted]
    if options.precision in ("auto", "fp32"):
        return [*written, VariantFiles(fp32, fp32.engines, {"cpu": cpu_kind()})]
    if not written:
        raise GateError("; ".join(sentence for verdict in verdicts for sentence in verdict.sentences()))
    return written


def _files(
    options: BuildOptions, networks: Networks, written: Sequence[VariantFiles], sample: Sample | None
) -> dict[str, bytes | Path]:
    files: dict[str, bytes | Path] = {"card.json": json.dumps(networks.card, indent=1).encode()}
    layers = {}
    for form in written:
        stages = {"stage1": form.candidate.stage1, "stage2": form.candidate.stage2}
        files |= {form.files[stage]: model for stage, model in stages.items()}
        layers[form.candidate.name] = {stage: layers_of(model) for stage, model in stages.items()}
    files[LAYERS] = json.dumps(layers).encode()
    if sample is not None:
        files[calibration_record.FILE] = json.dumps(sample.to_json(), indent=1).encode()
    if options.size is not None:
        files |= {name: SHIPPED / name for name in ("LICENSE", "provenance.json")}
    return files


def _reference_masks(
    options: BuildOptions, fp32: Candidate, calibrate: Footage | None
) -> reference_masks.ReferenceMasks:
    """Returns masks of frames of your recording, or of the clip.

    Never of labelled data, whose licences often forbid passing them on.
    """
    if calibrate is not None and calibrate.recording is not None:
        frames = [fit(frame, options.input_size) for frame in open_video(calibrate.recording).sample(16, 640)]
        background = temporal_median(frames)
    else:
        frames, background = clip_frames(options.input_size)
    stages = Stages(fp32.stage1, fp32.stage2)
    probabilities = [stages.probability(background, frame) for frame in frames]
    # Frames with the most foreground show the most.
    fullest = sorted(range(len(frames)), key=lambda index: -int(probabilities[index].sum()))[:REFERENCE_FRAMES]
    shown, expected = ([images[index] for index in fullest] for images in (frames, probabilities))
    return reference_masks.ReferenceMasks(background, np.stack(shown), np.stack(expected))


def _manifest(networks: Networks, options: BuildOptions, agreement: float, sample: Sample | None) -> dict[str, Any]:
    """Returns the manifest without its variants."""
    size, (width, height) = networks.size, options.input_size
    frame = torch.zeros(1, height, width, 3, dtype=torch.uint8)
    with torch.inference_mode():
        features = networks.stage1.features(frame)
        found = networks.stage1.compare(features, features)
    return {
        "name": size.name,
        "network": {
            "size": size.name,
            "width": size.width,
            "early_stride": size.early_stride,
            "feature_channels": size.feature_channels,
            **({"context_channels": size.context_channels} if size.context_channels else {}),
        },
        "input_size": {"width": width, "height": height},
        "decision": decision_of(networks.card).to_json(),
        "recipe": recipe(options),
        "calibration": None if sample is None else {"digest": sample.digest, "pairs": len(sample.pairs)},
        "versions": {
            "edgefg": edgefg.__version__,
            "python": platform.python_version(),
            **{name: metadata.version(name) for name in ("torch", "onnx", "onnxruntime")},
        },
        "measured": {
            "multiply_adds": {
                "stage1": multiply_adds(networks.stage1, frame, features),
                "stage2": multiply_adds(networks.stage2, frame, found.distance, found.context),
            },
            "parameters": {
                "stage1": sum(p.numel() for p in networks.stage1.parameters()),
                "stage2": sum(p.numel() for p in networks.stage2.parameters()),
            },
            "iou_with_torch": round(agreement, 5),
            "validation": networks.card.get("validation"),
        },
    }
