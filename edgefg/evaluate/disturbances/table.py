"""The scores of a stress test as a table and a plot for people."""

import io
from typing import TYPE_CHECKING

import numpy as np

from .scores import OURS, Score, StressTestResult
from .scripts import DISTURBANCES

if TYPE_CHECKING:
    from rich.table import Table


def stress_table(result: StressTestResult) -> "Table":
    """Lays out a row for each disturbance and method."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(_title(result)), box=SIMPLE_HEAD, padding=0, title_justify="left")
    table.add_column("disturbance", no_wrap=True)
    table.add_column("method")
    for heading in ("F", "recov. s", "missed", "event s", "false", "best"):
        table.add_column(heading, justify="right", no_wrap=True)
    for clip in result.clips:
        table.add_row(Text(clip, style="bold"))
        for disturbance, of_methods in result.scores[clip].items():
            for row, (method, score) in enumerate(of_methods.items()):
                best = "yes" if method == OURS and result.best(clip, disturbance) else ""
                table.add_row(Text("" if row else f" {disturbance}"), method, *_cells(score, method), best)
        table.add_section()
    return table


def _title(result: StressTestResult) -> str:
    parts = []
    for clip in result.clips:
        of_clip = result.scores[clip]
        if OURS in next(iter(of_clip.values())):
            best = sum(result.best(clip, disturbance) for disturbance in of_clip)
            parts.append(f"{clip}: {OURS} best or within 0.01 in {best} of {len(of_clip)}")
    if result.seen_frames:
        parts.append(f"seen: {OURS}'s networks were trained on {result.seen_frames} of these frames")
    return "\n".join(["stress test of the background", *parts])


def _cells(score: Score, method: str) -> list[str]:
    def number(value: float | None, digits: int, missing: str) -> str:
        return missing if value is None else f"{value:.{digits}f}"

    told = [number(score.event_delay_s, 2, "-"), str(score.false_events)] if method == OURS else ["", ""]
    never = "" if score.f is None else "never"
    return [number(score.f, 3, ""), number(score.recover_s, 1, never), number(score.missed, 3, ""), *told]


def stress_plot(result: StressTestResult, kind: str) -> bytes:
    """Draws the false foreground over time: a row for each clip and disturbance, a line for each method.

    Args:
        result: The scores.
        kind: ``"png"``, ``"svg"`` or ``"pdf"``.
    """
    from matplotlib.figure import Figure

    panels = [(clip, name) for clip in result.clips for name in result.scores[clip]]
    figure = Figure(figsize=(12, 1.9 * -(-len(panels) // 3)), layout="constrained")
    axes = np.atleast_1d(figure.subplots(-(-len(panels) // 3), 3, squeeze=False)).ravel()
    for axis, (clip, name) in zip(axes, panels, strict=False):
        for method, score in result.scores[clip][name].items():
            seconds = np.arange(len(score.false_share)) + 0.5
            axis.plot(seconds, 100 * np.array(score.false_share), label=method)
        axis.axvline(DISTURBANCES[name].begins_s, color="grey", linewidth=0.8, linestyle=":")
        axis.set_title(f"{clip}: {name}", fontsize=8)
        axis.set_yscale("symlog", linthresh=1)
        axis.set_ylim(0, 100)
        axis.tick_params(labelsize=7)
    for axis in axes[len(panels) :]:
        axis.set_axis_off()
    axes[0].legend(fontsize=7)
    figure.supylabel("false foreground, % of the frame", fontsize=8)
    figure.supxlabel("s", fontsize=8)
    buffer = io.BytesIO()
    figure.savefig(buffer, format=kind, dpi=110)
    return buffer.getvalue()
