"""``edgefg inspect``: the contents of a bundle, and the layers of its networks.

The layers come from the bundle's layers.json, which the build writes, as a device has no package to read a network's
own file. It holds both stages of each variant, by its label, in the form of `StageLayers`.
"""

import dataclasses
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from ..errors import BundleError, OptionError
from .bundle import Bundle, Variant, open_bundle
from .decision import Decision
from .fields import REMEDY, read_json_object
from .manifest import PRECISIONS, STAGES

LAYERS = "layers.json"
LAYERS_REMEDY = "to have them listed, build the bundle again: edgefg build"

# Limit of any figure: multiply-adds of the largest network are a millionth of it.
_TOO_LARGE = 10**18
_ONNX_FILE = re.compile(r"stage1\.(.+)\.onnx")


@dataclass(frozen=True)
class StagePort:
    """An input or output of a stage; ``"N"`` in its shape is the number of frames."""

    name: str
    dtype: str
    shape: tuple[int | str, ...]


@dataclass(frozen=True)
class Layer:
    """One convolution, with its figures for one frame.

    Attributes:
        name: Its module in the network.
        op: ``"Conv"`` or ``"ConvTranspose"``.
        precision: Precision that it computes in: ``"fp32"``, ``"fp16"`` or ``"int8"``.
        kernel: Height and width of the kernel.
        stride: Stride along height and width.
        channels_in: Channels of its input.
        channels_out: Channels of its output.
        output_height: Height of its output, in pixels.
        output_width: Width of its output, in pixels.
        multiply_adds: Multiply-adds, half of the number of operations.
        weight_bytes: Bytes of weights, biases and their scales, as stored.
        output_bytes: Bytes of its output, at its precision.
    """

    name: str
    op: str
    precision: str
    kernel: tuple[int, int]
    stride: tuple[int, int]
    channels_in: int
    channels_out: int
    output_height: int
    output_width: int
    multiply_adds: int
    weight_bytes: int
    output_bytes: int


@dataclass(frozen=True)
class Totals:
    """Totals of a stage for one frame: sums over its layers, and the bytes of its inputs and outputs."""

    multiply_adds: int
    weight_bytes: int
    port_bytes: int
    output_bytes: int


@dataclass(frozen=True)
class StageLayers:
    """The layers of one stage.

    Attributes:
        inputs: Its inputs.
        outputs: Its outputs.
        layers: Its convolutions, in order.
        others: Number of its other nodes, by kind.
        q_dq_pairs: Number of tensors that are rounded to 8 bits between layers.
        totals: Sums for one frame.
    """

    inputs: tuple[StagePort, ...]
    outputs: tuple[StagePort, ...]
    layers: tuple[Layer, ...]
    others: Mapping[str, int]
    q_dq_pairs: int
    totals: Totals


@dataclass(frozen=True)
class Measurement:
    """A variant compared with FP32 on one engine, as the build measured it; None where it did not.

    Attributes:
        engine: Name and version of the engine.
        simulated: Whether the engine only stood in for one that the build did not have.
        speedup: Speed as a multiple of FP32's.
        f_drop: F-measure that the variant loses against FP32.
        iou: IoU of its masks with those of FP32.
        failure: Why it did not run; None if it did.
    """

    engine: str
    simulated: bool
    speedup: float | None
    f_drop: float | None
    iou: float | None
    failure: str | None


@dataclass(frozen=True)
class VariantLayers:
    """One variant of a bundle.

    Attributes:
        label: Its name: the precision, with the engine where that makes a difference.
        precision: ``"fp32"``, ``"fp16"`` or ``"int8"``.
        format: ``"onnx"`` or ``"plan"``.
        engines: Engines that may load it.
        file_bytes: Size of each stage's file, in bytes.
        requires: Requirements of a plan.
        measured: Comparisons with FP32, one for each engine.
    """

    label: str
    precision: str
    format: str
    engines: tuple[str, ...]
    file_bytes: Mapping[str, int]
    requires: Mapping[str, Any]
    measured: tuple[Measurement, ...]


