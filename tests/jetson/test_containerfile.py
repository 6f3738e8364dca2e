"""The Containerfile of the Jetson recipe, by its text: here is no device that could build it."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILE = ROOT / "examples" / "jetson" / "Containerfile"

pytestmark = pytest.mark.skipif(not FILE.is_file(), reason="needs a checkout")


@pytest.fixture(scope="module")
def instructions() -> list[str]:
    """One a line, without comments."""
    lines = [line for line in FILE.read_text("utf-8").splitlines() if not line.startswith("#")]
    return "\n".join(lines).replace("\\\n", " ").splitlines()


def of_kind(instructions: list[str], kind: str) -> list[str]:
    return [line.removeprefix(kind).strip() for line in instructions if line.startswith(f"{kind} ")]


def test_its_tensorrt_is_one_that_runs_engines(instructions: list[str]) -> None:
    (image,) = of_kind(instructions, "FROM")
    assert image == "nvcr.io/nvidia/l4t-tensorrt:r10.3.0-devel"


def test_what_it_copies_exists(instructions: list[str]) -> None:
    sources = [word for line in of_kind(instructions, "COPY") for word in line.split()[:-1]]
    assert {"setup.py", "edgefg", "build", "calibration"} <= set(sources)
    assert [source for source in sources if not (ROOT / source).exists()] == []


def test_it_brings_no_second_opencv(instructions: list[str]) -> None:
    (pip,) = re.findall(r"pip install [^&]*", " ".join(of_kind(instructions, "RUN")))
    assert '"/src[tensorrt,watch]"' in pip
    assert "opencv" not in pip


def test_numpy_stays_as_it_is(instructions: list[str]) -> None:
    run = " ".join(of_kind(instructions, "RUN"))
    assert "numpy=={numpy.__version__}" in run
    assert "--constraint /opt/venv/constraints.txt" in run


def test_it_watches(instructions: list[str]) -> None:
    (entry,), (words,) = of_kind(instructions, "ENTRYPOINT"), of_kind(instructions, "CMD")
    assert (entry, words) == ('["edgefg"]', '["watch", "--config", "/etc/edgefg/watch.yaml"]')
