"""The table of an evaluation."""

import io
import math

import pytest

from edgefg.evaluate.evaluate import Evaluation
from edgefg.evaluate.metrics import Counts, SequenceScore, summarise

rich_console = pytest.importorskip("rich.console")
report_table = pytest.importorskip("edgefg.evaluate.table")


def evaluation(background: str = "median", data: str = "splits.json", protocol: str = "unseen") -> Evaluation:
    scores = [
        SequenceScore("cdnet2014/intermittentObjectMotion/abandonedBox", "intermittentObjectMotion", 51, Counts(tn=9)),
        SequenceScore("indoor/set1", "indoor", 3, Counts(tp=3, fp=1, fn=1, tn=5), pooled=True),
    ]
    methods = {"edgefg": summarise(scores), "mog2": summarise(scores)}
    return Evaluation(protocol, background, 4, data, "validate", methods, bundle=None)


def rendered(shown: Evaluation, width: int = 80) -> str:
    text = io.StringIO()
    rich_console.Console(file=text, width=width).print(report_table.evaluation_table(shown))
    return text.getvalue()


def test_it_names_data_protocol_and_background() -> None:
    text = rendered(evaluation())
    assert "splits.json, part validate" in text
    assert "protocol: unseen" in text
    assert "temporal median of all input frames (offline); sets: their own" in text


def test_it_has_a_row_for_each_sequence_category_and_overall() -> None:
    text = rendered(evaluation(), width=120)
    for label in ("abandonedBox (51)", "intermittentObjectMotion", "set1 (3)", "indoor", "overall"):
        assert label in text
    assert text.count("mog2") == text.count("edgefg") == 5
    assert "0.7500" in text


def test_it_fits_80_columns() -> None:
    lines = rendered(evaluation()).splitlines()
    assert max(map(len, lines)) <= 80
    assert not any("…" in line for line in lines)


def test_the_table_of_categories_has_a_column_for_each_method() -> None:
    text = io.StringIO()
    rich_console.Console(file=text, width=80).print(report_table.category_table(evaluation()))
    rows = [line.split() for line in text.getvalue().splitlines()]
    assert ["indoor", "(1)", "0.7500", "0.7500"] in rows
    assert ["intermittentObjectMotion", "(1)", "-", "-"] in rows
    assert ["overall", "0.7500", "0.7500"] in rows


def test_undefined_measures_are_dashes() -> None:
    text = rendered(evaluation())
    assert str(math.nan) not in text
    assert " - " in text


def test_it_names_the_seed_of_the_protocol_scene() -> None:
    assert "protocol: scene, seed 4" in rendered(evaluation(protocol="scene"))


def test_names_are_no_markup() -> None:
    assert "[red]x.png" in rendered(evaluation(background="[red]x.png"))
