"""The bar on a terminal, and the lines of a log where there is none."""

import os
import subprocess
import sys

import pytest

from edgefg.utils import progress
from edgefg.utils.progress import progress_bar

pytest.importorskip("rich")

BUSY = """
from edgefg.utils.progress import progress_bar
with progress_bar() as tell:
    tell("comparing", 1, 2)
    print("f" * 200)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are POSIX's")
def test_what_is_printed_beside_a_bar_reaches_its_file_as_it_is() -> None:
    terminal, theirs = os.openpty()
    with subprocess.Popen([sys.executable, "-c", BUSY], stdout=subprocess.PIPE, stderr=theirs, text=True) as process:
        os.close(theirs)
        shown = read_terminal(terminal)
        assert process.stdout is not None
        assert process.stdout.read() == "f" * 200 + "\n"
    assert b"comparing" in shown
    assert b"ffff" not in shown


def read_terminal(terminal: int) -> bytes:
    shown = b""
    try:
        while chunk := os.read(terminal, 65536):
            shown += chunk
    except OSError:  # Linux's word for the end of a terminal.
        pass
    os.close(terminal)
    return shown


def test_without_a_terminal_long_work_is_told_in_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "LOG_EVERY_S", 0.0)
    lines: list[str] = []
    with progress_bar(lines.append) as tell:
        tell("calibrating for cpu", 3, 96)
        tell("median background", 0, None)
    assert lines == ["calibrating for cpu: 3 of 96", "median background: 0"]


def test_without_a_terminal_short_work_is_silent(capfd: pytest.CaptureFixture[str]) -> None:
    lines: list[str] = []
    with progress_bar(lines.append) as tell:
        for done in range(96):
            tell("calibrating for cpu", done, 96)
    assert lines == []
    assert capfd.readouterr() == ("", "")
