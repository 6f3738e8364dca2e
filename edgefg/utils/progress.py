"""How long work says how far it is, and the bar, or the lines of a log, that show it."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Progress = Callable[[str, int, int | None], None]
"""Called with what is being done, how much of it is done, and how much there is (None if unknown)."""

LOG_EVERY_S = 15.0


@contextmanager
def progress_bar(log: Callable[[str], None] = lambda line: None) -> Iterator[Progress]:
    """Gives a function that moves a bar on stderr, if that is a terminal; the bar goes when it is done.

    Args:
        log: Told a line now and then where stderr is no terminal.
    """
    # The library has no other use for rich, which an app that embeds it need not install.
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
    # Only on the bar's own terminal must what is printed go around it: a file gets it as it is.
    shared = sys.stdout.isatty()
    with progress.Progress(*columns, console=console, transient=True, redirect_stdout=shared) as bar:
        task = bar.add_task("", total=None, visible=False)
        yield lambda what, done, total: bar.update(task, description=what, completed=done, total=total, visible=True)


def _logged(log: Callable[[str], None]) -> Progress:
    """Tells of work that takes long, every few seconds."""
    told = time.monotonic()

    def tell(what: str, done: int, total: int | None) -> None:
        nonlocal told
        if time.monotonic() - told >= LOG_EVERY_S:
            told = time.monotonic()
            log(f"{what}: {done}" if total is None else f"{what}: {done} of {total}")

    return tell
