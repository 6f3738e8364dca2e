"""Options of a build, and their checks."""

from dataclasses import dataclass
from pathlib import Path

from edgefg.calibration.sample import DEFAULT_PAIRS, MIN_PAIRS
from edgefg.errors import OptionError
from edgefg.utils.validation import check_choice, check_count, check_number

from .acceptance.verdict import MAX_F_DROP
from .networks.sizes import INPUT_SIZE, check_input_size
from .quantization.variants import TENSORRT_ENGINES

SHIPPED = Path(__file__).parent / "shipped"
"""Weights that come with edgefg, one file for each size, and their licence."""

TARGETS = ("cpu", "onnx", *TENSORRT_ENGINES)
PRECISIONS = ("auto", "fp32", "fp16", "int8")


@dataclass(frozen=True)
class BuildOptions:
    """Options of a build, named as those of `edgefg build`.

    Attributes:
        out: The bundle's folder.
        weights: A file that `edgefg train` wrote.
        size: Size of shipped weights, in place of `weights`.
        target: ``cpu`` (OpenVINO, ONNX Runtime), ``tensorrt``, ``tensorrt-rtx``, or the portable ``onnx`` for all.
        precision: ``fp32``, ``fp16``, ``int8``, or ``auto``: all that the target runs and the comparison accepts.
        input_size: Width and height that the networks see, in pixels; multiples of 16.
        max_batch: Largest number of frames that TensorRT engines run in one launch.
        calibrate: Labelled sequences or a recording to calibrate INT8 on.
        part: Part of the JSON file in `calibrate`.
        samples: Number of pairs to calibrate on.
        seed: Seed that chooses these pairs.
        verify: Labelled sequences or a recording on which candidates are compared with FP32.
        verify_part: Part of the JSON file in `verify`.
        max_f_drop: F-measure that a candidate may lose against FP32.
        report: Folder for report.json and report.png; a folder next to the bundle if None.
    """

    out: Path
    weights: Path | None = None
    size: str | None = None
    target: str = "cpu"
    precision: str = "auto"
    input_size: tuple[int, int] = INPUT_SIZE
    max_batch: int = 1
    calibrate: str | None = None
    part: str | None = None
    samples: int = DEFAULT_PAIRS
    seed: int = 0
    verify: str | None = None
    verify_part: str | None = None
    max_f_drop: float = MAX_F_DROP
    report: Path | None = None


def shipped_weights(size: str) -> Path:
    """Returns the file with the shipped weights of a size.

    Raises:
        OptionError: No weights of that size are shipped.
    """
    path = SHIPPED / f"{size}.safetensors"
    if not path.is_file():
        names = ", ".join(sorted(file.stem for file in SHIPPED.glob("*.safetensors")))
        raise OptionError(f"size={size!r} comes without weights, unlike {names}; train it: edgefg train")
    return path


def check_options(options: BuildOptions) -> None:
    """Refuses options that make no sense, before any work is done.

    Raises:
        OptionError: An option is out of range, or does not fit another.
    """
    if (options.weights is None) == (options.size is None):
        given = "neither" if options.weights is None else "both"
        raise OptionError(f"weights= and size= exclude each other, and one is needed; got {given}")
    check_choice("target", options.target, TARGETS)
    check_choice("precision", options.precision, PRECISIONS)
    check_input_size(options.input_size)
    if options.precision == "fp16" and options.target == "cpu":
        raise OptionError("precision='fp16' is no use for target='cpu', which computes it as fp32; build fp32 or int8")
    if options.precision == "int8" and options.calibrate is None:
        raise OptionError("precision='int8' needs calibrate=DATA, or a recording of your camera")
    check_count("samples", options.samples, at_least=MIN_PAIRS)
    check_count("max_batch", options.max_batch)
    check_count("seed", options.seed, at_least=0)
    check_number("max_f_drop", options.max_f_drop, at_least=0, at_most=1)
    if options.part is not None and options.calibrate is None:
        raise OptionError(f"part={options.part!r} needs calibrate=DATA that it is a part of")
    if options.verify_part is not None and options.verify is None:
        raise OptionError(f"verify_part={options.verify_part!r} needs verify=DATA that it is a part of")


def recipe(options: BuildOptions) -> dict[str, list[str]]:
    """Returns the command's words that the manifest holds nowhere else, without paths."""
    default = BuildOptions(options.out)
    words = ["--weights", "FILE"] if options.size is None else ["--size", options.size]
    for name in ("precision", "max_batch", "max_f_drop"):
        if (value := getattr(options, name)) != getattr(default, name):
            words += [f"--{name.replace('_', '-')}", str(value)]
    sampled = [] if options.part is None else ["--part", options.part]
    return {"options": words, "calibration": [*sampled, "--samples", str(options.samples), "--seed", str(options.seed)]}
