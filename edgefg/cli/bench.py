"""``edgefg bench``."""

from pathlib import Path
from typing import Annotated

import typer

from ..segmentation.options import InferenceOptions
from .options import BundleOption, with_inference


@with_inference("engine", "precision", "threads")
def bench(
    bundle: BundleOption = None,
    source: Annotated[
        str | None,
        typer.Option(metavar="S", help="A video file or a folder of images; the clip of edgefg if left out."),
    ] = None,
    cameras: Annotated[
        int, typer.Option(metavar="N", help="Cameras that share the pipeline; with two or more, one of them stops.")
    ] = 1,
    *,
    inference: InferenceOptions,
    frames: Annotated[
        int, typer.Option(metavar="N", help="Frames of the pipeline a round; other loops take as long.")
    ] = 200,
    soak: Annotated[
        int, typer.Option(metavar="N", help="Watch memory over this many frames more; 20000 say much.")
    ] = 0,
    json: Annotated[Path | None, typer.Option(metavar="F", help="Write the figures as JSON.")] = None,
    plot: Annotated[Path | None, typer.Option(metavar="F.png", help="Draw the figures; needs the extra plot.")] = None,
) -> None:
    """Compare speed with the bare engine and classical methods, all in one run."""
    from rich.console import Console

    from ..bench.benchmark import BenchOptions, benchmark
    from ..bench.files import bench_files
    from ..bench.table import bench_table
    from ..utils.progress import progress_bar

    options = BenchOptions(bundle=bundle, source=source, cameras=cameras, inference=inference, frames=frames, soak=soak)
    with bench_files(options, json=json, plot=plot) as write:
        with progress_bar() as progress:
            found = benchmark(options, progress)
        # Whatever becomes of the files.
        Console().print(bench_table(found))
        write(found)
