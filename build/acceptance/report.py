"""The report of a build: figures as JSON, and a picture of accuracy against latency with the worst pairs."""

import io
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from edgefg.bundle.manifest import MANIFEST
from edgefg.errors import OutputError
from edgefg.imaging.io import Image
from edgefg.utils.atomic_file import atomic_file
from edgefg.utils.cpu import cpu_kind

from .comparison import Comparison, WorstPair
from .verdict import Verdict

_TILE = (240, 180)
_LOST, _ADDED, _KEPT = (40, 40, 230), (230, 160, 40), (90, 200, 90)  # BGR


def check_report(folder: Path, out: Path) -> None:
    """Refuses a report folder that is a file, or lies in a bundle, which admits no other files.

    Args:
        folder: Folder for the report.
        out: The bundle that is being built.

    Raises:
        OutputError: The folder is refused.
    """
    place, bundle = folder.resolve(), out.resolve()
    above = next(path for path in (place, *place.parents) if path.exists())
    if not above.is_dir():
        raise OutputError(f"cannot write the report to {folder}: {above} is not a folder; pass another report=")
    if not os.access(above, os.W_OK):
        raise OutputError(f"cannot write the report to {folder}: {above} is not writable; pass another report=")
    for path in (place, *place.parents):
        if path == bundle or (path / MANIFEST).is_file():
            raise OutputError(
                f"cannot write the report to {folder}: {path} is a bundle, which admits no other files; "
                "pass another report="
            )


def write_report(folder: Path, name: str, verdicts: Sequence[Verdict]) -> None:
    """Writes report.json and report.png.

    Args:
        folder: Folder for both; it is created if it does not exist.
        name: The bundle's name.
        verdicts: One verdict for each candidate.

    Raises:
        OutputError: They cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        figures = json.dumps(_figures(name, verdicts), indent=1).encode()
        for path, content in ((folder / "report.json", figures), (folder / "report.png", _picture(name, verdicts))):
            with atomic_file(path) as part:
                part.write_bytes(content)
    except OSError as error:
        raise OutputError(f"cannot write the report to {folder}: {error.strerror}; pass another report=") from error


def _figures(name: str, verdicts: Sequence[Verdict]) -> dict[str, Any]:
    return {
        "bundle": name,
        "cpu": cpu_kind(),
        "candidates": [
            {
                "name": verdict.candidate.name,
                "accepted_for": list(verdict.engines),
                "refusals": dict(verdict.refusals),
                **verdict.measured(),
            }
            for verdict in verdicts
        ],
    }


def _picture(name: str, verdicts: Sequence[Verdict]) -> bytes:
    ran = [
        (verdict, comparison)
        for verdict in verdicts
        for comparison in verdict.comparisons.values()
        if comparison.failure is None
    ]
    # Not pyplot: it keeps figures in a registry and needs a display.
    figure = Figure(figsize=(11, 8.5), layout="constrained")
    above, below = figure.subfigures(2, 1, squeeze=False, height_ratios=(3, 4))[:, 0]
    _plot(above.subplots(), [pair for pair in ran if not pair[0].simulated], name)
    _montage(below, ran)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    return buffer.getvalue()


def _plot(axes: Axes, ran: Sequence[tuple[Verdict, Comparison]], name: str) -> None:
    """Plots F-measure against time per frame: each candidate, and FP32 in the same run."""
    for verdict, comparison in ran:
        after, before = sum(comparison.stage_ms), sum(comparison.stage_ms_fp32)
        axes.plot([before, after], [comparison.f_fp32, comparison.f], color="0.8", zorder=1)
        axes.scatter([before], [comparison.f_fp32], color="tab:blue", zorder=2)
        axes.annotate(f"fp32, {comparison.engine}", (before, comparison.f_fp32), (4, 6), textcoords="offset points")
        passed = comparison.engine.split()[0] in verdict.engines
        axes.scatter([after], [comparison.f], color="tab:green" if passed else "tab:red", zorder=2)
        label = f"{verdict.candidate.name}, {comparison.engine}"
        axes.annotate(label, (after, comparison.f), (4, -12), textcoords="offset points")
    against = "labels" if any(comparison.labelled for _, comparison in ran) else "the masks of fp32"
    axes.set(title=f"{name}: accuracy and time (green: accepted, red: refused)", xlabel="ms a frame, both stages")
    axes.set_ylabel(f"F-measure against {against}")
    axes.margins(0.35)
    axes.grid(alpha=0.3)


def _montage(figure: SubFigure, ran: Sequence[tuple[Verdict, Comparison]]) -> None:
    """Shows the frames on which a candidate and FP32 differ most, each once."""
    worst: dict[str, tuple[WorstPair, str]] = {}
    for verdict, comparison in ran:
        for pair in comparison.worst:
            if pair.name not in worst or worst[pair.name][0] < pair:
                worst[pair.name] = pair, f"{pair.name}: {verdict.candidate.name}, {comparison.engine}"
    figure.suptitle("Largest differences. Green: both; red: only fp32; blue: only the candidate")
    cells = figure.subplots(2, 2, squeeze=False)
    for cell in cells.flat:
        cell.axis("off")
    for cell, (pair, title) in zip(cells.flat, sorted(worst.values(), reverse=True), strict=False):
        cell.imshow(_tile(pair)[..., ::-1])
        cell.set_title(title, fontsize=8)


def _tile(pair: WorstPair) -> Image:
    tinted = pair.frame.copy()
    both = (pair.reference > 0) & (pair.mask > 0)
    for where, colour in ((both, _KEPT), (pair.reference > pair.mask, _LOST), (pair.mask > pair.reference, _ADDED)):
        tinted[where] = (0.4 * tinted[where] + 0.6 * np.array(colour)).astype(np.uint8)
    side_by_side = [cv2.resize(image, _TILE, interpolation=cv2.INTER_AREA) for image in (pair.frame, tinted)]
    return np.asarray(np.hstack(side_by_side), np.uint8)
