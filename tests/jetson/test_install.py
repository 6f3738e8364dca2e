"""install.sh on a fake Jetson: what it asks for, what it does, and that a second run keeps what you wrote."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ..support.fake_jetson import FakeJetson

RECIPE = Path(__file__).parents[2] / "examples" / "jetson"
INSTALL = RECIPE / "install.sh"

pytestmark = [
    pytest.mark.skipif(not INSTALL.is_file(), reason="needs a checkout"),
    pytest.mark.skipif(sys.platform != "linux", reason="a Jetson runs Linux"),
]


@pytest.fixture
def jetson(tmp_path: Path) -> FakeJetson:
    return FakeJetson(tmp_path)


class TestWhatIsMissing:
    def test_no_jetson(self, jetson: FakeJetson) -> None:
        (jetson.root / "etc/nv_tegra_release").unlink()
        assert asked_for(jetson) == ["missing: a Jetson: there is no /etc/nv_tegra_release"]

    def test_an_old_jetpack(self, jetson: FakeJetson) -> None:
        (jetson.root / "etc/nv_tegra_release").write_text("# R35 (release), REVISION: 4.1, GCID: 1\n")
        assert asked_for(jetson) == ["missing: JetPack 6.1 or later: this is Jetson Linux 35.4.1"]

    def test_no_jetpack(self, jetson: FakeJetson) -> None:
        jetson.command("dpkg-query", "#!/bin/sh\nexit 1\n")
        assert asked_for(jetson) == ["missing: the package nvidia-jetpack"]

    def test_no_tensorrt(self, jetson: FakeJetson) -> None:
        jetson.python_has("tensorrt", "")
        (line,) = asked_for(jetson)
        assert line.startswith("missing: TensorRT 10 or later")
        assert line.endswith("found none")

    def test_an_old_tensorrt(self, jetson: FakeJetson) -> None:
        jetson.python_has("tensorrt", "8.6.2")
        (line,) = asked_for(jetson)
        assert line.endswith("found 8.6.2")

    def test_the_wrong_python(self, jetson: FakeJetson) -> None:
        jetson.python_has("version", "3.8")
        (line,) = asked_for(jetson)
        assert line.startswith("missing: Python 3.10 to 3.13")
        assert line.endswith("found 3.8")

    def test_no_opencv(self, jetson: FakeJetson) -> None:
        jetson.python_has("cv2", "")
        (line,) = asked_for(jetson)
        assert line.startswith("missing: OpenCV")

    def test_no_rights(self, jetson: FakeJetson) -> None:
        jetson.command("id", "#!/bin/sh\necho 1000\n")
        assert asked_for(jetson) == ["missing: root's rights"]

    def test_all_of_it_is_said_at_once(self, jetson: FakeJetson) -> None:
        jetson.command("dpkg-query", "#!/bin/sh\nexit 1\n")
        jetson.python_has("tensorrt", "")
        jetson.python_has("cv2", "")
        assert len(asked_for(jetson)) == 3


def asked_for(jetson: FakeJetson) -> list[str]:
    """What install.sh says is missing. Each line also tells how to fix it, and nothing was done."""
    ended = jetson.run(INSTALL)
    assert ended.returncode == 1, ended.stderr
    assert jetson.noted() == []
    missing, _, fixes = zip(*(line.partition(". To fix it: ") for line in ended.stdout.splitlines()), strict=True)
    assert all(fixes)
    return list(missing)


class TestInstalled:
    def test_edgefg_beside_jetpacks_numpy(self, jetson: FakeJetson) -> None:
        ended = jetson.run(INSTALL)
        assert (ended.returncode, ended.stderr) == (0, "")
        (pip,) = (line for line in jetson.noted() if line.startswith("pip "))
        constraints = jetson.root / "opt/edgefg/constraints.txt"
        assert pip == f"pip install --upgrade --constraint {constraints} {RECIPE.parents[1]}[tensorrt,watch]"
        assert constraints.read_text() == "numpy==1.21.5\ncuda-bindings<13\n"

    def test_the_bundle_is_compiled(self, jetson: FakeJetson) -> None:
        jetson.run(INSTALL)
        assert f"edgefg compile --target tensorrt --out {jetson.root}/opt/edgefg/bundle" in jetson.noted()

    def test_the_service_is_enabled(self, jetson: FakeJetson) -> None:
        jetson.run(INSTALL)
        unit = jetson.root / "etc/systemd/system/edgefg-watch.service"
        assert unit.read_text() == (RECIPE / "edgefg-watch.service").read_text()
        assert "systemctl enable edgefg-watch.service" in jetson.noted()

    def test_nobody_else_reads_the_file_of_cameras(self, jetson: FakeJetson) -> None:
        jetson.run(INSTALL)
        file = jetson.root / "etc/edgefg/watch.yaml"
        assert file.stat().st_mode & 0o777 == 0o640
        assert f"chgrp edgefg {file}" in jetson.noted()

    def test_your_file_of_cameras_is_kept(self, jetson: FakeJetson) -> None:
        file = jetson.root / "etc/edgefg/watch.yaml"
        file.parent.mkdir()
        file.write_text("mine")
        jetson.run(INSTALL)
        assert file.read_text() == "mine"


class TestDryRun:
    def test_it_says_what_it_would_do(self, jetson: FakeJetson) -> None:
        jetson.command("id", "#!/bin/sh\necho 1000\n")
        ended = jetson.run(INSTALL, "--dry-run")
        assert ended.returncode == 0
        assert "+ systemctl enable edgefg-watch.service" in ended.stdout.splitlines()

    def test_it_does_nothing(self, jetson: FakeJetson) -> None:
        before = set(jetson.root.rglob("*"))
        jetson.run(INSTALL, "--dry-run")
        assert set(jetson.root.rglob("*")) == before
        assert jetson.noted() == []


def test_other_words_are_refused(jetson: FakeJetson) -> None:
    ended = jetson.run(INSTALL, "--help")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "usage:" in ended.stderr


def test_the_sample_of_cameras_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("yaml")
    from edgefg.watch.config import watch_options

    monkeypatch.setenv("DOOR_PASSWORD", "secret")
    options = watch_options(RECIPE / "watch.yaml", [], {}, None)
    assert [camera.name for camera in options.cameras] == ["door"]


def test_what_python_is_asked_is_python() -> None:
    """The fake one does not read it."""
    questions = re.findall(r"answer '(.+?)'", INSTALL.read_text("utf-8"))
    assert len(questions) == 6
    for question in questions:
        compile(question, "question", "exec")


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="needs shellcheck")
def test_shellcheck_finds_no_fault() -> None:
    ended = subprocess.run(["shellcheck", str(INSTALL)], capture_output=True, text=True, timeout=60)
    assert ended.stdout == ""
