"""The command line's application, and the options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

from ..bundle.manifest import ENGINES

app = typer.Typer(
    name="edgefg",
    help="Foreground segmentation for camera feeds on edge devices.",
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

BundleOption = Annotated[
    Path | None,
    typer.Option("--bundle", metavar="DIR", help="Networks to use; those that come with edgefg if left out."),
]
BundleArgument = Annotated[
    Path | None, typer.Argument(metavar="BUNDLE", help="A bundle's folder; the one that comes with edgefg if left out.")
]
EngineOption = Annotated[
    str, typer.Option("--engine", metavar="NAME", help=f"What runs the networks: auto or one of {', '.join(ENGINES)}.")
]
PrecisionOption = Annotated[
    str | None,
    typer.Option("--precision", metavar="fp32|fp16|int8", help="Of the networks; the bundle's preferred if left out."),
]
ModeOption = Annotated[
    str,
    typer.Option(
        "--mode",
        metavar="full|map|fused",
        help="Stage 2's masks, the sharpened map of stage 1 alone in about half the time, or the mean of both; "
        "what the bundle was found best with if left out.",
    ),
]
ThreadsOption = Annotated[int | None, typer.Option("--threads", min=1, metavar="N", help="CPU threads for the engine.")]
