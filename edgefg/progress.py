"""How long work says how far it is, and the bar that shows it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

Progress = Callable[[str, int, int | None], None]
"""Called with what is being done, how much of it is done, and how much there is (None if unknown)."""


@contextmanager
def progress_bar() -> Iterator[Progress]:
    """Gives a function that moves a bar on stderr, if that is a terminal; the bar goes when it is done."""
    # The library has no other use for rich, which an app that embeds it need not install.
    from rich import progress
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        # Not a bar with disable=True: older releases of rich still print an empty line.
        yield lambda what, done, total: None
        return
    columns = (
        progress.TextColumn("{task.description}"),
        progress.BarColumn(),
        progress.MofNCompleteColumn(),
        progress.TimeRemainingColumn(),
    )
    with progress.Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=None, visible=False)
        yield lambda what, done, total: bar.update(task, description=what, completed=done, total=total, visible=True)
