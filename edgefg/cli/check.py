"""``edgefg check``."""

from typing import Annotated

import typer

from .options import BundleArgument


def _print_targets(wanted: bool) -> None:
    """Comes before the arguments are looked at: the list needs no bundle."""
    if wanted:
        from ..bundle.check import target_lines

        for line in target_lines():
            print(line)
        raise typer.Exit


def check(
    bundle: BundleArgument = None,
    target: Annotated[
        str | None, typer.Option(metavar="NAME", help="What is to run it, such as orin-nano-jp6 or rtx-4090.")
    ] = None,
    list_targets: Annotated[
        bool,
        typer.Option("--list-targets", callback=_print_targets, is_eager=True, help="Print all names and stop."),
    ] = False,
) -> None:
    """Say whether a bundle is whole and fits a device; needs no GPU, and changes nothing."""
    from ..bundle.bundle import open_bundle
    from ..bundle.check import check_bundle
    from ..bundle.devices import find_target
    from ..bundle.findings import Failed
    from ..errors import BundleError

    device = None if target is None else find_target(target)
    mismatches = 0
    try:
        opened = open_bundle(bundle)
    except BundleError as error:
        print(f"FAIL {error}")
        raise typer.Exit(1) from error
    for finding in check_bundle(opened, device):
        wrong = isinstance(finding, Failed)
        mismatches += wrong
        print(f"{'FAIL' if wrong else 'ok':<5}{finding}")
    if mismatches:
        raise typer.Exit(1)
