"""Each example is short, says how to run it, and runs like that."""

import ast
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from edgefg.bundle.bundle import Bundle

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))

pytestmark = pytest.mark.skipif(not EXAMPLES, reason="needs a checkout")


def command(example: Path) -> list[str]:
    """The words after "Run: python" in an example's docstring."""
    docstring = ast.get_docstring(ast.parse(example.read_text(encoding="utf-8"))) or ""
    found = re.search(r"^Run: python (.+)$", docstring, re.MULTILINE)
    assert found, f"{example} does not say how to run it"
    return shlex.split(found[1])


Ended = subprocess.CompletedProcess[str]


@pytest.fixture(scope="module")
def runs(tiny_bundle: Bundle) -> Iterator[dict[Path, "Future[Ended]"]]:
    """All examples, side by side: most of their time they wait for a clip that plays at its own rate."""

    def run(example: Path) -> Ended:
        words = [sys.executable, *command(example), "--bundle", str(tiny_bundle.path)]
        return subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=100)

    with ThreadPoolExecutor(len(EXAMPLES)) as pool:
        yield {example: pool.submit(run, example) for example in EXAMPLES}


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
class TestExample:
    def test_is_short(self, example: Path) -> None:
        assert len(example.read_text(encoding="utf-8").splitlines()) <= 60

    def test_runs_as_it_says(self, example: Path, runs: dict[Path, "Future[Ended]"]) -> None:
        ended = runs[example].result()
        assert (ended.returncode, ended.stderr) == (0, "")
        assert ended.stdout


def test_segment_video_prints_a_line_for_each_frame(runs: dict[Path, "Future[Ended]"]) -> None:
    *frames, last = runs[ROOT / "examples" / "segment_video.py"].result().stdout.splitlines()
    assert last == "135 frames on openvino"
    assert len(frames) == 135
    assert frames[0].startswith("frame 0: ")
