"""Checking a bundle without a GPU: what is said of bundles that are good, and of the targets there are."""

import subprocess
import sys
from typing import Any

import pytest

from edgefg.bundle.bundle import Bundle, open_bundle
from edgefg.bundle.check import target_lines
from edgefg.bundle.devices import all_targets

from ..support.fake_bundles import ADA, ORIN, RTX, TENSORRT, Maker, matches, mismatches, onnx, plan
from ..support.fake_bundles import make as make


class TestGoodBundles:
    def test_one_for_cpus_says_for_which_engines(self, tiny_bundle: Bundle) -> None:
        assert not mismatches(tiny_bundle)
        assert matches(tiny_bundle) == {
            "schema": "3",
            "manifest.json": "as it was written",
            "files": "4 next to the manifest, each with the SHA-256 that it lists",
            "input": "frames of 64x48, 3 channels of features",
            "decision": "mode full, foreground from probability 0.5, on the map from distance 0.5",
            "fp32.onnx": "for openvino, onnxruntime",
            "calibration": "none, and no INT8 that needs one",
            "reference masks": "none in this bundle",
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


def test_it_loads_nothing_that_a_device_may_lack() -> None:
    absent = ("torch", "onnx", "onnxruntime", "openvino", "tensorrt", "tensorrt_rtx", "cv2", "av", "typer", "rich")
    code = f"import sys; sys.modules.update(dict.fromkeys({absent})); import edgefg.bundle.check"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
