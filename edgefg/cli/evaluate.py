"""``edgefg evaluate``."""

from pathlib import Path
from typing import Annotated

import typer

from ..segmentation.options import InferenceOptions
from .options import AllowSeenOption, BundleOption, DataArgument, PartOption, with_inference


@with_inference("engine", "precision", "threads")
def evaluate(
    data: DataArgument,
    part: PartOption = None,
    bundle: BundleOption = None,
    methods: Annotated[
        list[str] | None,
        typer.Option(
            "--method",
            metavar="NAME",
            help="What to score; may be given several times: edgefg, edgefg-full (stage 2 alone), edgefg-map (the map "
            "alone), mog2, knn, cnt, subsense or pawcs. Ours if left out.",
        ),
    ] = None,
    protocol: Annotated[
        str,
        typer.Option(
            metavar="unseen|scene|live",
            help="Scenes never trained on, 60% of each scene, or every frame in order as a camera delivers them.",
        ),
    ] = "unseen",
    background: Annotated[
        str | None, typer.Option(metavar="median|first|protocol|IMG", help="What our networks compare with.")
    ] = None,
    json: Annotated[Path | None, typer.Option(metavar="F", help="Write the scores as JSON.")] = None,
    csv: Annotated[Path | None, typer.Option(metavar="F", help="Write the scores as CSV.")] = None,
    curve: Annotated[
        Path | None, typer.Option(metavar="F.png", help="Draw precision over recall at every threshold.")
    ] = None,
    montage: Annotated[
        Path | None, typer.Option(metavar="F.png", help="Draw each method's best, median and worst frame.")
    ] = None,
    published: Annotated[
        bool, typer.Option("--published", help="Print published figures, next to ours where the protocol agrees.")
    ] = False,
    seed: Annotated[int, typer.Option(metavar="N", help="Divides the frames of the protocol scene.")] = 0,
    allow_seen: AllowSeenOption = False,
    *,
    inference: InferenceOptions,
    skip_below: Annotated[
        list[float] | None,
        typer.Option(
            metavar="LEVEL",
            help="Also score edgefg with stage 2 skipped where the distance map stays below; may be given several "
            "times.",
        ),
    ] = None,
) -> None:
    """Score edgefg and classical methods on labelled sequences."""
    from rich.console import Console

    from ..datasets.sequences import open_dataset
    from ..evaluate.evaluate import evaluate as evaluate_methods
    from ..evaluate.files import EvaluationOutputs, evaluation_files
    from ..evaluate.published import published_tables
    from ..evaluate.table import evaluation_tables
    from ..utils.progress import progress_bar

    dataset = open_dataset(data, part)
    outputs = EvaluationOutputs(json=json, csv=csv, curve=curve, montage=montage)
    with evaluation_files(outputs, dataset, bundle, background) as files:
        with progress_bar() as progress:
            evaluation = evaluate_methods(
                dataset,
                methods=methods,
                protocol=protocol,
                background=background,
                bundle=bundle,
                seed=seed,
                allow_seen=allow_seen,
                options=inference,
                progress=progress,
                observers=files.observers,
                skip_below=skip_below or (),
            )
        # Whatever becomes of the files.
        Console().print(evaluation_tables(evaluation), *([published_tables(evaluation)] if published else []))
        files.write(evaluation)
