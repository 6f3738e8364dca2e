"""The forms of one pair of networks that a build may put into a bundle: FP32, FP16, and INT8 for CPUs or TensorRT."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

from edgefg.calibration.ranges import Ranges, cached_ranges, measure_ranges
from edgefg.calibration.sample import Sample
from edgefg.utils.progress import Progress

from ..export.onnx import export_stage1, export_stage2
from ..export.simulate import Stage1
from ..networks.weights import Networks
from .qdq import CPU, TENSORRT, Scheme, convolution_inputs, quantize

CPU_ENGINES = ("openvino", "onnxruntime")
TENSORRT_ENGINES = ("tensorrt", "tensorrt-rtx")

InputSize = tuple[int, int]


@dataclass(frozen=True)
class Candidate:
    """One form of the networks.

    Attributes:
        precision: ``"fp32"``, ``"fp16"`` or ``"int8"``.
        engines: For which engines it is meant.
        stage1: ONNX.
        stage2: ONNX.
        in_floating_point: By stage, the convolutions that an INT8 network leaves in higher precision.
        scales: Precision of an INT8 network's scales, and of all that it does not compute in INT8.
    """

    precision: str
    engines: tuple[str, ...]
    stage1: bytes = field(repr=False)
    stage2: bytes = field(repr=False)
    in_floating_point: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    scales: str = "fp16"

    @property
    def name(self) -> str:
        """What reports and files call it: INT8 has three forms."""
        if self.precision != "int8":
            return self.precision
        if set(self.engines) & set(CPU_ENGINES):
            return "int8.cpu"
        return "int8.tensorrt" if self.scales == "fp16" else f"int8.tensorrt.{self.scales}"


@dataclass(frozen=True)
class Calibration:
    """What INT8 is made from.

    Attributes:
        scheme: For which kind of engine.
        sample: The pairs.
        stage1: Ranges of stage 1, by convolution.
        stage2: Ranges of stage 2, by convolution, on the distances of the quantised stage 1.
    """

    scheme: Scheme
    sample: Sample
    stage1: Ranges
    stage2: Ranges


def full_precision(networks: Networks, input_size: InputSize, engines: tuple[str, ...]) -> Candidate:
    """Both stages in FP32."""
    stage1 = export_stage1(networks.stage1, input_size)
    return Candidate("fp32", engines, stage1, export_stage2(networks.stage2, input_size))


def half_precision(networks: Networks, input_size: InputSize, engines: tuple[str, ...]) -> Candidate:
    """Both stages in FP16."""
    stage1 = export_stage1(networks.stage1, input_size, half=True)
    return Candidate("fp16", engines, stage1, export_stage2(networks.stage2, input_size, half=True))


def calibrate(fp32: Candidate, scheme: Scheme, sample: Sample, progress: Progress) -> Calibration:
    """Measure the ranges of both stages; what was measured before for the same images and networks is not again.

    Raises:
        DataError: The networks give values that are not finite.
    """
    total = 3 * len(sample.pairs)
    done = 0

    def counted(feed: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        nonlocal done
        done += 1
        progress(f"calibrating for {scheme.name}", done, total)
        return feed

    def measure_stage1() -> Ranges:
        inputs = convolution_inputs(fp32.stage1)
        stage = Stage1(fp32.stage1)
        # The convolutions see one frame at a time, and any frame may be the background.
        feeds = (counted(stage.embed_feed(image)) for pair in sample.pairs for image in pair.images)
        found = measure_ranges(fp32.stage1, list(dict.fromkeys(inputs.values())), feeds)
        return {name: found[tensor] for name, tensor in inputs.items()}

    pixels = sample.pixels
    stage1 = cached_ranges(("stage1", pixels, fp32.stage1), measure_stage1)
    quantised = quantize(fp32.stage1, stage1, scheme)

    def measure_stage2() -> Ranges:
        inputs, stage = convolution_inputs(fp32.stage2), Stage1(quantised)
        images = (pair.images for pair in sample.pairs)
        feeds = (counted({"frame": frame[None], **stage.handed_on(background, frame)}) for background, frame in images)
        found = measure_ranges(fp32.stage2, list(dict.fromkeys(inputs.values())), feeds)
        return {name: found[tensor] for name, tensor in inputs.items()}

    stage2 = cached_ranges(("stage2", pixels, quantised, fp32.stage2), measure_stage2)
    return Calibration(scheme, sample, stage1, stage2)


def integer(
    base: Candidate,
    calibration: Calibration,
    engines: tuple[str, ...],
    in_floating_point: Mapping[str, tuple[str, ...]] | None = None,
) -> Candidate:
    """Both stages in INT8 where a convolution is, in the precision of `base` elsewhere."""
    kept = dict(in_floating_point or {})
    return Candidate(
        "int8",
        engines,
        quantize(base.stage1, calibration.stage1, calibration.scheme, kept.get("stage1", ())),
        quantize(base.stage2, calibration.stage2, calibration.scheme, kept.get("stage2", ())),
        kept,
        base.precision,
    )


def scheme_of(engines: tuple[str, ...]) -> Scheme:
    """How activations are quantised for these engines."""
    return TENSORRT if set(engines) <= set(TENSORRT_ENGINES) else CPU
