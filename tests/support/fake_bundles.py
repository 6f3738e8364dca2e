"""Bundles whose networks and plans are a few bytes of text, and the findings of `edgefg check` on them.

Test modules import its fixtures under their own names (``make as make``), as only pytest uses them.
"""

import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from edgefg.bundle.bundle import Bundle, write_bundle
from edgefg.bundle.check import check_bundle
from edgefg.bundle.devices import find_target
from edgefg.bundle.findings import Failed, Passed

from ..conftest import HEIGHT, WIDTH

Maker = Callable[..., Bundle]

CPU = ("openvino", "onnxruntime")
TENSORRT = ("tensorrt", "tensorrt-rtx")
MISSING = object()

ORIN = {
    "target": "tensorrt",
    "version": "10.3.0",
    "platform": "linux-aarch64",
    "compute_capabilities": ["8.7"],
    "max_batch": 1,
}
ADA = {
    "target": "tensorrt",
    "version": "10.16.1.11",
    "platform": "linux-x86_64",
    "compute_capabilities": ["8.9"],
    "max_batch": 1,
}
RTX = {
    "target": "tensorrt-rtx",
    "version": "1.7.1.116",
    "platform": "linux-x86_64",
    "compute_capabilities": [],
    "max_batch": 1,
}


def onnx(precision: str = "fp32", engines: tuple[str, ...] = (*CPU, *TENSORRT)) -> dict[str, Any]:
    return variant(precision, "onnx", engines, f"{precision}.onnx", {})


def plan(requires: Mapping[str, Any], precision: str = "fp16") -> dict[str, Any]:
    """A fake plan."""
    target = requires["target"]
    return variant(precision, "plan", (target,), f"{precision}.{target}.plan", requires)


def variant(
    precision: str, kind: str, engines: tuple[str, ...], file: str, requires: Mapping[str, Any]
) -> dict[str, Any]:
    return {
        "precision": precision,
        "format": kind,
        "engines": list(engines),
        "stages": {stage: {"file": f"{stage}.{file}"} for stage in ("stage1", "stage2")},
        "requires": dict(requires),
        "measured": {},
    }


@pytest.fixture
def make(tmp_path: Path) -> Maker:
    """Writes a bundle whose networks and plans are fake: a few bytes of text."""

    def write(*variants: dict[str, Any], files: Mapping[str, bytes] | None = None, **fields: Any) -> Bundle:
        named = [stage["file"] for entry in variants for stage in entry["stages"].values()]
        contents: dict[str, bytes | Path] = {name: f"fake {name}".encode() for name in named}
        manifest = {
            "name": "tiny",
            "network": {"size": "tiny", "width": 0.1, "early_stride": 1, "feature_channels": 3},
            "input_size": {"width": WIDTH, "height": HEIGHT},
            "decision": {"schema": 1, "mode": "full", "threshold": 0.5},
            "versions": {"edgefg": "0.1.0"},
            "measured": {},
            "variants": list(variants),
            **fields,
        }
        return write_bundle(tmp_path / "tiny", files={**contents, **(files or {})}, manifest=manifest)

    return write


def matches(bundle: Bundle, target: str | None = None) -> dict[str, str]:
    return {found.field: found.text for found in check(bundle, target) if isinstance(found, Passed)}


def mismatches(bundle: Bundle, target: str | None = None) -> list[Failed]:
    return [found for found in check(bundle, target) if isinstance(found, Failed)]


def check(bundle: Bundle, target: str | None) -> list[Passed | Failed]:
    findings = check_bundle(bundle, None if target is None else find_target(target))
    assert all("\n" not in str(finding) for finding in findings)
    for finding in findings:
        if isinstance(finding, Failed):
            # What stands behind the colon can be pasted into a shell.
            assert shlex.split(finding.remedy.rpartition(": ")[2])[0] == "edgefg"
    return findings


def only_mismatch(bundle: Bundle, target: str | None = None) -> Failed:
    (found,) = mismatches(bundle, target)
    return found
