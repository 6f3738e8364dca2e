"""A bundle's manifest.json: what must stand in it, checked field by field.

    {
      "schema": 2,
      "name": "lite",
      "network": {"size": "lite", "width": 0.1875, "early_stride": 2, "feature_channels": 64},
      "input_size": {"width": 320, "height": 240},
      "threshold": 0.5,
      "mode": "fused",
      "map": {"distance": 12.5},
      "quiet": {"distance": 8.0},
      "variants": [
        {
          "precision": "int8",
          "format": "onnx",
          "engines": ["openvino", "onnxruntime"],
          "stages": {
            "stage1": {"file": "stage1.int8.onnx", "sha256": "...", "bytes": 1234567},
            "stage2": {"file": "stage2.int8.onnx", "sha256": "...", "bytes": 1234567}
          },
          "requires": {},
          "measured": {}
        }
      ],
      "recipe": {"options": ["--size", "lite"], "calibration": ["--part", "train", "--samples", "256", "--seed", "0"]},
      "versions": {"edgefg": "0.1.0", "torch": "2.13.0"},
      "measured": {},
      "files": {"card.json": "<SHA-256>", "LICENSE": "<SHA-256>"},
      "digest": "<SHA-256>"
    }

The same networks may come in several variants, the preferred one first. An engine loads ``format`` ``onnx``, or, where
it is one of TensorRT's, a ``plan`` that was compiled from it; ``requires`` says what a plan needs to load. ``measured``
is free, and so is ``recipe``: the words of the build's command but for paths, for remedies. ``mode``
may be missing: it is what ``auto`` stands for, and ``full`` if left out. So may ``map`` and ``quiet``: they hold the
distance from which a place of the map alone counts as foreground, and the one below which all of a map must stay for
its frame to skip stage 2. A field that is not shown here is
ignored, so that a later edgefg may add one. ``digest`` is of all other fields: a manifest that somebody edited still
opens, and ``edgefg check`` tells.
"""

import hashlib
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from ..errors import BundleError

MANIFEST = "manifest.json"
SCHEMA = 2
STAGES = ("stage1", "stage2")
MODES = ("full", "map", "fused")
"""Stage 2's masks, those of the sharpened map without stage 2, and the mean of both."""

PRECISIONS = ("fp32", "fp16", "int8")
ENGINES = ("tensorrt", "tensorrt-rtx", "openvino", "onnxruntime")
"""In the order in which ``auto`` tries them."""

FORMATS = ("onnx", "plan")

REMEDY = "get the bundle again, or rebuild it: edgefg build"
# Networks keep changed places some 30 apart.
_MAX_DISTANCE = 10**6
# Beside plain letters nothing is let through that could lead out of the bundle's folder.
_FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class StageFile:
    """The network of one stage: its file's name, SHA-256 in hex and size."""

    file: str
    sha256: str
    size_bytes: int


@dataclass(frozen=True)
class VariantEntry:
    """One form of the networks.

    Attributes:
        precision: ``"fp32"``, ``"fp16"`` or ``"int8"``.
        format: ``"onnx"`` or ``"plan"``.
        engines: What may load it or, if it is ONNX for TensorRT, compile it.
        stages: The stages' files by ``"stage1"`` and ``"stage2"``.
        requires: What a plan needs to load: version, compute capability, platform.
        measured: Its accuracy and speed.
    """

    precision: str
    format: str
    engines: tuple[str, ...]
    stages: Mapping[str, StageFile]
    requires: Mapping[str, Any]
    measured: Mapping[str, Any]


