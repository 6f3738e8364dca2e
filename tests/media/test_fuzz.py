"""Random damage to media files, for minutes: only edgefg's own errors come out, and nothing hangs."""

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("av")

ROOT = Path(__file__).parents[2]
MINUTES = 10


@pytest.mark.soak
@pytest.mark.timeout(60 * (MINUTES + 3))
def test_damaged_files_give_errors_of_edgefg_only(tmp_path: Path) -> None:
    words = ["-m", "tests.support.media_fuzz", "--minutes", str(MINUTES), "--keep", str(tmp_path)]
    ended = subprocess.run([sys.executable, *words], cwd=ROOT, capture_output=True, text=True)
    assert (ended.returncode, ended.stdout.count("\n")) == (0, 1), f"{ended.stdout}\n{ended.stderr[-3000:]}"
