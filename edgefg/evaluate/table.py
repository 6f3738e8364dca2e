"""An Evaluation as tables for people."""

import math
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from .evaluate import Evaluation
from .metrics import Measures

if TYPE_CHECKING:
    from rich.console import Group
    from rich.table import Table

_HEADINGS = ("F", "recall", "precis.", "specif.", "FPR", "FNR", "PWC %")
_BACKGROUNDS = {
    "median": "temporal median of all input frames (offline)",
    "first": "first input frame",
    "protocol": "the tested frame with the most foreground",
    "own": "each method's own, from the first frame on",
}


def evaluation_tables(evaluation: Evaluation) -> "Group":
    """Lays out the scores, by category if there are several, and the cost of skipping stage 2 if it was asked for."""
    from rich.console import Group

    tables = [evaluation_table(evaluation)]
    if len(evaluation.by_category) > 1:
        tables.append(category_table(evaluation))
    if evaluation.skip_scores:
        tables.append(skip_table(evaluation))
    if evaluation.scene_events:
        tables.append(events_table(evaluation))
    return Group(*tables)


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
    for category, sequences in evaluation.by_category.items():
        add_rows(category, {method: methods[method].categories[category] for method in methods}, "bold")
        for sequence in sequences:
            scores = {method: methods[method].sequences[sequence.name].counts.measures for method in methods}
            add_rows(f" {PurePosixPath(sequence.name).name} ({sequence.frames})", scores)
        table.add_section()
    add_rows("overall", {method: methods[method].overall for method in methods}, "bold cyan")
    return table


def category_table(evaluation: Evaluation) -> "Table":
    """Lays out F alone, a row for each category and a column for each method."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    table = Table(title="F-measure by category", box=SIMPLE_HEAD, padding=0, title_justify="left")
    table.add_column("category (sequences)", overflow="fold")
    methods = evaluation.methods
    for method in methods:
        table.add_column(method, justify="right", no_wrap=True)
    for category, sequences in evaluation.by_category.items():
        f_of = (summary.categories[category].f for summary in methods.values())
        table.add_row(Text(f"{category} ({len(sequences)})"), *(_number(f, 4) for f in f_of))
    table.add_section()
    f_of = (summary.overall.f for summary in methods.values())
    table.add_row("overall", *(_number(f, 4) for f in f_of), style="bold cyan")
    return table


def skip_table(evaluation: Evaluation) -> "Table":
    """Lays out the cost of skipping stage 2, a row for each level."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(
        title="stage 2 skipped where the distance map stays below a level",
        box=SIMPLE_HEAD,
        padding=0,
        title_justify="left",
    )
    for heading in ("level", "skipped", "F", "F lost", "most, in a category"):
        table.add_column(heading, justify="right", no_wrap=True)
    for score in evaluation.skip_scores:
        lost = (_number(loss, 4) for loss in (score.scores.overall.f, score.f_loss, score.largest_f_loss))
        table.add_row(f"{score.level:g}", f"{score.skip_rate:.1%}", *lost)
    return table


def events_table(evaluation: Evaluation) -> "Table":
    """Lays out the events that the background model reported, a row for each sequence and method that has any."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    table = Table(title="scene events", box=SIMPLE_HEAD, padding=0, title_justify="left")
    for heading in ("sequence", "method", "events"):
        table.add_column(heading, overflow="fold")
    for method, of_sequences in evaluation.scene_events.items():
        for sequence, kinds in of_sequences.items():
            if kinds:
                found = ", ".join(f"{kind} {count}" for kind, count in sorted(kinds.items()))
                table.add_row(Text(sequence), method, found)
    if not table.row_count:
        table.add_row("none", "", "")
    return table


def _title(evaluation: Evaluation) -> str:
    background = _BACKGROUNDS.get(evaluation.background, evaluation.background)
    has_sets = any(score.pooled for sequences in evaluation.by_category.values() for score in sequences)
    if evaluation.background in _BACKGROUNDS and has_sets:
        background += "; sets: their own"
    part = "" if evaluation.part is None else f", part {evaluation.part}"
    seed = f", seed {evaluation.seed}" if evaluation.protocol == "scene" else ""
    lines = [f"{evaluation.data}{part}", f"protocol: {evaluation.protocol}{seed}", f"background: {background}"]
    if evaluation.seen_frames:
        total = sum(score.frames for sequences in evaluation.by_category.values() for score in sequences)
        lines.append(f"seen: our networks were trained on {evaluation.seen_frames} of the {total} tested frames")
    return "\n".join(lines)


def _cells(measures: Measures) -> list[str]:
    shares = (measures.f, measures.recall, measures.precision, measures.specificity, measures.fpr, measures.fnr)
    return [*(_number(share, 4) for share in shares), _number(measures.pwc, 3)]


def _number(value: float, digits: int) -> str:
    return "-" if math.isnan(value) else f"{value:.{digits}f}"
