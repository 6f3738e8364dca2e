"""Checking a bundle without a GPU: each thing that is wrong is named, with what mends it. All plans here are fake."""

import json
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgefg.bundle import Bundle, open_bundle, write_bundle
from edgefg.calibration_record import sample_digest
from edgefg.devices import all_targets, find_target
from edgefg.errors import BundleError
from edgefg.findings import Match, Mismatch
from edgefg.plans import plan_mismatches
from edgefg.preflight import check_bundle, target_lines
from edgefg.verification import Verification

from .conftest import HEIGHT, WIDTH

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

PAIRS = [
    {"background": {"file": "b.png", "sha256": "1" * 64}, "frame": {"file": "v.mp4", "sha256": "2" * 64, "index": 3}}
] * 32
DIGEST = sample_digest(0, PAIRS)
RECORD: dict[str, Any] = {"seed": 0, "source": "splits.json", "digest": DIGEST, "pairs": PAIRS}
STATED = {"digest": DIGEST, "pairs": 32}


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


def changed(fields: Mapping[str, Any], name: str, value: Any) -> dict[str, Any]:
    return {key: item for key, item in {**fields, name: value}.items() if item is not MISSING}


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
            "threshold": 0.5,
            "versions": {"edgefg": "0.1.0"},
            "measured": {},
            "variants": list(variants),
            **fields,
        }
        return write_bundle(tmp_path / "tiny", files={**contents, **(files or {})}, manifest=manifest)

    return write


def matches(bundle: Bundle, target: str | None = None) -> dict[str, str]:
    return {found.field: found.text for found in check(bundle, target) if isinstance(found, Match)}


def mismatches(bundle: Bundle, target: str | None = None) -> list[Mismatch]:
    return [found for found in check(bundle, target) if isinstance(found, Mismatch)]


def check(bundle: Bundle, target: str | None) -> list[Match | Mismatch]:
    findings = check_bundle(bundle, None if target is None else find_target(target))
    assert all("\n" not in str(finding) for finding in findings)
    for finding in findings:
        if isinstance(finding, Mismatch):
            # What stands behind the colon can be pasted into a shell.
            assert shlex.split(finding.remedy.rpartition(": ")[2])[0] == "edgefg"
    return findings


def only_mismatch(bundle: Bundle, target: str | None = None) -> Mismatch:
    (found,) = mismatches(bundle, target)
    return found


