"""prove.py with fake commands: each step is in the file, whatever becomes of it. None of them is a Jetson's."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from edgefg.bundle.bundle import SHIPPED

PROVE = Path(__file__).parents[2] / "examples" / "jetson" / "prove.py"
FAKES = {
    "edgefg": 'echo "fake edgefg $*"',
    "python": 'echo "fake python $*"',
    "tegrastats": "echo fake load; exec sleep 60",
    "nvpmodel": "echo 'NV Power Mode: FAKE'",
    "dpkg-query": "printf 6.2-fake",
    "jetson_clocks": "echo Please run as root; exit 1",
}

pytestmark = [
    pytest.mark.skipif(not PROVE.is_file(), reason="needs a checkout"),
    pytest.mark.skipif(sys.platform != "linux", reason="a Jetson runs Linux"),
]


class Device:
    """A folder of fake commands, and one that stands for /."""

    def __init__(self, folder: Path) -> None:
        self.out = folder / "edgefg-proof.json"
        self.commands, self.root = folder / "commands", folder / "root"
        for path, text in (("proc/device-tree/model", "Fake Orin\0"), ("etc/nv_tegra_release", "# R36 (fake)\n")):
            (self.root / path).parent.mkdir(parents=True)
            (self.root / path).write_text(text)
        self.commands.mkdir()
        for name, code in FAKES.items():
            self.command(name, code)

    def command(self, name: str, code: str) -> None:
        (self.commands / name).write_text(f"#!/bin/sh\n{code}\n")
        (self.commands / name).chmod(0o755)

    def prove(self) -> "subprocess.CompletedProcess[str]":
        environment = os.environ | {"PATH": f"{self.commands}:/usr/bin:/bin", "EDGEFG_ROOT": str(self.root)}
        words = [sys.executable, str(PROVE), "--out", str(self.out)]
        return subprocess.run(words, env=environment, capture_output=True, text=True, timeout=110)

    def steps(self) -> dict[str, dict[str, Any]]:
        return {step["name"]: step for step in json.loads(self.out.read_text())["steps"]}


@pytest.fixture
def device(tmp_path: Path) -> Device:
    return Device(tmp_path)


def test_every_step_is_in_the_file(device: Device) -> None:
    device.command("trtexec", "echo fake trtexec")
    device.command("gst-inspect-1.0", "exit 0")
    ended = device.prove()
    assert (ended.returncode, ended.stderr) == (0, "")
    steps = device.steps()
    assert {"doctor", "trtexec stage1.fp16", "compile", "masks", "bench", "soak", "watch 8"} <= set(steps)
    assert {step["result"] for step in steps.values()} == {"ok"}
    assert steps["doctor"]["command"] == ["edgefg", "doctor"]
    assert steps["doctor"]["output"] == "fake edgefg doctor\n"


def test_the_networks_for_cpus_are_left_out(device: Device) -> None:
    device.prove()
    assert not [name for name in device.steps() if ".cpu" in name]


def test_facts_about_the_device(device: Device) -> None:
    device.prove()
    facts = json.loads(device.out.read_text())["device"]
    assert (facts["model"], facts["release"], facts["jetpack"]) == ("Fake Orin", "# R36 (fake)", "6.2-fake")
    assert facts["power_mode"] == "NV Power Mode: FAKE"


def test_a_fact_that_is_not_told_is_none(device: Device) -> None:
    device.prove()
    assert json.loads(device.out.read_text())["device"]["clocks"] is None


def test_the_load_beside_a_step(device: Device) -> None:
    device.command("edgefg", '[ "$1" != compile ] || sleep 3')
    device.prove()
    assert device.steps()["compile"]["tegrastats"] == ["fake load"]


def test_a_step_that_fails_stops_no_other(device: Device) -> None:
    device.command("edgefg", 'case "$1" in compile) echo "no GPU"; exit 2 ;; esac')
    ended = device.prove()
    assert ended.returncode == 1
    assert ended.stdout.endswith("failed: compile\n")
    steps = device.steps()
    assert (steps["compile"]["exit_code"], steps["compile"]["output"]) == (2, "no GPU\n")
    assert steps["bench"]["result"] == "ok"


def test_a_command_that_is_missing_is_a_failure(device: Device) -> None:
    (device.commands / "edgefg").unlink()
    assert device.prove().returncode == 1
    assert device.steps()["doctor"]["exit_code"] == 127


def test_without_trtexec_and_the_decoder_their_steps_are_skipped(device: Device) -> None:
    device.command("gst-inspect-1.0", "exit 1")
    assert device.prove().returncode == 0
    skipped = {name for name, step in device.steps().items() if step["result"] == "skipped"}
    assert {"trtexec stage2.fp16", "watch 4 by nvv4l2decoder"} <= skipped
    assert "watch 4" not in skipped


def test_its_commands_and_options_exist(device: Device) -> None:
    """The fake edgefg takes any."""
    typer = pytest.importorskip("typer")
    from edgefg.cli.main import app

    device.command("gst-inspect-1.0", "exit 0")
    device.prove()
    known = typer.main.get_command(app).commands
    for step in device.steps().values():
        program, command, *words = step["command"]
        if program == "edgefg":
            options = {flag for parameter in known[command].params for flag in parameter.opts}
            assert {word for word in words if word.startswith("--")} <= options


@pytest.mark.timeout(300)
def test_the_masks_of_the_bundle_that_ships() -> None:
    """The step "masks", on an engine that is here."""
    pytest.importorskip("openvino")
    words = [sys.executable, str(PROVE.with_name("masks.py")), str(SHIPPED), "openvino"]
    ended = subprocess.run(words, capture_output=True, text=True, timeout=280)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "ok   fp32: IoU 1.0000 with fp32" in ended.stdout.splitlines()