@dataclass(frozen=True)
class Manifest:
    """A manifest whose every field has the right type and range.

    Attributes:
        name: What the bundle is called.
        feature_channels: Channels of the background's features.
        input_size: Width and height of the networks' input in pixels.
        threshold: In (0, 1].
        mode: One of MODES: the one that validation found best.
        map_distance: In map units, above 0; None where the manifest has none.
        quiet_distance: Likewise.
        variants: The forms of the networks, the preferred one first.
        files: SHA-256 in hex of every other file but the manifest, by name.
        raw: The JSON object itself.
    """

    name: str
    feature_channels: int
    input_size: tuple[int, int]
    threshold: float
    mode: str
    map_distance: float | None
    quiet_distance: float | None
    variants: tuple[VariantEntry, ...]
    files: Mapping[str, str]
    raw: dict[str, Any]

    @property
    def stage_files(self) -> tuple[StageFile, ...]:
        """The files of all variants."""
        return tuple(stage for variant in self.variants for stage in variant.stages.values())

    @property
    def file_names(self) -> frozenset[str]:
        """Every file that the bundle's folder must hold, the manifest included."""
        return frozenset({MANIFEST, *(stage.file for stage in self.stage_files), *self.files})


def read_manifest(path: Path) -> Manifest:
    """Reads and checks a manifest.

    Raises:
        BundleError: It cannot be read, is no JSON, has another schema, or a field is missing or wrong.
    """
    raw = read_json_object(path)
    top = _Fields(path, "", raw)
    _check_schema(top)
    network = top.section("network")
    network.text("size")
    network.number("width", at_most=1)
    network.whole("early_stride", at_least=1)
    input_size = top.section("input_size")
    versions = top.section("versions")
    for package in versions.values:
        versions.text(package)
    top.section("measured")
    manifest = Manifest(
        name=top.text("name"),
        feature_channels=network.whole("feature_channels", at_least=1),
        # The distance map has a quarter of the size.
        input_size=(input_size.whole("width", at_least=16, step=4), input_size.whole("height", at_least=16, step=4)),
        threshold=top.number("threshold", at_most=1),
        mode=top.choice("mode", MODES) if "mode" in raw else MODES[0],
        map_distance=_distance(top, "map"),
        quiet_distance=_distance(top, "quiet"),
        variants=tuple(_variant(fields) for fields in top.sections("variants")),
        files=_files(top.section("files")),
        raw=raw,
    )
    if len(manifest.file_names) != 1 + len(manifest.stage_files) + len(manifest.files):
        names = [stage.file for stage in manifest.stage_files]
        top.refuse("variants", "of another file for each stage, listed once", names)
    return manifest


def _distance(top: "_Fields", section: str) -> float | None:
    """In map units, above 0; None where there is no such section."""
    return top.section(section).number("distance", at_most=_MAX_DISTANCE) if section in top.values else None


def manifest_digest(raw: Mapping[str, Any]) -> str:
    """SHA-256 in hex of all fields but ``digest``, however they are laid out."""
    fields = {name: value for name, value in raw.items() if name != "digest"}
    return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()