class TestGoodBundles:
    def test_one_for_cpus_says_for_which_engines(self, tiny_bundle: Bundle) -> None:
        assert not mismatches(tiny_bundle)
        assert matches(tiny_bundle) == {
            "schema": "2",
            "manifest.json": "as it was written",
            "files": "4 beside the manifest, each with the SHA-256 that it lists",
            "input": "frames of 64x48, 3 channels of features",
            "fp32.onnx": "for openvino, onnxruntime",
            "calibration": "none, and no INT8 that needs one",
            "verification": "no pairs in this bundle",
        }

    def test_the_shipped_one(self) -> None:
        assert not mismatches(open_bundle())

    def test_a_plan_says_what_it_loads_in(self, make: Maker) -> None:
        found = matches(make(plan(ORIN), plan(RTX), onnx()))
        assert found["fp16.tensorrt.plan"] == (
            "loads in TensorRT 10.3.0 on linux-aarch64 only, compute capability 8.7, batches of up to 1"
        )
        assert found["fp16.tensorrt-rtx.plan"] == (
            "loads in TensorRT for RTX 1.7.1.116 only, compute capability 8.0, 8.6, 8.9, 12.0, and later, "
            "batches of up to 1"
        )

    @pytest.mark.parametrize(
        ("requires", "target"),
        [
            (ORIN, "orin-nano-jp6"),
            (ORIN, "orin-nano-jp6.1"),
            (ORIN, "agx-orin-jp6.2.1"),
            ({**ORIN, "version": "10.3.0.30"}, "orin-nx-jp6"),
            ({**ORIN, "version": "10.13.3", "compute_capabilities": ["11.0"]}, "agx-thor-jp7.1"),
            (ADA, "rtx-4090"),
            (ADA, "l4"),
            ({**ADA, "compute_capabilities": ["9.0"]}, "h100"),
            (RTX, "rtx-4090"),
            (RTX, "rtx-5090"),
            (RTX, "a100"),
            ({**RTX, "compute_capabilities": ["7.5"]}, "rtx-2080"),
            ({**RTX, "compute_capabilities": ["8.6", "8.9"]}, "rtx-4060"),
            ({**RTX, "platform": "win32-amd64"}, "rtx-4090"),
        ],
    )
    def test_a_plan_fits(self, requires: dict[str, Any], target: str, make: Maker) -> None:
        bundle = make(plan(requires), onnx())
        assert not mismatches(bundle, target)
        assert f"fp16.{requires['target']}.plan" in matches(bundle, target)

    def test_a_device_is_described(self, make: Maker) -> None:
        found = matches(make(plan(ORIN)), "orin-nano-jp6.1")
        assert found["target orin-nano-jp6.1"] == (
            "Jetson Orin Nano, 4 or 8 GB of memory, compute capability 8.7, JetPack 6.1 with TensorRT 10.3.0"
        )
        found = matches(make(plan(ADA)), "rtx-4090")
        assert found["target rtx-4090"] == "GeForce RTX 4090, compute capability 8.9"

    @pytest.mark.parametrize("target", ["orin-nano-jp6", "agx-thor-jp7", "rtx-4090", "h100"])
    def test_a_portable_one_is_to_be_compiled_on_the_device(self, target: str, make: Maker) -> None:
        bundle = make(onnx("fp16", TENSORRT), onnx())
        assert not mismatches(bundle, target)
        assert matches(bundle, target)["networks for tensorrt"] == (
            "ONNX in fp16, fp32 for TensorRT 10 or later; "
            f"compile it on the device: edgefg compile {bundle.path} --target tensorrt"
        )

    def test_onnx_for_rtx_alone_is_compiled_by_that(self, make: Maker) -> None:
        bundle = make(onnx(engines=("tensorrt-rtx",)))
        assert "--target tensorrt-rtx" in matches(bundle, "rtx-4090")["networks for tensorrt-rtx"]

    def test_a_plan_for_others_does_no_harm_beside_one_that_fits(self, make: Maker) -> None:
        assert not mismatches(make(plan(RTX), plan(ORIN), onnx()), "orin-nano-jp6")

    def test_fields_that_are_only_a_record_may_say_anything(self, make: Maker) -> None:
        more: dict[str, Any] = {
            "workspace_bytes": None,
            "build_seconds": "long",
            "optimization_level": [],
            "later": {"edgefg": 1},
        }
        assert not mismatches(make(plan({**ORIN, **more})), "orin-nano-jp6")


class TestManifest:
    def test_a_field_that_somebody_changed_is_noticed(self, bundle_copy: Bundle) -> None:
        """Every single value, whether or not another check would notice."""
        file = bundle_copy.path / "manifest.json"
        written = json.loads(file.read_text())
        places = list(leaves(written))
        assert len(places) > 20
        for place in places:
            file.write_text(json.dumps(with_other_value(written, place)))
            try:
                assert mismatches(open_bundle(bundle_copy.path)), place
            except BundleError as error:
                assert "\n" not in str(error)
        file.write_text(json.dumps(written, indent=7, sort_keys=True))
        assert not mismatches(open_bundle(bundle_copy.path))

    def test_a_field_that_is_gone_is_noticed(self, bundle_copy: Bundle) -> None:
        file = bundle_copy.path / "manifest.json"
        written = json.loads(file.read_text())
        for name in written:
            file.write_text(json.dumps({key: value for key, value in written.items() if key != name}))
            try:
                assert mismatches(open_bundle(bundle_copy.path)), name
            except BundleError as error:
                assert name in str(error)

    def test_the_remedy_is_the_command_that_built_it(self, make: Maker) -> None:
        recipe = {"options": ["--size", "lite", "--precision", "int8"], "calibration": ["--part", "a b", "--seed", "3"]}
        bundle = make(onnx("int8", CPU), recipe=recipe)
        assert {found.remedy for found in mismatches(bundle)} == {
            f"on a workstation: edgefg build --out {bundle.path} --target cpu --input-size 64x48 --size lite "
            "--precision int8 --calibrate DATA --part 'a b' --seed 3"
        }

    @pytest.mark.parametrize("recipe", [None, [], {"options": 3}, {"options": [3], "calibration": {}}])
    def test_a_recipe_that_is_none_does_no_harm(self, recipe: Any, make: Maker) -> None:
        (remedy,) = {found.remedy for found in mismatches(make(onnx("int8", CPU), recipe=recipe))}
        assert remedy.endswith("--weights FILE --calibrate DATA")