@dataclass(frozen=True)
class Inspection:
    """The contents of a bundle.

    Attributes:
        path: Its folder.
        name: Its name.
        input_size: Width and height of the networks' input, in pixels.
        decision: Defaults that decide what is foreground, and which frames skip stage 2.
        versions: Versions of the packages that it was built with.
        variants: Its variants, the preferred one first.
        shown: The label of the variant whose layers are listed.
        described_as: The label under which the bundle lists them; for a plan, that of the ONNX it was compiled from.
        stages: The layers of both stages; None if the bundle does not list them.
    """

    path: Path
    name: str
    input_size: tuple[int, int]
    decision: Decision
    versions: Mapping[str, str]
    variants: tuple[VariantLayers, ...]
    shown: str
    described_as: str | None
    stages: Mapping[str, StageLayers] | None

    def to_json(self) -> dict[str, Any]:
        """Returns all of it, ready for JSON."""
        width, height = self.input_size
        return dataclasses.asdict(self) | {
            "path": str(self.path),
            "input_size": {"width": width, "height": height},
            "decision": self.decision.to_json(),
        }


def inspect_bundle(path: str | Path | None = None, variant: str | None = None) -> Inspection:
    """Reads a bundle and the list of its layers.

    Args:
        path: Its folder; None is the bundle that comes with edgefg.
        variant: The label of the variant whose layers to list; None is the preferred one.

    Raises:
        MissingFileError, BundleError: It is not a bundle, or it is damaged.
        OptionError: It has no such variant.
    """
    bundle = open_bundle(path)
    forms = tuple(_form(entry) for entry in bundle.variants)
    labels = [form.label for form in forms]
    shown = labels[0] if variant is None else variant
    if shown not in labels:
        raise OptionError(f"variant={shown!r}: expected one of {', '.join(labels)}")
    layers = read_layers(bundle)
    described_as = next((label for label in _described_as(forms[labels.index(shown)]) if label in layers), None)
    return Inspection(
        path=bundle.path,
        name=bundle.name,
        input_size=bundle.input_size,
        decision=bundle.decision,
        versions=bundle.manifest["versions"],
        variants=forms,
        shown=shown,
        described_as=described_as,
        stages=None if described_as is None else layers[described_as],
    )


def read_layers(bundle: Bundle) -> dict[str, dict[str, StageLayers]]:
    """Returns the layers of both stages by the variant's label; nothing for a bundle that does not list them.

    Raises:
        BundleError: layers.json is not as the build writes it.
    """
    if LAYERS not in bundle.manifest["files"]:
        return {}
    path = bundle.path / LAYERS
    variants = _Place(path, "", read_json_object(path)).entries()
    return {label: {name: _stage(stages[name]) for name in STAGES} for label, stages in variants.items()}


def variant_label(variant: Variant) -> str:
    """Returns a variant's name: from its file, or for a plan its precision and engine."""
    if variant.format == "plan":
        return f"{variant.precision}.{variant.engines[0]}.plan"
    named = _ONNX_FILE.fullmatch(variant.stage1.name)
    return named[1] if named else variant.precision


def _described_as(form: VariantLayers) -> Iterator[str]:
    """Yields labels under which layers.json may list a variant: a plan has the layers of its ONNX."""
    yield form.label
    if form.format == "plan":
        yield f"{form.precision}.tensorrt"
        yield form.precision


def _form(variant: Variant) -> VariantLayers:
    return VariantLayers(
        label=variant_label(variant),
        precision=variant.precision,
        format=variant.format,
        engines=variant.engines,
        file_bytes={name: getattr(variant, name).stat().st_size for name in STAGES},
        requires=variant.requires,
        measured=tuple(_measurements(variant.measured)),
    )


