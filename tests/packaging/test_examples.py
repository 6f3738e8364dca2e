"""Each example is short, says how to run it, and runs like that."""

import ast
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from edgefg.bundle.bundle import Bundle

from ..conftest import VideoMaker

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))

pytestmark = pytest.mark.skipif(not EXAMPLES, reason="needs a checkout")


def command(example: Path) -> list[str]:
    """The words after "Run: python" in an example's docstring."""
    docstring = ast.get_docstring(ast.parse(example.read_text(encoding="utf-8"))) or ""
    found = re.search(r"^Run: python (.+)$", docstring, re.MULTILINE)
    assert found, f"{example} does not say how to run it"
    return shlex.split(found[1])


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
class TestExample:
    def test_is_short(self, example: Path) -> None:
        assert len(example.read_text(encoding="utf-8").splitlines()) <= 60

    def test_runs_as_it_says(self, example: Path, tiny_bundle: Bundle, write_video: VideoMaker, tmp_path: Path) -> None:
        short = str(write_video(tmp_path / "people.mp4", frames=25))  # What is played like a camera takes its time.
        words = [short if word.endswith(".mp4") else word for word in command(example)]
        words = [sys.executable, *words, "--bundle", str(tiny_bundle.path)]
        ended = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=100)
        assert (ended.returncode, ended.stderr) == (0, "")
        assert ended.stdout


def test_segment_video_prints_a_line_for_each_frame(tiny_bundle: Bundle) -> None:
    example = ROOT / "examples" / "segment_video.py"
    words = [sys.executable, *command(example), "--bundle", str(tiny_bundle.path)]
    ended = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=100, check=True)
    *frames, last = ended.stdout.splitlines()
    assert last == "135 frames on openvino"
    assert len(frames) == 135
    assert frames[0].startswith("frame 0: ")
