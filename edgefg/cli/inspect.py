"""``edgefg inspect``."""

from typing import Annotated

import typer

from .options import BundleArgument


def inspect(
    bundle: BundleArgument = None,
    variant: Annotated[
        str | None, typer.Option(metavar="LABEL", help="Whose layers to list; the preferred variant's if left out.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the same as JSON.")] = False,
) -> None:
    """Say what a bundle holds: its variants, inputs and outputs, and the work of each layer."""
    import json

    from rich.console import Console

    from ..bundle.layers import inspect_bundle
    from .layers_table import inspection_table

    inspection = inspect_bundle(bundle, variant)
    if as_json:
        print(json.dumps(inspection.to_json(), indent=2))
    else:
        Console().print(inspection_table(inspection))
