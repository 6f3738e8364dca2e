"""The report of a build."""

import json
import math
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("matplotlib")
pytest.importorskip("torch")

from edgefg.build.acceptance.comparison import Comparison, WorstPair
from edgefg.build.acceptance.report import write_report
from edgefg.build.acceptance.verdict import Verdict
from edgefg.build.quantization.variants import Candidate
from edgefg.errors import OutputError


def verdict(*, failure: str | None = None) -> Verdict:
    frame = np.full((48, 64, 3), 90, np.uint8)
    reference, mask = np.zeros((48, 64), np.uint8), np.zeros((48, 64), np.uint8)
    reference[:, :30], mask[:, 10:40] = 255, 255
    worst = tuple(WorstPair(0.5, f"street/{index}.jpg", frame, reference, mask) for index in range(2))
    f, times = (0.0, (math.nan, math.nan)) if failure else (0.89, (5.0, 4.0))
    comparison = Comparison("openvino 2026", 10, True, 0.99, f, 0.9, failure, times, (10.0, 9.0), worst)
    candidate = Candidate("int8", ("openvino",), b"", b"")
    return Verdict(candidate, {"openvino": comparison}, {"openvino": "refused: it broke"} if failure else {})


def test_figures_and_picture(tmp_path: Path) -> None:
    write_report(tmp_path / "new" / "report", "lite", [verdict()])
    figures = json.loads((tmp_path / "new" / "report" / "report.json").read_text())
    (candidate,) = figures["candidates"]
    assert candidate["accepted_for"] == ["openvino"]
    assert candidate["comparisons"][0]["f_drop"] == pytest.approx(0.01)
    assert candidate["comparisons"][0]["speedup"]["together"] == pytest.approx(19 / 9, abs=1e-3)
    picture = cv2.imread(str(tmp_path / "new" / "report" / "report.png"))
    assert picture is not None
    assert picture.std() > 10
    assert sorted(path.name for path in (tmp_path / "new" / "report").iterdir()) == ["report.json", "report.png"]


def test_a_candidate_that_did_not_run_is_in_it(tmp_path: Path) -> None:
    write_report(tmp_path, "lite", [verdict(failure="it broke")])
    text = (tmp_path / "report.json").read_text()
    assert "NaN" not in text
    assert json.loads(text)["candidates"][0]["comparisons"] == [{"engine": "openvino 2026", "failure": "it broke"}]


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="pass another report="):
        write_report(tmp_path / "file" / "report", "lite", [verdict()])
