"""``edgefg doctor``."""

from itertools import chain

import typer

from .options import BundleOption


def doctor(bundle: BundleOption = None) -> None:
    """Say what is installed, which engines load, and why others don't."""
    from .diagnosis import examine
    from .jetson import examine_jetson

    fatal = False
    for finding in chain(examine(bundle), examine_jetson()):
        print(finding, flush=True)
        fatal |= finding.fatal
    if fatal:
        raise typer.Exit(1)
