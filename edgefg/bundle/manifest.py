"""A bundle's manifest.json: its fields, checked one by one.

    {
      "schema": 3,
      "name": "lite",
      "network": {"size": "lite", "width": 0.1875, "early_stride": 2, "feature_channels": 60},
      "input_size": {"width": 320, "height": 240},
      "decision": {"schema": 1, "mode": "fused", "threshold": 0.26, "foreground_distance": 12.47, "skip_below": 15.0},
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

The same networks may come in several variants, the preferred one first. An engine loads ``format`` ``onnx``; TensorRT's
engines load a ``plan`` compiled from it, whose requirements are in ``requires``. ``measured`` is free, and so is
``recipe``: the words of the build's command without paths, for remedies. ``decision`` is described in
`edgefg.bundle.decision`. Other fields are ignored, so that a later edgefg may add some. ``digest`` covers all other
fields: an edited manifest still opens, and ``edgefg check`` reports it.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .decision import Decision, read_decision
from .fields import Fields, read_json_object
from .rebuild import build_command

MANIFEST = "manifest.json"
SCHEMA = 3
STAGES = ("stage1", "stage2")
PRECISIONS = ("fp32", "fp16", "int8")
ENGINES = ("tensorrt", "tensorrt-rtx", "openvino", "onnxruntime")
"""In the order in which ``auto`` tries them."""

FORMATS = ("onnx", "plan")

# Nothing that could lead out of the bundle's folder.
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
        engines: Engines that may load it or, if it is ONNX for TensorRT, compile it.
        stages: The stages' files, by ``"stage1"`` and ``"stage2"``.
        requires: Requirements of a plan: version, compute capability, platform.
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
        name: Name of the bundle.
        feature_channels: Channels of the background's features.
        context_channels: Channels of the context that stage 1 hands to stage 2; 0 for networks without it.
        input_size: Width and height of the networks' input, in pixels.
        decision: Defaults that decide what is foreground, and which frames skip stage 2.
        variants: The forms of the networks, the preferred one first.
        files: SHA-256, in hex, of every other file except the manifest, by name.
        raw: The JSON object itself.
    """

    name: str
    feature_channels: int
    context_channels: int
    input_size: tuple[int, int]
    decision: Decision
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
        BundleError: It cannot be read, is not JSON, has another schema, or a field is missing or wrong.
    """
    raw = read_json_object(path)
    top = _top(path, raw)
    top.schema(SCHEMA)
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
        context_channels=network.whole("context_channels", at_least=0) if "context_channels" in network.values else 0,
        # The distance map has a quarter of the size.
        input_size=(input_size.whole("width", at_least=16, step=4), input_size.whole("height", at_least=16, step=4)),
        decision=read_decision(top.section("decision")),
        variants=tuple(_variant(fields) for fields in top.sections("variants")),
        files=_files(top.section("files")),
        raw=raw,
    )
    if len(manifest.file_names) != 1 + len(manifest.stage_files) + len(manifest.files):
        names = [stage.file for stage in manifest.stage_files]
        top.refuse("variants", "of another file for each stage, listed once", names)
    return manifest


def listed_files(path: Path) -> frozenset[str]:
    """Returns the names of all files of a bundle, its manifest included, whatever its schema.

    Raises:
        BundleError: The file is not a manifest.
    """
    raw = read_json_object(path)
    top = _top(path, raw)
    top.whole("schema", at_least=1)
    # In schema 1 the networks came in one form, whose stages were among the other fields.
    forms = top.sections("variants") if "variants" in raw else [top]
    stages = (form.section("stages").section(name) for form in forms for name in STAGES)
    return frozenset({MANIFEST, *(_stage(stage).file for stage in stages), *_files(top.section("files"))})


def manifest_digest(raw: Mapping[str, Any]) -> str:
    """Returns the SHA-256, in hex, of all fields except ``digest``, whatever their layout."""
    fields = {name: value for name, value in raw.items() if name != "digest"}
    return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()


def _top(path: Path, raw: dict[str, Any]) -> Fields:
    return Fields(path, raw, build_command(raw, str(path.parent)))


def _variant(fields: Fields) -> VariantEntry:
    stages = fields.section("stages")
    return VariantEntry(
        precision=fields.choice("precision", PRECISIONS),
        format=fields.choice("format", FORMATS),
        engines=fields.several("engines", ENGINES),
        stages={name: _stage(stages.section(name)) for name in STAGES},
        requires=fields.section("requires").values,
        measured=fields.section("measured").values,
    )


def _stage(fields: Fields) -> StageFile:
    return StageFile(
        file=fields.match("file", _FILE_NAME, "a plain file name"),
        sha256=fields.match("sha256", _SHA256, "a SHA-256 of 64 hex digits"),
        size_bytes=fields.whole("bytes", at_least=1),
    )


def _files(fields: Fields) -> dict[str, str]:
    for name in fields.values:
        if not _FILE_NAME.fullmatch(name):
            fields.refuse(name, "a plain file name", name)
    return {name: fields.match(name, _SHA256, "a SHA-256 of 64 hex digits") for name in fields.values}
