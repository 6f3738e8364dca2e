"""What ``edgefg doctor`` reports of a Jetson, by fake files and fake commands."""

import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from edgefg.cli.diagnosis import Diagnosis
from edgefg.cli.jetson import examine_jetson

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="a Jetson runs Linux")

FREE = "cpu0: Online=1 MinFreq=1 MaxFreq=2\nGPU MinFreq=306000000 MaxFreq=918000000 CurrentFreq=612000000\n"
HELD = "GPU MinFreq=918000000 MaxFreq=918000000 CurrentFreq=918000000\nEMC MinFreq=1 MaxFreq=2 CurrentFreq=2\n"

Fake = Callable[[str, str], None]


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fake:
    """Puts fake commands on a PATH of their own; without any, every command is missing."""
    folder = tmp_path / "commands"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))

    def put(name: str, code: str) -> None:
        (folder / name).write_text(f"#!/bin/sh\n{code}\n")
        (folder / name).chmod(0o755)

    return put


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The folder that stands for / on a Jetson."""
    file = tmp_path / "root/etc/nv_tegra_release"
    file.parent.mkdir(parents=True)
    file.write_text("# R36 (release), REVISION: 4.3, GCID: 1, BOARD: generic, EABI: aarch64, DATE: never\n# more\n")
    return tmp_path / "root"


def found(root: Path) -> dict[str, Diagnosis]:
    return {finding.subject: finding for finding in examine_jetson(root)}


def test_nothing_on_another_machine(tmp_path: Path, fake: Fake) -> None:
    assert found(tmp_path) == {}


def test_the_jetpack(root: Path, fake: Fake) -> None:
    fake("dpkg-query", "printf 6.2+b77")
    assert str(found(root)["jetpack"]) == "ok   jetpack      6.2+b77, Jetson Linux 36.4.3"


def test_no_jetpack(root: Path, fake: Fake) -> None:
    fake("dpkg-query", "echo no packages found >&2; exit 1")
    finding = found(root)["jetpack"]
    assert (finding.good, finding.fatal) == (False, False)
    assert "Jetson Linux 36.4.3 without the package nvidia-jetpack" in finding.text
    assert finding.text.endswith("sudo apt-get install nvidia-jetpack")


def test_a_release_of_another_form(root: Path, fake: Fake) -> None:
    (root / "etc/nv_tegra_release").write_text("Jetson\n")
    fake("dpkg-query", "printf 9")
    assert found(root)["jetpack"].text == "9, Jetson Linux of an unknown version"


def test_the_power_mode(root: Path, fake: Fake) -> None:
    fake("nvpmodel", '[ "$1" = -q ] && printf "NV Power Mode: MAXN_SUPER\\n2\\n"')
    assert found(root)["power mode"].text.startswith("MAXN_SUPER;")


def test_no_power_mode(root: Path, fake: Fake) -> None:
    assert found(root)["power mode"] == Diagnosis("power mode", "not told: sudo nvpmodel -q", good=False)


def test_clocks_that_vary(root: Path, fake: Fake) -> None:
    fake("jetson_clocks", f"printf '{FREE}'")
    assert found(root)["clocks"].text == "GPU at 612 MHz, from 306 to 918; sudo jetson_clocks holds them up"


def test_clocks_that_are_held(root: Path, fake: Fake) -> None:
    fake("jetson_clocks", f"printf '{HELD}'")
    assert found(root)["clocks"].text == "GPU held at 918 MHz"


def test_clocks_that_only_root_may_read(root: Path, fake: Fake) -> None:
    fake("jetson_clocks", "echo 'Error: Please run as root'; exit 1")
    finding = found(root)["clocks"]
    assert not finding.good
    assert finding.text.endswith("sudo jetson_clocks --show")


def test_a_command_that_hangs_is_not_waited_for(root: Path, fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgefg.cli.jetson._PATIENCE_S", 0.2)
    fake("nvpmodel", "exec /bin/sleep 60")
    started_s = time.monotonic()
    assert not found(root)["power mode"].good
    assert time.monotonic() - started_s < 30
