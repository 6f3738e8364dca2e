"""Figures that others published on CDnet2014, and where ours may be compared with them.

Two figures belong side by side only if they were measured alike. The paper whose networks these are trained on 30% of
each sequence's frames and tested on 60%: our protocol ``scene``. The other figures follow protocols of their own, and
stand alone.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .evaluate import Evaluation
from .methods import NETWORKS

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

PAPER_PROTOCOL = (
    "scene: 30% of each sequence's frames train, 10% validate, 60% test; the background is a test frame full of objects"
)

PAPER_F = {
    "baseline": 0.9965,
    "dynamicBackground": 0.9920,
    "shadow": 0.9934,
    "badWeather": 0.9877,
    "lowFramerate": 0.9894,
    "nightVideos": 0.9687,
    "PTZ": 0.9823,
    "cameraJitter": 0.9894,
    "intermittentObjectMotion": 0.9944,
}
"""F-measure by category, as the paper prints it."""

PAPER_OVERALL_F = 0.9834


@dataclass(frozen=True)
class Published:
    """A row of the paper's comparison.

    Attributes:
        method: Its name.
        f: Overall F-measure on CDnet2014 as printed.
        note: What is wrong with it; empty if nothing is known to be.
    """

    method: str
    f: float
    note: str = ""


_PRECISION = "printed F is this method's precision"
OTHERS = (
    Published("FgSegNet_S", 0.9804),
    Published("FgSegNet", 0.9770),
    Published("Cascade CNN", 0.8997, _PRECISION),
    Published("DeepBS", 0.8332, f"{_PRECISION}; impossible: above the mean of its recall and precision"),
    Published("IUTIS-5", 0.8087, "impossible: above the mean of its recall and precision"),
    Published("BSUV-Net", 0.7868),
    Published("SuBSENSE", 0.7509, f"{_PRECISION}; the benchmark's own site gives F 0.7408"),
)

NOTES = (
    "Overall, the paper also prints recall 0.9799, precision 0.9868, PWC 0.0425.",
    f"The nine categories average {sum(PAPER_F.values()) / len(PAPER_F):.4f}, not the printed {PAPER_OVERALL_F}.",
    "The paper prints the false positive rate as FN / (FP + TN); FP / (FP + TN) is meant.",
)


def mismatch(evaluation: Evaluation) -> str | None:
    """Says why an evaluation may not be compared with the paper's figures; None if it may."""
    if evaluation.protocol != "scene":
        return f"ours was evaluated by the protocol {evaluation.protocol}"
    if evaluation.background != "protocol":
        return f"ours was compared with the background {evaluation.background}, theirs with the protocol's"
    if evaluation.bundle is None:
        return "edgefg was not evaluated"
    if evaluation.bundle["protocol"] != "scene":
        return f"our networks were trained by the protocol {evaluation.bundle['protocol'] or 'that no card names'}"
    if evaluation.seen_frames:
        return f"our networks were trained on {evaluation.seen_frames} of the tested frames"
    if not evaluation.by_category.keys() & PAPER_F.keys():
        return "no category of the paper was evaluated"
    return None


def published_tables(evaluation: Evaluation) -> "RenderableType":
    """Lays out the published figures, ours next to the paper's where `mismatch` finds nothing."""
    from rich.console import Group
    from rich.text import Text

    reason = mismatch(evaluation)
    ours = [name for name in evaluation.methods if name in NETWORKS] if reason is None else []
    apart = [] if reason is None else [Text(f"Ours is not compared with them: {reason}.")]
    return Group(_paper_table(evaluation, ours), *map(Text, NOTES), *apart, Text(), _others_table())


def _paper_table(evaluation: Evaluation, ours: list[str]) -> "Table":
    table = _table(f"published F-measures\nprotocol: {PAPER_PROTOCOL}")
    table.add_column("category")
    for heading in ("the paper", *ours, *(["sequences of ours"] if ours else [])):
        table.add_column(heading, justify="right")
    for category, f in PAPER_F.items():
        members = evaluation.by_category.get(category, [])
        cells = [f"{evaluation.methods[name].categories[category].f:.4f}" if members else "-" for name in ours]
        table.add_row(category, f"{f:.4f}", *cells, *([str(len(members))] if ours else []))
    table.add_section()
    # Ours has other sequences, and perhaps not all categories: an overall figure of it would not be the same mean.
    table.add_row("overall, as printed", f"{PAPER_OVERALL_F:.4f}")
    return table


def _others_table() -> "Table":
    table = _table(
        "published F-measures, overall, of other methods\nprotocols: their own, so ours is not compared with them"
    )
    table.add_column("method")
    table.add_column("F", justify="right")
    table.add_column("misprints")
    for row in OTHERS:
        table.add_row(row.method, f"{row.f:.4f}", row.note)
    return table


def _table(title: str) -> "Table":
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    return Table(title=Text(title), box=SIMPLE_HEAD, padding=0, title_justify="left")
