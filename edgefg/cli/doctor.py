"""``edgefg doctor``."""

import typer

from .options import BundleOption


def doctor(bundle: BundleOption = None) -> None:
    """Say what is installed, which engines load, and why others don't."""
    from .diagnosis import examine

    fatal = False
    for finding in examine(bundle):
        print(finding, flush=True)
        fatal |= finding.fatal
    if fatal:
        raise typer.Exit(1)