def read_json_object(path: Path) -> dict[str, Any]:
    """Reads a file of a bundle that holds one JSON object.

    Raises:
        BundleError: It cannot be read, is no JSON object, or holds NaN or Infinity.
    """
    try:
        value = json.loads(path.read_text("utf-8"), parse_constant=_refuse_constant, parse_float=_finite)
    except OSError as error:
        raise BundleError(f"{path}: cannot be read ({error.strerror}); {REMEDY}") from error
    # ValueError: no JSON or no UTF-8. RecursionError: brackets nested without end.
    except (ValueError, RecursionError) as error:
        raise BundleError(
            f"{path}: expected a JSON object, found other or truncated text ({error}); {REMEDY}"
        ) from error
    if not isinstance(value, dict):
        raise BundleError(f"{path}: expected a JSON object, found {_shown(value)}; {REMEDY}")
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def _finite(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError(f"{text} is too large a number")
    return value


class _Fields:
    """One JSON object of a manifest; its getters name the field that is missing or wrong."""

    def __init__(self, path: Path, prefix: str, values: dict[str, Any]) -> None:
        self.values = values
        self._path = path
        self._prefix = prefix

    def section(self, name: str) -> "_Fields":
        value = self._get(name, "an object")
        if not isinstance(value, dict):
            self.refuse(name, "an object", value)
        return _Fields(self._path, f"{self._prefix}{name}.", value)

    def sections(self, name: str) -> list["_Fields"]:
        expected = "a list of one object or more"
        value = self._get(name, expected)
        if not isinstance(value, list) or not value or not all(isinstance(entry, dict) for entry in value):
            self.refuse(name, expected, value)
        return [_Fields(self._path, f"{self._prefix}{name}[{index}].", entry) for index, entry in enumerate(value)]

    def text(self, name: str) -> str:
        value = self._get(name, "text")
        if not isinstance(value, str) or not value.strip():
            self.refuse(name, "text", value)
        return value

    def choice(self, name: str, choices: tuple[str, ...]) -> str:
        expected = f"one of {', '.join(choices)}"
        value = self._get(name, expected)
        # Not only `in`: a list is not hashable, and True is not text.
        if not isinstance(value, str) or value not in choices:
            self.refuse(name, expected, value)
        return value

    def several(self, name: str, choices: tuple[str, ...]) -> tuple[str, ...]:
        expected = f"a list of some of {', '.join(choices)}"
        value = self._get(name, expected)
        if (
            not isinstance(value, list)
            or not value
            or not all(isinstance(entry, str) and entry in choices for entry in value)
            or len(set(value)) != len(value)
        ):
            self.refuse(name, expected, value)
        return tuple(value)

    def match(self, name: str, pattern: re.Pattern[str], expected: str) -> str:
        value = self._get(name, expected)
        if not isinstance(value, str) or not pattern.fullmatch(value):
            self.refuse(name, expected, value)
        return value

    def whole(self, name: str, at_least: int, step: int = 1) -> int:
        expected = f"a whole number of at least {at_least}" + (f" that {step} divides" if step > 1 else "")
        value = self._get(name, expected)
        if isinstance(value, bool) or not isinstance(value, int) or value < at_least or value % step:
            self.refuse(name, expected, value)
        return value

    def number(self, name: str, at_most: float) -> float:
        expected = f"a number above 0 and at most {at_most}"
        value = self._get(name, expected)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value <= at_most:
            self.refuse(name, expected, value)
        return float(value)

    def refuse(self, name: str, expected: str, found: object) -> NoReturn:
        raise BundleError(
            f"{self._path}: expected {self._prefix}{name} to be {expected}, found {_shown(found)}; {REMEDY}"
        )

    def _get(self, name: str, expected: str) -> Any:
        if name not in self.values:
            raise BundleError(
                f"{self._path}: expected {self._prefix}{name} ({expected}), found no such field; {REMEDY}"
            )
        return self.values[name]


def _check_schema(top: _Fields) -> None:
    schema = top.whole("schema", at_least=1)
    if schema > SCHEMA:
        top.refuse("schema", f"{SCHEMA}, as this edgefg reads it (or upgrade: pip install --upgrade edgefg)", schema)
    if schema < SCHEMA:
        top.refuse("schema", f"{SCHEMA}, as edgefg writes it since bundles hold several precisions", schema)


def _variant(fields: _Fields) -> VariantEntry:
    stages = fields.section("stages")
    return VariantEntry(
        precision=fields.choice("precision", PRECISIONS),
        format=fields.choice("format", FORMATS),
        engines=fields.several("engines", ENGINES),
        stages={name: _stage(stages.section(name)) for name in STAGES},
        requires=fields.section("requires").values,
        measured=fields.section("measured").values,
    )


def _stage(fields: _Fields) -> StageFile:
    return StageFile(
        file=fields.match("file", _FILE_NAME, "a plain file name"),
        sha256=fields.match("sha256", _SHA256, "a SHA-256 of 64 hex digits"),
        size_bytes=fields.whole("bytes", at_least=1),
    )


def _files(fields: _Fields) -> dict[str, str]:
    for name in fields.values:
        if not _FILE_NAME.fullmatch(name):
            fields.refuse(name, "a plain file name", name)
    return {name: fields.match(name, _SHA256, "a SHA-256 of 64 hex digits") for name in fields.values}


def _shown(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
