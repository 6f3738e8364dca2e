"""The end of ``edgefg run`` and ``edgefg demo``."""

from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from ..run.runner import RunSummary


def conclude(summary: "RunSummary") -> None:
    """Reports a run, and fails if its source was damaged or Ctrl-C ended it."""
    for label, text in summary.lines():
        print(f"{label:<11} {text}")
    if summary.damage:
        raise summary.damage
    if summary.interrupted:
        raise typer.Exit(130)