def _measurements(measured: Mapping[str, Any], *, simulated: bool = False) -> Iterator[Measurement]:
    """Reads measurements leniently: the section is free, and a later build may write something else."""
    simulated |= measured.get("simulated") is True
    comparisons = measured.get("comparisons")
    for entry in comparisons if isinstance(comparisons, list) else ():
        if not isinstance(entry, dict) or not isinstance(entry.get("engine"), str):
            continue
        speedups, failure = entry.get("speedup"), entry.get("failure")
        yield Measurement(
            engine=entry["engine"],
            simulated=simulated,
            # The time of an engine that stood in means nothing.
            speedup=_number(speedups.get("together")) if isinstance(speedups, dict) and not simulated else None,
            f_drop=_number(entry.get("f_drop")),
            iou=_number(entry.get("iou")),
            failure=failure if isinstance(failure, str) else None,
        )
    # A plan carries the measurements of the ONNX that it was compiled from, by another engine.
    if isinstance(measured.get("of_onnx"), dict):
        yield from _measurements(measured["of_onnx"], simulated=True)


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    # JSON may hold whole numbers that exceed any float.
    return float(value) if abs(value) < _TOO_LARGE else None


class _Place:
    """A value in layers.json; errors of its getters name its place in the file."""

    def __init__(self, path: Path, name: str, value: Any) -> None:
        self._path = path
        self._name = name
        self._value = value

    def __getitem__(self, key: str) -> "_Place":
        fields = self.entries()
        if key not in fields:
            raise BundleError(f"{self._path}: expected {self._inner(key)}, found no such field; {REMEDY}")
        return fields[key]

    def entries(self) -> dict[str, "_Place"]:
        if not isinstance(self._value, dict):
            self._refuse("an object")
        return {key: _Place(self._path, self._inner(key), value) for key, value in self._value.items()}

    def each(self) -> list["_Place"]:
        if not isinstance(self._value, list):
            self._refuse("a list")
        return [_Place(self._path, f"{self._name}[{index}]", value) for index, value in enumerate(self._value)]

    def text(self, choices: Sequence[str] = ()) -> str:
        if not isinstance(self._value, str) or (choices and self._value not in choices):
            self._refuse(f"one of {', '.join(choices)}" if choices else "text")
        return self._value

    def whole(self) -> int:
        if isinstance(self._value, bool) or not isinstance(self._value, int) or not 0 <= self._value < _TOO_LARGE:
            self._refuse("a whole number from 0 to 10^18")
        return self._value

    def pair(self) -> tuple[int, int]:
        values = self.each()
        if len(values) != 2:
            self._refuse("a list of two whole numbers")
        return values[0].whole(), values[1].whole()

    def size(self) -> int | str:
        return self._value if self._value == "N" else self.whole()

    def _inner(self, key: str) -> str:
        return f"{self._name}.{key}" if self._name else key

    def _refuse(self, expected: str) -> NoReturn:
        if isinstance(self._value, (dict, list)):
            found = "an object" if isinstance(self._value, dict) else "a list"
        else:
            found = json.dumps(self._value)[:60]
        raise BundleError(f"{self._path}: expected {self._name} to be {expected}, found {found}; {REMEDY}")


def _stage(at: _Place) -> StageLayers:
    totals = at["totals"]
    return StageLayers(
        inputs=tuple(_port(port) for port in at["inputs"].each()),
        outputs=tuple(_port(port) for port in at["outputs"].each()),
        layers=tuple(_layer(layer) for layer in at["layers"].each()),
        others={kind: count.whole() for kind, count in at["others"].entries().items()},
        q_dq_pairs=at["q_dq_pairs"].whole(),
        totals=Totals(**{field.name: totals[field.name].whole() for field in dataclasses.fields(Totals)}),
    )


def _port(at: _Place) -> StagePort:
    return StagePort(at["name"].text(), at["dtype"].text(), tuple(size.size() for size in at["shape"].each()))


def _layer(at: _Place) -> Layer:
    return Layer(
        name=at["name"].text(),
        op=at["op"].text(),
        precision=at["precision"].text(PRECISIONS),
        kernel=at["kernel"].pair(),
        stride=at["stride"].pair(),
        channels_in=at["channels_in"].whole(),
        channels_out=at["channels_out"].whole(),
        output_height=at["output_height"].whole(),
        output_width=at["output_width"].whole(),
        multiply_adds=at["multiply_adds"].whole(),
        weight_bytes=at["weight_bytes"].whole(),
        output_bytes=at["output_bytes"].whole(),
    )
