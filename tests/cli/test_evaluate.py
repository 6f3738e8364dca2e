"""``edgefg evaluate`` on the command line."""

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edgefg.bundle.bundle import Bundle
from edgefg.datasets.sequences import Dataset

from ..support.evaluate_rig import dataset as dataset

pytest.importorskip("typer")
pytest.importorskip("av")
Command = Callable[..., Any]


class TestEvaluate:
    @pytest.fixture
    def data(self, write_sequence: Callable[..., Path], tmp_path: Path) -> Path:
        write_sequence(tmp_path / "data" / "baseline" / "box")
        return tmp_path / "data"

    def test_prints_a_table_and_writes_json(
        self, edgefg: Command, data: Path, tiny_bundle: Bundle, tmp_path: Path
    ) -> None:
        scores = tmp_path / "f.json"
        words = ["--bundle", tiny_bundle.path, "--method", "edgefg", "--method", "mog2", "--json", scores]
        ended = edgefg("evaluate", data, *words)
        assert (ended.code, ended.err) == (0, "")
        assert "temporal median" in ended.out
        methods = json.loads(scores.read_text())["method"]
        assert set(methods) == {"edgefg", "mog2"}
        assert methods["edgefg"]["sequences"]["baseline/box"]["f"] > 0.5

    def test_scores_edgefg_unless_told_otherwise(
        self, edgefg: Command, data: Path, tiny_bundle: Bundle, tmp_path: Path
    ) -> None:
        edgefg("evaluate", data, "--bundle", tiny_bundle.path, "--json", tmp_path / "f.json")
        assert list(json.loads((tmp_path / "f.json").read_text())["method"]) == ["edgefg", "edgefg-map"]

    def test_writes_csv_curve_and_montage(self, edgefg: Command, data: Path, tiny_bundle: Bundle) -> None:
        pytest.importorskip("matplotlib")
        files = {option: data / f"f{option}.png" for option in ("--csv", "--curve", "--montage")}
        words = [word for pair in files.items() for word in pair]
        ended = edgefg("evaluate", data, "--bundle", tiny_bundle.path, *words)
        assert (ended.code, ended.err) == (0, "")
        assert all(file.stat().st_size > 100 for file in files.values())

    def test_several_categories_have_a_table_of_their_own(
        self, edgefg: Command, data: Path, write_sequence: Callable[..., Path]
    ) -> None:
        assert "F-measure by category" not in edgefg("evaluate", data, "--method", "mog2").out
        write_sequence(data / "shadow" / "box")
        assert "F-measure by category" in edgefg("evaluate", data, "--method", "mog2").out

    def test_published_figures_are_printed_on_demand(self, edgefg: Command, data: Path) -> None:
        assert "FgSegNet" not in edgefg("evaluate", data, "--method", "mog2").out
        ended = edgefg("evaluate", data, "--method", "mog2", "--published")
        assert (ended.code, ended.err) == (0, "")
        assert "FgSegNet" in ended.out
        assert "Ours is not compared with them" in ended.out

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            ("--method vibe", "--method vibe: expected one of edgefg, edgefg-full, edgefg-map, mog2"),
            ("--curve f.jpg", "expected a name that ends in .png"),
            ("--montage none/f.png", "its folder does not exist"),
            ("--csv f.png --montage f.png", "this one is also --csv"),
            ("--csv data/baseline/box/f.csv", "expected a file of its own"),
        ],
    )
    def test_bad_options_are_one_line_and_leave_no_file(
        self, edgefg: Command, data: Path, tmp_path: Path, words: str, said: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        before = sorted(tmp_path.rglob("*"))
        method = [] if "--method" in words else ["--method", "mog2"]
        ended = edgefg("evaluate", data, *method, *words.split())
        assert (ended.code, ended.out, ended.err.count("\n")) == (2, "", 1)
        assert said in ended.err
        assert sorted(tmp_path.rglob("*")) == before

    def test_a_library_that_is_missing_is_one_line(
        self, edgefg: Command, data: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, "pybgs", None)
        ended = edgefg("evaluate", data, "--method", "subsense")
        assert (ended.code, ended.err.count("\n")) == (2, 1)
        assert "pip install pybgs" in ended.err

    def test_bad_data_leaves_no_json(self, edgefg: Command, tmp_path: Path) -> None:
        ended = edgefg("evaluate", tmp_path / "none", "--json", tmp_path / "f.json")
        assert (ended.code, ended.err.count("\n")) == (2, 1)
        assert list(tmp_path.iterdir()) == []

    def test_json_must_not_replace_the_data(self, edgefg: Command, data: Path, tmp_path: Path) -> None:
        parts = tmp_path / "parts.json"
        parts.write_text('{"all": ["data/baseline/box"]}')
        ended = edgefg("evaluate", parts, "--json", parts)
        assert ended.code == 2
        assert "is also the data" in ended.err
        assert parts.read_text().startswith('{"all"')

    @pytest.mark.parametrize("name", ["ROI.bmp", "new.json", "input/new.json"])
    def test_json_must_not_lie_among_the_data(self, edgefg: Command, data: Path, name: str) -> None:
        sequence = data / "baseline" / "box"
        before = (sequence / "ROI.bmp").read_bytes()
        ended = edgefg("evaluate", sequence, "--method", "mog2", "--json", sequence / name)
        assert (ended.code, ended.err.count("\n")) == (2, 1)
        assert "expected a file of its own" in ended.err
        assert (sequence / "ROI.bmp").read_bytes() == before
        assert not (sequence / "new.json").exists()

    def test_json_may_lie_beside_the_sequences(self, edgefg: Command, data: Path) -> None:
        assert edgefg("evaluate", data, "--method", "mog2", "--json", data / "f.json").code == 0

    def test_a_write_protected_file_is_not_replaced(self, edgefg: Command, data: Path, tmp_path: Path) -> None:
        kept = tmp_path / "f.json"
        kept.write_text("kept")
        kept.chmod(0o444)
        ended = edgefg("evaluate", data, "--method", "mog2", "--json", kept)
        assert ended.code == 2
        assert "write-protected" in ended.err
        assert kept.read_text() == "kept"


def test_levels_at_which_stage_2_is_skipped_are_printed_and_written(
    dataset: Dataset, tiny_bundle: Bundle, edgefg: Command, tmp_path: Path
) -> None:
    words = "--bundle", tiny_bundle.path, "--skip-below", 1, "--skip-below", 10, "--json", tmp_path / "scores.json"
    ended = edgefg("evaluate", dataset.source, *words)
    assert (ended.code, ended.err) == (0, "")
    assert re.search(r"^ +1 +15\.4% +0\.9444 +0\.0556 +0\.1111 *$", ended.out, re.MULTILINE)
    scores = json.loads((tmp_path / "scores.json").read_text())["skip_below"]
    assert [score["level"] for score in scores] == [1, 10]
    assert scores[0]["skip_rates"]["baseline/highway"] == 0.2
    assert scores[0]["overall"]["f"] == pytest.approx(17 / 18)
