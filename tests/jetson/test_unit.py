"""The systemd unit of the Jetson recipe."""

import configparser
import shutil
import subprocess
from pathlib import Path

import pytest

UNIT = Path(__file__).parents[2] / "examples" / "jetson" / "edgefg-watch.service"

pytestmark = pytest.mark.skipif(not UNIT.is_file(), reason="needs a checkout")


@pytest.fixture(scope="module")
def service() -> configparser.SectionProxy:
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read(UNIT, encoding="utf-8")
    return unit["Service"]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
def test_systemd_finds_no_fault(tmp_path: Path) -> None:
    copy = tmp_path / UNIT.name
    copy.write_text(UNIT.read_text("utf-8").replace("/opt/edgefg/venv/bin/edgefg", shutil.which("true") or ""), "utf-8")
    ended = subprocess.run(["systemd-analyze", "verify", str(copy)], capture_output=True, text=True, timeout=60)
    assert (ended.returncode, ended.stderr) == (0, "")


def test_the_watch_reports_to_systemd(service: configparser.SectionProxy) -> None:
    assert service["Type"] == "notify"
    assert int(service["WatchdogSec"]) >= 10
    assert service["Restart"] == "on-failure"


def test_it_runs_the_file_that_is_installed(service: configparser.SectionProxy) -> None:
    assert service["ExecStart"] == "/opt/edgefg/venv/bin/edgefg watch --config /etc/edgefg/watch.yaml"


@pytest.mark.parametrize("key", ["PrivateDevices", "DeviceAllow", "ProtectClock", "PrivateTmp", "DynamicUser"])
def test_nothing_hides_cameras_or_gpu(service: configparser.SectionProxy, key: str) -> None:
    """ProtectClock brings a list of devices, and DynamicUser a /tmp without the socket of CSI cameras."""
    assert key not in service


def test_it_may_open_cameras_and_gpu(service: configparser.SectionProxy) -> None:
    assert service["User"] != "root"
    assert service["SupplementaryGroups"].split() == ["video", "render"]
