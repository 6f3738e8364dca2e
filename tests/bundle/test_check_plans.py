"""Plans that a device, or this machine, cannot load: each difference is named, with what mends it. All are fake."""

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from edgefg.bundle.bundle import Bundle, open_bundle
from edgefg.bundle.devices import all_targets, find_target
from edgefg.bundle.findings import Failed
from edgefg.bundle.requirements import plan_mismatches

from ..support.fake_bundles import ADA, CPU, MISSING, ORIN, RTX, Maker, mismatches, only_mismatch, onnx, plan
from ..support.fake_bundles import make as make


def changed(fields: Mapping[str, Any], name: str, value: Any) -> dict[str, Any]:
    return {key: item for key, item in {**fields, name: value}.items() if item is not MISSING}


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
        assert only_mismatch(bundle, target) == Failed(
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
        assert only_mismatch(bundle, target) == Failed(
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
        assert only_mismatch(bundle, "orin-nano-jp6") == Failed(
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