def leaves(value: Any, place: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """The place of each value that holds no others."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    found = [leaf for key, item in inner for leaf in leaves(item, (*place, key))]
    yield from found or [place]


def with_other_value(value: Any, place: tuple[str | int, ...]) -> Any:
    """A copy with another value of the same kind at a place."""
    if place:
        copy = value.copy()
        copy[place[0]] = with_other_value(value[place[0]], place[1:])
        return copy
    if isinstance(value, str):
        return ("f" if value[0] != "f" else "e") + value[1:]
    if isinstance(value, float):
        return value / 2
    return value + 1 if isinstance(value, int) else [1]


class TestRequires:
    @pytest.mark.parametrize(
        ("name", "value", "expected", "found"),
        [
            ("target", MISSING, "tensorrt or tensorrt-rtx", "no such field"),
            ("target", "tensorrt-rtx", "nothing else in engines", '"tensorrt-rtx"'),
            ("target", 3, "tensorrt or tensorrt-rtx", "3"),
            ("version", MISSING, "a version such as 10.3.0", "no such field"),
            ("version", None, "a version such as 10.3.0", "null"),
            ("version", "10.3", "a version such as 10.3.0", '"10.3"'),
            ("version", "9" * 5000 + ".1.1", "a version such as 10.3.0", '"99999'),
            ("version", 10.3, "a version such as 10.3.0", "10.3"),
            ("platform", MISSING, "a platform such as linux-aarch64", "no such field"),
            ("platform", "", "a platform such as linux-aarch64", '""'),
            ("platform", "linux aarch64\n", "a platform such as linux-aarch64", '"linux aarch64\\n"'),
            ("compute_capabilities", MISSING, "a list of compute capabilities such as 8.7", "no such field"),
            ("compute_capabilities", "8.7", "a list of compute capabilities such as 8.7", '"8.7"'),
            ("compute_capabilities", [8.7], "a list of compute capabilities such as 8.7", "a list of 1"),
            ("compute_capabilities", [], "a list of compute capabilities such as 8.7", "a list of 0"),
            ("max_batch", MISSING, "a whole number of at least 1", "no such field"),
            ("max_batch", 0, "a whole number of at least 1", "0"),
            ("max_batch", True, "a whole number of at least 1", "true"),
            ("max_batch", {"frames": 1}, "a whole number of at least 1", "an object"),
        ],
    )
    @pytest.mark.parametrize("target", [None, "orin-nano-jp6", "orin-nano-jp6.0"])
    def test_a_field_that_is_missing_or_of_another_type_is_named(
        self, name: str, value: Any, expected: str, found: str, target: str | None, make: Maker
    ) -> None:
        entry = {**plan(ORIN), "requires": changed(ORIN, name, value)}
        bundle = make(entry, onnx())
        mismatch = mismatches(bundle, target)[0]
        assert mismatch.field == f"fp16.tensorrt.plan requires.{name}"
        assert expected in mismatch.expected
        assert mismatch.found.startswith(found)
        assert mismatch.remedy == f"on the device: edgefg compile {bundle.path} --target tensorrt"
        assert len(mismatches(bundle, target)) == (2 if target == "orin-nano-jp6.0" else 1)

    def test_a_plan_that_says_nothing(self, make: Maker) -> None:
        found = mismatches(make({**plan(ORIN), "requires": {}}))
        assert [mismatch.field.rpartition(".")[2] for mismatch in found] == list(ORIN)

    def test_a_plan_is_for_one_engine(self, make: Maker) -> None:
        entry = {**plan(ORIN), "engines": ["tensorrt", "openvino"]}
        assert only_mismatch(make(entry), "orin-nano-jp6").field == "fp16.tensorrt.plan requires.target"

    def test_without_onnx_to_compile_it_is_built_again(self, make: Maker) -> None:
        bundle = make(plan({**ORIN, "max_batch": 0}))
        assert only_mismatch(bundle).remedy == (
            f"on a workstation: edgefg build --out {bundle.path.name}-onnx --target onnx "
            "--input-size 64x48 --weights FILE"
        )


class TestDevices:
    @pytest.mark.parametrize(
        ("requires", "target", "field", "expected", "found"),
        [
            ({**ORIN, "version": "10.13.3"}, "orin-nano-jp6", "version", "10.3.0 (the device's TensorRT)", "10.13.3"),
            (ORIN, "orin-nano-jp7.2", "version", "10.16.2 (the device's TensorRT)", "10.3.0"),
            ({**ORIN, "version": "10.3.1"}, "orin-nano-jp6", "version", "10.3.0 (the device's TensorRT)", "10.3.1"),
            (
                {**ORIN, "platform": "linux-x86_64"},
                "orin-nano-jp6",
                "platform",
                "linux-aarch64 (the device's)",
                "linux-x86_64",
            ),
            (
                {**ADA, "platform": "win32-amd64"},
                "rtx-4090",
                "platform",
                "linux-x86_64 (the device's)",
                "win32-amd64",
            ),
            (
                {**ORIN, "compute_capabilities": ["7.2"]},
                "orin-nano-jp6",
                "compute_capabilities",
                "8.7 (the device's GPU) among them",
                "7.2",
            ),
            (ADA, "rtx-3090", "compute_capabilities", "8.6 (the device's GPU) among them", "8.9"),
        ],
    )
    def test_each_difference_is_named(
        self, requires: dict[str, Any], target: str, field: str, expected: str, found: str, make: Maker
    ) -> None:
        bundle = make(plan(requires), onnx())
        assert only_mismatch(bundle, target) == Mismatch(
            field=f"fp16.tensorrt.plan requires.{field}",
            expected=expected,
            found=found,
            remedy=f"on the device: edgefg compile {bundle.path} --target tensorrt",
        )

    def test_as_text_it_is_one_line(self, make: Maker) -> None:
        bundle = make(plan(ORIN), onnx())
        assert str(only_mismatch(bundle, "orin-nano-jp7.2")) == (
            "fp16.tensorrt.plan requires.version: expected 10.16.2 (the device's TensorRT), found 10.3.0; "
            f"on the device: edgefg compile {bundle.path} --target tensorrt"
        )

    def test_every_plan_is_looked_at(self, make: Maker) -> None:
        found = mismatches(make(plan(ORIN), plan(ADA, "fp32"), onnx()), "rtx-3090")
        assert [mismatch.field for mismatch in found] == [
            "fp16.tensorrt.plan requires.platform",
            "fp16.tensorrt.plan requires.compute_capabilities",
            "fp32.tensorrt.plan requires.compute_capabilities",
        ]

    @pytest.mark.parametrize(
        ("compiled_for", "found", "options"),
        [
            ([], "8.0, 8.6, 8.9, 12.0, and later", "--compute-capability 7.5"),
            (["8.6", "8.9"], "8.6, 8.9", "--compute-capability 8.6 --compute-capability 8.9 --compute-capability 7.5"),
        ],
    )
    def test_rtx_is_compiled_for_one_more_gpu(
        self, compiled_for: list[str], found: str, options: str, make: Maker
    ) -> None:
        bundle = make(plan({**RTX, "compute_capabilities": compiled_for}), onnx())
        mismatch = only_mismatch(bundle, "rtx-2080")
        assert (mismatch.field, mismatch.found) == ("fp16.tensorrt-rtx.plan requires.compute_capabilities", found)
        assert mismatch.remedy.endswith(f": edgefg compile {bundle.path} --target tensorrt-rtx {options}")

    def test_the_batch_stays(self, make: Maker) -> None:
        bundle = make(plan({**ORIN, "max_batch": 4}), onnx())
        assert only_mismatch(bundle, "orin-nano-jp7").remedy.endswith("--target tensorrt --max-batch 4")

    @pytest.mark.parametrize("target", ["orin-nano-jp6", "h100"])
    def test_a_plan_for_an_engine_that_the_device_does_not_run(self, target: str, make: Maker) -> None:
        bundle = make(plan(RTX), onnx())
        assert only_mismatch(bundle, target) == Mismatch(
            field="fp16.tensorrt-rtx.plan engines",
            expected=f"tensorrt ({find_target(target).device.name})",
            found="tensorrt-rtx",
            remedy=f"on the device: edgefg compile {bundle.path} --target tensorrt",
        )

    def test_a_plan_for_such_an_engine_without_onnx_for_another(self, make: Maker) -> None:
        bundle = make(plan(RTX), onnx(engines=("tensorrt-rtx",)))
        assert only_mismatch(bundle, "orin-nano-jp6").remedy.startswith("on a workstation: edgefg build --out")

    def test_nothing_for_tensorrt(self, make: Maker) -> None:
        bundle = make(onnx(engines=CPU))
        assert only_mismatch(bundle, "orin-nano-jp6") == Mismatch(
            field="networks for tensorrt",
            expected="plans, or ONNX to compile",
            found="fp32 ONNX for openvino, onnxruntime",
            remedy=f"on a workstation: edgefg build --out {bundle.path.name}-onnx --target onnx "
            "--input-size 64x48 --weights FILE",
        )
        assert only_mismatch(bundle, "rtx-4090").field == "networks for tensorrt or tensorrt-rtx"

    def test_a_jetpack_that_is_too_old(self, make: Maker) -> None:
        bundle = make(onnx())
        mismatch = only_mismatch(bundle, "orin-nano-jp6.0")
        assert (mismatch.field, mismatch.expected) == (
            "target orin-nano-jp6.0",
            "a device that runs TensorRT 10 or later",
        )
        assert "JetPack 6.0 brings TensorRT 8.6.2" in mismatch.found
        assert mismatch.remedy == f"with JetPack 6.1: edgefg check {bundle.path} --target orin-nano-jp6.1"

    @pytest.mark.parametrize("target", ["jetson-nano", "agx-xavier-jp5"])
    def test_a_device_without_a_jetpack_that_would_do(self, target: str, make: Maker) -> None:
        mismatch = only_mismatch(make(onnx()), target)
        assert "its last, brings TensorRT 8" in mismatch.found
        assert mismatch.remedy == "choose another: edgefg check --list-targets"

    def test_a_path_that_a_shell_would_take_apart_is_quoted(self, make: Maker, tmp_path: Path) -> None:
        bundle = open_bundle(make(plan(ORIN), onnx()).path.rename(tmp_path / "my bundle"))
        command = only_mismatch(bundle, "orin-nano-jp7").remedy.removeprefix("on the device: ")
        assert shlex.split(command)[2] == str(bundle.path)

    def test_every_target_gets_an_answer(self, make: Maker) -> None:
        bundle = make(plan(ORIN), plan(RTX), onnx())
        for target in all_targets():
            assert bool(mismatches(bundle, target.name)) == (
                target.tensorrt != "10.3.0" or target.device.compute_capability != "8.7"
            )


class TestLiveMachine:
    """The same comparisons, as an engine makes them before it loads a plan."""

    def fields(
        self, bundle: Bundle, tensorrt: str, compute_capability: str, platform: str = "linux-x86_64"
    ) -> list[str]:
        found = plan_mismatches(
            bundle.variants[0], tensorrt=tensorrt, compute_capability=compute_capability, platform=platform
        )
        return [mismatch.field.rpartition("requires.")[2] for mismatch in found]

    @pytest.mark.parametrize(
        ("version", "same"),
        [("10.16.1.11", True), ("10.16.1", True), ("10.16.1.12", False), ("10.16.0.11", False), ("11.0.0", False)],
    )
    def test_a_plan_loads_in_its_own_build_of_tensorrt(self, version: str, same: bool, make: Maker) -> None:
        assert self.fields(make(plan(ADA)), version, "8.9") == ([] if same else ["version"])

    def test_a_plan_of_rtx_loads_in_its_own_version_too(self, make: Maker) -> None:
        bundle = make(plan(RTX))
        assert self.fields(bundle, "1.7.1.116", "8.9") == []
        assert self.fields(bundle, "1.8.0.5", "8.9") == ["version"]

    def test_a_version_that_reads_like_none_is_left_to_tensorrt(self, make: Maker) -> None:
        assert self.fields(make(plan(ADA)), "dev", "8.9") == []

    def test_an_early_release(self, make: Maker) -> None:
        assert self.fields(make(plan({**ADA, "version": "10.0.0b6"})), "10.0.0b6", "8.9") == []

    @pytest.mark.parametrize(("capability", "runs"), [("8.6", True), ("12.1", True), ("7.5", False), ("9.0", False)])
    def test_the_default_of_rtx(self, capability: str, runs: bool, make: Maker) -> None:
        assert self.fields(make(plan(RTX)), "1.7.1.116", capability) == ([] if runs else ["compute_capabilities"])

    def test_a_gpu_that_rtx_cannot_compile_for_gets_tensorrt(self, make: Maker) -> None:
        bundle = make(plan(RTX))
        (found,) = plan_mismatches(
            bundle.variants[0], tensorrt="1.7.1.116", compute_capability="9.0", platform="linux-x86_64"
        )
        assert found.remedy == f"on the device: edgefg compile {bundle.path} --target tensorrt"

    def test_all_at_once(self, make: Maker) -> None:
        bundle = make(plan({**ORIN, "max_batch": 0}))
        assert self.fields(bundle, "11.1.0", "8.9") == ["max_batch", "version", "platform", "compute_capabilities"]


class TestCalibration:
    def bundle(self, make: Maker, record: Any = RECORD, stated: Any = STATED) -> Bundle:
        files = {} if record is MISSING else {"calibration.json": json.dumps(record).encode()}
        fields = {} if stated is MISSING else {"calibration": stated}
        return make(onnx("int8", CPU), onnx(engines=CPU), files=files, **fields)

    def test_the_digest_is_that_of_the_pairs(self, make: Maker) -> None:
        bundle = self.bundle(make)
        assert not mismatches(bundle)
        assert matches(bundle)["calibration.digest"] == 'that of the 32 pairs of "splits.json"'

    @pytest.mark.parametrize("stated", [MISSING, None, {}, [], "digest", {"digest": None}, {"digest": "0" * 64}])
    def test_int8_needs_the_digest_in_the_manifest(self, stated: Any, make: Maker) -> None:
        bundle = self.bundle(make, stated=stated)
        mismatch = only_mismatch(bundle)
        assert mismatch.field == "calibration.digest"
        assert mismatch.expected == f"{DIGEST} (of the pairs that are listed)"
        assert mismatch.found == (f'"{"0" * 64}"' if stated == {"digest": "0" * 64} else "null")
        assert mismatch.remedy == (
            f"on a workstation: edgefg build --out {bundle.path} --target cpu "
            "--input-size 64x48 --weights FILE --calibrate DATA"
        )

    def test_int8_needs_the_record(self, make: Maker) -> None:
        mismatch = only_mismatch(self.bundle(make, record=MISSING))
        assert (mismatch.field, mismatch.found) == ("calibration.json", "no such file")

    def test_int8_without_either(self, make: Maker) -> None:
        found = mismatches(self.bundle(make, record=MISSING, stated=None))
        assert [mismatch.field for mismatch in found] == ["calibration.json", "calibration.digest"]

    @pytest.mark.parametrize("digest", [None, "0" * 64, 7])
    def test_the_record_states_its_own_digest(self, digest: Any, make: Maker) -> None:
        mismatch = only_mismatch(self.bundle(make, record={**RECORD, "digest": digest}))
        assert (mismatch.field, mismatch.expected) == (
            "calibration.json digest",
            f"{DIGEST} (of the pairs that are listed)",
        )
        assert mismatch.found == json.dumps(digest)

    @pytest.mark.parametrize("change", [{"seed": 1}, {"pairs": PAIRS[1:]}])
    def test_a_sample_that_was_altered(self, change: dict[str, Any], make: Maker) -> None:
        found = mismatches(self.bundle(make, record={**RECORD, **change}))
        assert [mismatch.field for mismatch in found] == ["calibration.digest", "calibration.json digest"]
        assert all(mismatch.found == f'"{DIGEST}"' for mismatch in found)

    @pytest.mark.parametrize(
        "record",
        [
            [],
            7,
            {},
            {"seed": 0},
            {"pairs": PAIRS},
            {**RECORD, "pairs": None},
            {**RECORD, "pairs": []},
            {**RECORD, "pairs": {}},
            {**RECORD, "pairs": "none"},
            {**RECORD, "pairs": [1]},
            {**RECORD, "pairs": [{"background": [], "frame": []}]},
            {**RECORD, "pairs": [{"background": {}, "frame": {}}]},
            {**RECORD, "pairs": [{"background": "b", "frame": "f"}]},
        ],
    )
    def test_a_malformed_record(self, record: Any, make: Maker) -> None:
        mismatch = only_mismatch(self.bundle(make, record=record))
        assert (mismatch.field, mismatch.expected) == ("calibration.json", "the seed and the pairs of a sample")
        assert mismatch.found == "others"

    @pytest.mark.parametrize("depth", [100, 900, 950, 990, 100_000])
    def test_a_record_nested_nearly_without_end(self, depth: int, make: Maker) -> None:
        text = f'{{"seed": {"[" * depth + "]" * depth}, "pairs": {json.dumps(PAIRS)}}}'
        bundle = make(onnx("int8", CPU), files={"calibration.json": text.encode()}, calibration=STATED)
        assert mismatches(bundle)

    def test_a_record_is_checked_without_int8_too(self, make: Maker) -> None:
        bundle = make(onnx(), files={"calibration.json": b"{}"})
        assert [mismatch.field for mismatch in mismatches(bundle)] == ["calibration.json", "calibration.digest"]
        assert only_mismatch(make(onnx(), calibration=STATED)).field == "calibration.json"

    def test_for_tensorrt_it_is_built_for_tensorrt(self, make: Maker) -> None:
        assert "--target onnx " in mismatches(make(onnx("int8", TENSORRT)))[0].remedy


class TestVerification:
    def pairs(self, width: int = WIDTH, frames: int = 3) -> bytes:
        background = np.zeros((HEIGHT, width, 3), np.uint8)
        images = np.zeros((frames, HEIGHT, width, 3), np.uint8)
        return Verification(background, images, images[..., 0]).to_bytes()

    def test_pairs_are_counted(self, make: Maker) -> None:
        bundle = make(onnx(), files={"verification.npz": self.pairs()})
        assert matches(bundle)["verification"] == "3 pairs of 64x48 with the probabilities of fp32"
        assert not mismatches(bundle)

    @pytest.mark.parametrize("content", ["size", "none", "text"])
    def test_others_are_refused(self, content: str, make: Maker) -> None:
        contents = {
            "size": self.pairs(width=32),
            "none": self.pairs(frames=0),
            "text": b"no archive\n",
        }
        mismatch = only_mismatch(make(onnx(), files={"verification.npz": contents[content]}))
        assert (mismatch.field, mismatch.expected) == ("verification.npz", "pairs for networks of 64x48")
        assert "verification.npz: expected" in mismatch.found


LAYER = {
    "name": "encoder.0",
    "op": "Conv",
    "precision": "fp32",
    "kernel": [3, 3],
    "stride": [1, 1],
    "channels_in": 3,
    "channels_out": 3,
    "output_height": 12,
    "output_width": 16,
    "multiply_adds": 1,
    "weight_bytes": 1,
    "output_bytes": 1,
}
TOTALS = {"multiply_adds": 1, "weight_bytes": 1, "port_bytes": 1, "output_bytes": 1}


class TestLayers:
    """The build's description of the networks has to be of those that the manifest promises."""

    def layers(self) -> dict[str, Any]:
        def port(name: str, dtype: str, *shape: int) -> dict[str, Any]:
            return {"name": name, "dtype": dtype, "shape": ["N", *shape]}

        frame, features = port("frame", "uint8", 48, 64, 3), ("float32", 3, 12, 16)
        distance = port("distance", "float32", 12, 16)
        ports = {
            "stage1": ([frame, port("background_features", *features)], [port("features", *features), distance]),
            "stage2": ([frame, distance], [port("probability", "uint8", 48, 64)]),
        }
        rest = {"layers": [LAYER], "others": {}, "q_dq_pairs": 0, "totals": TOTALS}
        stages = {name: {"inputs": inputs, "outputs": outputs, **rest} for name, (inputs, outputs) in ports.items()}
        copied: dict[str, Any] = json.loads(
            json.dumps({"fp32": stages})
        )  # Shares nothing, so that one port can change.
        return copied

    def bundle(self, make: Maker, layers: dict[str, Any]) -> Bundle:
        return make(onnx(), files={"layers.json": json.dumps(layers).encode()})

    def test_they_agree(self, make: Maker) -> None:
        assert not mismatches(self.bundle(make, self.layers()))

    def test_a_fixed_batch_is_fine(self, make: Maker) -> None:
        layers = self.layers()
        layers["fp32"]["stage1"]["inputs"][0]["shape"][0] = 1
        assert not mismatches(self.bundle(make, layers))

    def test_another_shape(self, make: Maker) -> None:
        layers = self.layers()
        layers["fp32"]["stage1"]["inputs"][1]["shape"][1] = 64
        mismatch = only_mismatch(self.bundle(make, layers))
        assert mismatch.field == "fp32.onnx stage1 background_features"
        assert mismatch.expected == "float32 of ('N', 3, 12, 16)"
        assert mismatch.found == "float32 of ('N', 64, 12, 16)"
        assert "edgefg build --out" in mismatch.remedy

    def test_another_type(self, make: Maker) -> None:
        layers = self.layers()
        layers["fp32"]["stage2"]["inputs"][0]["dtype"] = "float16"
        assert only_mismatch(self.bundle(make, layers)).found == "float16 of ('N', 48, 64, 3)"

    def test_missing_ports(self, make: Maker) -> None:
        layers = self.layers()
        layers["fp32"]["stage1"]["outputs"].pop()
        layers["fp32"]["stage2"]["inputs"].pop()
        found = mismatches(self.bundle(make, layers))
        assert [(mismatch.field, mismatch.found) for mismatch in found] == [
            ("fp32.onnx stage1 distance", "none"),
            ("fp32.onnx stage2 distance", "none"),
        ]

    def test_another_precision(self, make: Maker) -> None:
        layers = self.layers()
        for stage in layers["fp32"].values():
            stage["layers"][0]["precision"] = "fp16"
        mismatch = only_mismatch(self.bundle(make, layers))
        assert (mismatch.field, mismatch.expected, mismatch.found) == ("fp32.onnx precision", "fp32", "fp16")

    def test_a_malformed_description(self, make: Maker) -> None:
        mismatch = only_mismatch(self.bundle(make, {"fp32": {"stage1": []}}))
        assert mismatch.field == "layers.json"
        assert "fp32.stage1" in mismatch.found


class TestTargetTable:
    def test_a_line_a_target_under_its_heading(self) -> None:
        lines = list(target_lines())
        assert len(lines) == 1 + len(all_targets())
        assert [line.split()[0] for line in lines[1:]] == [target.name for target in all_targets()]

    @pytest.mark.parametrize(
        ("target", "words"),
        [
            ("orin-nano-jp6.1", ["Jetson Orin Nano", "8.7", "6.1", "10.3.0", "supported"]),
            ("orin-nano-jp6.0", ["not supported: JetPack 6.0 brings TensorRT 8.6.2"]),
            ("orin-nano-jp6.2.2", ["10.3.0 (unconfirmed)"]),
            ("rtx-4090", ["GeForce RTX 4090", "8.9", "-", "10 or later", "supported"]),
            ("jetson-nano", ["Jetson Nano", "5.3", "not supported: Jetson Nano: JetPack 4"]),
        ],
    )
    def test_it_says_what_a_target_is(self, target: str, words: list[str]) -> None:
        (line,) = (line for line in target_lines() if line.split()[0] == target)
        assert all(f"  {word}" in line for word in words)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
PART = st.fixed_dictionaries({}, optional={"file": JSON, "sha256": JSON, "index": JSON})
PAIR = JSON | st.fixed_dictionaries({}, optional={"background": JSON | PART, "frame": JSON | PART})


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    requires=st.fixed_dictionaries({}, optional={name: st.just(value) | JSON for name, value in RTX.items()})
    | st.dictionaries(st.text(max_size=8), JSON, max_size=3),
    stated=JSON | st.fixed_dictionaries({"digest": st.just(DIGEST) | JSON}),
    record=JSON | st.fixed_dictionaries({}, optional={"seed": JSON, "pairs": JSON | st.lists(PAIR), "digest": JSON}),
    engines=st.lists(st.sampled_from([*CPU, *TENSORRT]), min_size=1, unique=True),
    target=st.sampled_from(["orin-nano-jp6", "rtx-4090", "h100", "jetson-nano", None]),
)
def test_whatever_a_bundle_says_of_itself_it_is_checked_or_refused(
    requires: dict[str, Any], stated: Any, record: Any, engines: list[str], target: str | None, make: Maker
) -> None:
    entry = {**plan(RTX, "int8"), "requires": requires, "engines": engines}
    try:
        bundle = make(entry, onnx(), files={"calibration.json": json.dumps(record).encode()}, calibration=stated)
        check(bundle, target)
    except BundleError:
        pass


def test_it_loads_nothing_that_a_device_may_lack() -> None:
    absent = ("torch", "onnx", "onnxruntime", "openvino", "tensorrt", "tensorrt_rtx", "cv2", "av", "typer", "rich")
    code = f"import sys; sys.modules.update(dict.fromkeys({absent})); import edgefg.preflight"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
