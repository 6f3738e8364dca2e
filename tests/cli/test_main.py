"""The command line: help, exit codes, and one line for whatever goes wrong."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edgefg import __version__
from edgefg.bundle.bundle import Bundle
from edgefg.bundle.manifest import ENGINES

pytest.importorskip("typer")
pytest.importorskip("av")
Command = Callable[..., Any]


@pytest.fixture
def video(write_video: Callable[..., Path], tmp_path: Path) -> Path:
    return write_video(tmp_path / "in.mp4", frames=6)


class TestHelp:
    def test_no_command_shows_help(self, edgefg: Command) -> None:
        ended = edgefg()
        assert ended.code == 0
        assert "Usage: edgefg" in ended.out

    @pytest.mark.parametrize("command", ["demo", "run", "evaluate", "doctor"])
    def test_each_command_explains_itself(self, edgefg: Command, command: str) -> None:
        ended = edgefg(command, "--help")
        assert (ended.code, ended.err) == (0, "")
        assert f"Usage: edgefg {command}" in ended.out

    def test_version(self, edgefg: Command) -> None:
        assert edgefg("--version").out == f"edgefg {__version__}\n"

    def test_help_names_every_engine(self, edgefg: Command) -> None:
        # As words: the table breaks its lines where the terminal ends.
        words = set(re.findall(r"[\w-]+", edgefg("run", "--help").out))
        assert words >= {"auto", *ENGINES}


class TestUsageErrors:
    @pytest.mark.parametrize(
        ("words", "said"),
        [
            (["fly"], "fly"),
            (["run"], "SOURCE"),
            (["run", "a.mp4", "--fly"], "--fly"),
            (["run", "a.mp4", "--threads", "two"], "--threads"),
            (["run", "a.mp4", "--threads", "0"], "--threads"),
            (["run", "a.mp4", "b.mp4"], "b.mp4"),
            (["evaluate"], "DATA"),
        ],
    )
    def test_one_line_and_exit_code_2(self, edgefg: Command, words: list[str], said: str) -> None:
        ended = edgefg(*words)
        assert (ended.code, ended.out) == (2, "")
        assert ended.err.startswith("error: ")
        assert ended.err.count("\n") == 1
        assert said in ended.err
        assert "--help" in ended.err


class TestEntryPoint:
    """In a process of its own, as a user starts it."""

    def test_a_name_that_the_terminal_cannot_show(self, write_video: Callable[..., Path], tiny_bundle: Bundle) -> None:
        pytest.importorskip("av")
        folder = tiny_bundle.path.parent
        video = write_video(folder / "日.mp4", frames=2)
        ended = subprocess.run(
            [sys.executable, "-m", "edgefg", "run", str(video), "--bundle", str(tiny_bundle.path)],
            env=os.environ | {"PYTHONIOENCODING": "latin-1"},
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert (ended.returncode, ended.stderr) == (0, "")
        assert "2 frames" in ended.stdout

    def test_module(self) -> None:
        ended = subprocess.run(
            [sys.executable, "-m", "edgefg", "--version"], capture_output=True, text=True, timeout=60
        )
        assert (ended.returncode, ended.stdout) == (0, f"edgefg {__version__}\n")

    def test_without_the_cli_extra(self, video: Path) -> None:
        code = "import sys; sys.modules['typer'] = None; from edgefg.__main__ import main; main()"
        ended = subprocess.run([sys.executable, "-c", code, "run", video], capture_output=True, text=True, timeout=60)
        assert ended.returncode == 2
        assert ended.stderr.count("\n") == 1
        assert 'pip install "edgefg[cli]"' in ended.stderr

    def test_without_cv2(self, video: Path) -> None:
        code = "import sys; sys.modules['cv2'] = None; from edgefg.__main__ import main; main()"
        ended = subprocess.run([sys.executable, "-c", code, "run", video], capture_output=True, text=True, timeout=60)
        assert ended.returncode == 2
        assert ended.stderr.count("\n") == 1
        assert "cv2" in ended.stderr
        assert "edgefg doctor" in ended.stderr
