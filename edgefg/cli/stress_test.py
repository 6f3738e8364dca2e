"""``edgefg stress-test``."""

from pathlib import Path
from typing import Annotated

import typer

from ..errors import OptionError
from ..segmentation.options import InferenceOptions
from .options import AllowSeenOption, BundleOption, PartOption, with_inference


@with_inference("engine", "precision", "threads")
def stress_test(
    data: Annotated[
        Path | None,
        typer.Argument(
            metavar="DATA",
            help="A folder with labelled sequences, or a JSON file of parts; a drawn scene if left out.",
        ),
    ] = None,
    part: PartOption = None,
    bundle: BundleOption = None,
    methods: Annotated[
        list[str] | None,
        typer.Option(
            "--method",
            metavar="NAME",
            help="What to score; may be given several times: edgefg, mog2, knn, cnt, subsense or pawcs. The first "
            "three if left out.",
        ),
    ] = None,
    json: Annotated[Path | None, typer.Option(metavar="F", help="Write the scores as JSON.")] = None,
    plot: Annotated[
        Path | None, typer.Option(metavar="F.png", help="Draw the false foreground over time; .svg and .pdf, too.")
    ] = None,
    allow_seen: AllowSeenOption = False,
    *,
    inference: InferenceOptions,
) -> None:
    """Score edgefg and classical methods under scripted disturbances: light, jitter, a blocked view and more."""
    from rich.console import Console

    from ..datasets.sequences import open_dataset
    from ..evaluate.disturbances.stress_test import stress_test as run_stress_test
    from ..evaluate.disturbances.stress_test import stress_test_files
    from ..evaluate.disturbances.table import stress_table
    from ..utils.progress import progress_bar

    if data is None and part is not None:
        raise OptionError(f"part={part!r}: expected DATA with it, a JSON file of parts; got none")
    dataset = None if data is None else open_dataset(data, part)
    with stress_test_files(dataset, bundle, json=json, plot=plot) as write:
        with progress_bar() as progress:
            result = run_stress_test(
                dataset,
                methods,
                bundle=bundle,
                options=inference,
                allow_seen=allow_seen,
                say=print,
                progress=progress,
            )
        # Whatever becomes of the files.
        Console().print(stress_table(result))
        write(result)
