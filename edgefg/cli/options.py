"""The options that several commands share.

The parameters of a command have the names that the library uses (``methods`` for ``--method``). By them
`edgefg.cli.errors` finds the option that a library's ``methods='mog2'`` is about.
"""

import inspect
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

from ..bundle.manifest import ENGINES
from ..errors import OptionError
from ..segmentation.options import InferenceOptions, SkipLevel

BundleOption = Annotated[
    Path | None,
    typer.Option("--bundle", metavar="DIR", help="Networks to use; those that come with edgefg if left out."),
]
BundleArgument = Annotated[
    Path | None, typer.Argument(metavar="BUNDLE", help="A bundle's folder; the one that comes with edgefg if left out.")
]
DataArgument = Annotated[
    Path, typer.Argument(metavar="DATA", help="A folder with labelled sequences, or a JSON file of parts.")
]
PartOption = Annotated[str | None, typer.Option("--part", metavar="P", help="Which part of the JSON file.")]
AllowSeenOption = Annotated[bool, typer.Option("--allow-seen", help="Score frames the bundle was trained on, too.")]

INFERENCE: dict[str, Any] = {
    "engine": Annotated[
        str | None,
        typer.Option(
            "--engine",
            metavar="NAME",
            help=f"What runs the networks: auto (if left out) or one of {', '.join(ENGINES)}.",
        ),
    ],
    "precision": Annotated[
        str | None,
        typer.Option(
            "--precision", metavar="fp32|fp16|int8", help="Of the networks; the bundle's preferred if left out."
        ),
    ],
    "threads": Annotated[int | None, typer.Option("--threads", min=1, metavar="N", help="CPU threads for the engine.")],
    "mode": Annotated[
        str | None,
        typer.Option(
            "--mode",
            metavar="full|map|fused",
            help="Stage 2's masks, the upsampled map of stage 1 alone in about half the time, or the mean of both; "
            "the bundle's best if left out.",
        ),
    ],
    "threshold": Annotated[
        float | None,
        typer.Option(
            "--threshold", metavar="T", help="Probability from which a pixel is foreground, above 0 and at most 1."
        ),
    ],
    "skip_below": Annotated[
        str | None,
        typer.Option(
            "--skip-below",
            metavar="LEVEL|auto|never",
            help="Skip stage 2 where the distance map stays below; the bundle's level if left out.",
        ),
    ],
}
"""The fields of `InferenceOptions` as options."""


def with_inference(*names: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Replaces a command's parameter ``inference: InferenceOptions`` by options.

    Args:
        names: Which of `INFERENCE`; none is all.
    """
    chosen = {name: INFERENCE[name] for name in names or INFERENCE}

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        @wraps(command)
        def run(**given: Any) -> None:
            fields = {name: given.pop(name) for name in chosen}
            command(**given, inference=_inference_options(**fields))

        hints = get_type_hints(command, include_extras=True)
        parameters: list[inspect.Parameter] = []
        for parameter in inspect.signature(command).parameters.values():
            added: list[tuple[str, Any, Any]] = [(parameter.name, parameter.default, hints[parameter.name])]
            if parameter.name == "inference":
                added = [(name, None, annotation) for name, annotation in chosen.items()]
            parameters += [
                inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
                for name, default, annotation in added
            ]
        # typer reads these two.
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        return run

    return decorate


def _inference_options(skip_below: str | None = None, **given: Any) -> InferenceOptions:
    """Makes the options of what was given; what was left out keeps its default."""
    fields = {name: value for name, value in given.items() if value is not None}
    return InferenceOptions(skip_below=_skip_level(skip_below or "auto"), **fields)


def _skip_level(text: str) -> SkipLevel:
    if text == "auto":
        return "auto"
    if text == "never":
        return None
    try:
        return float(text)
    except ValueError:
        raise OptionError(f"skip_below={text!r}: expected a number of map units, auto or never") from None
