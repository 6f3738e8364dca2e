"""An Evaluation as a table for people."""

import math
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from .evaluate import Evaluation
from .metrics import Measures, SequenceScore

if TYPE_CHECKING:
    from rich.table import Table

_HEADINGS = ("F", "recall", "precis.", "specif.", "FPR", "FNR", "PWC %")
_BACKGROUNDS = {
    "median": "temporal median of all input frames (offline)",
    "first": "first input frame",
    "protocol": "the tested frame with the most foreground",
}


def evaluation_table(evaluation: Evaluation) -> "Table":
    """Lays out the scores per sequence, per category and overall, a row for each method."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(_title(evaluation)), box=SIMPLE_HEAD, padding=0, title_justify="left")
    table.add_column("sequence (frames)", overflow="fold")
    table.add_column("method")
    for heading in _HEADINGS:
        table.add_column(heading, justify="right", no_wrap=True)

    def add_rows(label: str, scores: dict[str, Measures], style: str = "") -> None:
        for row, (method, measures) in enumerate(scores.items()):
            table.add_row(Text("" if row else label), method, *_cells(measures), style=style)

    methods = evaluation.methods
    for category, sequences in _by_category(evaluation).items():
        add_rows(category, {method: methods[method].categories[category] for method in methods}, "bold")
        for sequence in sequences:
            scores = {method: methods[method].sequences[sequence.name].counts.measures for method in methods}
            add_rows(f" {PurePosixPath(sequence.name).name} ({sequence.frames})", scores)
        table.add_section()
    add_rows("overall", {method: methods[method].overall for method in methods}, "bold cyan")
    return table


def _by_category(evaluation: Evaluation) -> dict[str, list[SequenceScore]]:
    """The sequences, which are the same ones for every method."""
    grouped: dict[str, list[SequenceScore]] = {}
    for score in next(iter(evaluation.methods.values())).sequences.values():
        grouped.setdefault(score.category, []).append(score)
    return grouped


def _title(evaluation: Evaluation) -> str:
    background = _BACKGROUNDS.get(evaluation.background, evaluation.background)
    has_sets = any(score.pooled for sequences in _by_category(evaluation).values() for score in sequences)
    if evaluation.background in _BACKGROUNDS and has_sets:
        background += "; sets: their own"
    part = "" if evaluation.part is None else f", part {evaluation.part}"
    seed = f", seed {evaluation.seed}" if evaluation.protocol == "scene" else ""
    return f"{evaluation.data}{part}\nprotocol: {evaluation.protocol}{seed}\nbackground: {background}"


def _cells(measures: Measures) -> list[str]:
    shares = (measures.f, measures.recall, measures.precision, measures.specificity, measures.fpr, measures.fnr)
    return [*(_number(share, 4) for share in shares), _number(measures.pwc, 3)]


def _number(value: float, digits: int) -> str:
    return "-" if math.isnan(value) else f"{value:.{digits}f}"
