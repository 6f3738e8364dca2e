"""Progress of long tasks, shown as a bar on a terminal or as lines in a log."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Progress = Callable[[str, int, int | None], None]
"""Function that takes a description of the task, the amount done, and the total (None if unknown)."""

LOG_EVERY_S = 15.0


def _to_stderr(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


@contextmanager
def progress_bar(log: Callable[[str], None] = _to_stderr) -> Iterator[Progress]:
    """Yields a function that advances a bar on stderr. The bar disappears at the end.

    Args:
        log: Called with a line every few seconds instead, where stderr is not a terminal.
    """
    # Imported here, so that an application that embeds the library need not install rich.
    from rich import progress
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        # Not a bar with disable=True: older releases of rich still print an empty line.
        yield _logged(log)
        return
    columns = (
        progress.TextColumn("{task.description}"),
        progress.BarColumn(),
        progress.MofNCompleteColumn(),
        progress.TimeRemainingColumn(),
    )
    # Printed text has to go around the bar only on the bar's own terminal; a file receives it unchanged.
    shared = sys.stdout.isatty()
    with progress.Progress(*columns, console=console, transient=True, redirect_stdout=shared) as bar:
        task = bar.add_task("", total=None, visible=False)
        yield lambda what, done, total: bar.update(task, description=what, completed=done, total=total, visible=True)


def _logged(log: Callable[[str], None]) -> Progress:
    """Returns a function that logs the progress of a long task every few seconds."""
    logged_s = time.monotonic()

    def report(what: str, done: int, total: int | None) -> None:
        nonlocal logged_s
        if time.monotonic() - logged_s >= LOG_EVERY_S:
            logged_s = time.monotonic()
            log(f"{what}: {done}" if total is None else f"{what}: {done} of {total}")

    return report
