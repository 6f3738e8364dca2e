"""`edgefg check` on the command line: exit codes, and a line for each thing that was looked at. Plans here are fake."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edgefg.bundle.bundle import Bundle, write_bundle
from edgefg.bundle.devices import all_targets

from ..conftest import fp32_variant

pytest.importorskip("typer")
Command = Callable[..., Any]


@pytest.fixture
def compiled(tiny_bundle: Bundle, tmp_path: Path) -> Bundle:
    """A bundle with a fake plan for a Jetson Orin with JetPack 6."""
    orin = {
        "target": "tensorrt",
        "version": "10.3.0",
        "platform": "linux-aarch64",
        "compute_capabilities": ["8.7"],
        "max_batch": 1,
    }
    plan = {**fp32_variant("stage1.plan", "stage2.plan"), "format": "plan", "engines": ["tensorrt"], "requires": orin}
    onnx = {**fp32_variant(), "engines": ["openvino", "onnxruntime", "tensorrt"]}
    files: dict[str, bytes | Path] = {
        "stage1.plan": b"fake",
        "stage2.plan": b"fake too",
        "stage1.onnx": tiny_bundle.variants[0].stage1,
        "stage2.onnx": tiny_bundle.variants[0].stage2,
    }
    manifest = {**tiny_bundle.manifest, "variants": [plan, onnx]}
    return write_bundle(tmp_path / "compiled", files=files, manifest=manifest)


def test_a_good_bundle(edgefg: Command, compiled: Bundle) -> None:
    ended = edgefg("check", compiled.path)
    assert (ended.code, ended.err) == (0, "")
    assert all(line.startswith("ok   ") for line in ended.out.splitlines())
    assert "ok   fp32.onnx: for openvino, onnxruntime, tensorrt\n" in ended.out
    assert "ok   fp32.tensorrt.plan: loads in TensorRT 10.3.0 on linux-aarch64 only" in ended.out


def test_a_bundle_that_fits_its_target(edgefg: Command, compiled: Bundle) -> None:
    ended = edgefg("check", compiled.path, "--target", "orin-nano-jp6.1")
    assert (ended.code, ended.err) == (0, "")
    assert "ok   target orin-nano-jp6.1: Jetson Orin Nano" in ended.out


def test_a_mismatch_is_a_line_that_ends_in_its_remedy(edgefg: Command, compiled: Bundle) -> None:
    ended = edgefg("check", compiled.path, "--target", "orin-nano-jp7.2")
    assert (ended.code, ended.err) == (1, "")
    assert [line for line in ended.out.splitlines() if not line.startswith("ok ")] == [
        "FAIL fp32.tensorrt.plan requires.version: expected 10.16.2 (the device's TensorRT), found 10.3.0; "
        f"on the device: edgefg compile {compiled.path} --target tensorrt"
    ]


def test_every_mismatch_is_told(edgefg: Command, compiled: Bundle) -> None:
    ended = edgefg("check", compiled.path, "--target", "rtx-4090")
    assert ended.code == 1
    assert ended.out.count("FAIL ") == 2


def test_nothing_is_changed(edgefg: Command, compiled: Bundle) -> None:
    def state() -> dict[str, tuple[bytes, int]]:
        return {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in compiled.path.iterdir()}

    before = state()
    edgefg("check", compiled.path, "--target", "orin-nano-jp7")
    assert state() == before


def test_a_damaged_bundle_is_not_whole(edgefg: Command, bundle_copy: Bundle) -> None:
    bundle_copy.variants[0].stage1.write_bytes(b"other")
    ended = edgefg("check", bundle_copy.path)
    assert (ended.code, ended.err) == (1, "")
    assert ended.out.startswith("FAIL ")
    assert "stage1.onnx" in ended.out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nowhere"], "nowhere"),
        (["nowhere", "--target", "orin-nono-jp6"], "similar: orin-nano-jp6"),
        (["nowhere", "--target"], "--target"),
    ],
)
def test_bad_input_is_one_line(edgefg: Command, words: list[str], said: str) -> None:
    ended = edgefg("check", *words)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.count("\n") == 1
    assert said in ended.err


def test_the_bundle_that_ships_is_compiled_on_the_device(edgefg: Command) -> None:
    ended = edgefg("check", "--target", "orin-nano-jp6")
    assert ended.code == 0
    assert "compile it on the device: edgefg compile --out DIR --target tensorrt" in ended.out


def test_the_list_of_targets_needs_no_bundle(edgefg: Command) -> None:
    ended = edgefg("check", "--list-targets")
    assert (ended.code, ended.err) == (0, "")
    assert [line.split()[0] for line in ended.out.splitlines()[1:]] == [target.name for target in all_targets()]


def test_it_needs_neither_engine_nor_torch(compiled: Bundle) -> None:
    absent = ("torch", "onnx", "onnxruntime", "openvino", "tensorrt", "tensorrt_rtx", "cv2", "av")
    code = (
        f"import sys; sys.modules.update(dict.fromkeys({absent})); from edgefg.cli.main import main; "
        "main(['check', sys.argv[1], '--target', 'orin-nano-jp6'])"
    )
    ended = subprocess.run([sys.executable, "-c", code, str(compiled.path)], capture_output=True, text=True, timeout=60)
    assert (ended.returncode, ended.stderr) == (0, "")
