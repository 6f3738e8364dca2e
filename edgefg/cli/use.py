"""Commands that use bundles: demo, run, evaluate, bench, inspect, check, doctor. Their bodies only call others."""

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import OptionError
from .options import BundleArgument, BundleOption, EngineOption, ModeOption, PrecisionOption, ThreadsOption, app

if TYPE_CHECKING:
    from ..run.runner import RunSummary


@app.command()
def demo(bundle: BundleOption = None, engine: EngineOption = "auto", threads: ThreadsOption = None) -> None:
    """Segment a clip of people that comes with edgefg; writes edgefg-demo/overlay.mp4 and mask.mp4."""
    from ..run.demo import run_demo, weights_note
    from ..utils.progress import progress_bar

    with progress_bar() as progress:
        summary = run_demo(bundle, engine, threads, progress)
    _conclude(summary, note=weights_note(summary.bundle))


@app.command()
def run(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="A video file, a folder of images or a quoted glob.")],
    bundle: BundleOption = None,
    background: Annotated[
        str,
        typer.Option(
            metavar="IMG|first|median|STATE.npz",
            help="What to compare with: an image, the first frame, the median of frames from all over the source, or a "
            "saved background.",
        ),
    ] = "median",
    refresh: Annotated[
        str, typer.Option(metavar="fixed|periodic|selective", help="What becomes of the background.")
    ] = "fixed",
    save_background: Annotated[
        Path | None, typer.Option(metavar="STATE.npz", help="Save the background that there is in the end.")
    ] = None,
    inset: Annotated[bool, typer.Option("--inset", help="Show the background in a corner of the overlay.")] = False,
    threshold: Annotated[
        float | None,
        typer.Option(metavar="T", help="Probability from which a pixel is foreground, above 0 and at most 1."),
    ] = None,
    engine: EngineOption = "auto",
    threads: ThreadsOption = None,
    precision: PrecisionOption = None,
    mode: ModeOption = "auto",
    mask: Annotated[Path | None, typer.Option(metavar="OUT.mp4", help="Write the masks as a video.")] = None,
    overlay: Annotated[
        Path | None, typer.Option(metavar="OUT.mp4", help="Write the frames with a red foreground.")
    ] = None,
    json_lines: Annotated[
        Path | None, typer.Option("--json", metavar="OUT.jsonl", help="Write a line of JSON for each frame.")
    ] = None,
) -> None:
    """Segment a video or a folder of images."""
    from ..run.outputs import Outputs
    from ..run.runner import RunOptions
    from ..run.runner import run as run_source
    from ..utils.progress import progress_bar

    options = RunOptions(
        source=source,
        bundle=bundle,
        background=background,
        refresh=refresh,
        threshold=threshold,
        engine=engine,
        threads=threads,
        precision=precision,
        mode=mode,
        outputs=Outputs(mask=mask, overlay=overlay, json=json_lines, background=save_background, inset=inset),
    )
    with progress_bar() as progress:
        summary = run_source(options, progress)
    _conclude(summary)


@app.command()
def evaluate(
    data: Annotated[
        Path | None,
        typer.Argument(
            metavar="DATA",
            help="A folder with labelled sequences, or a JSON file of parts. The suite draws its own if left out.",
        ),
    ] = None,
    part: Annotated[str | None, typer.Option(metavar="P", help="Which part of the JSON file.")] = None,
    bundle: BundleOption = None,
    method: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="What to score; may be given several times: edgefg, edgefg-full (stage 2 alone), edgefg-map (the map "
            "alone), mog2, knn, cnt, subsense or pawcs. Ours if left out.",
        ),
    ] = None,
    protocol: Annotated[
        str, typer.Option(metavar="unseen|scene", help="Scenes never trained on, or 60% of each scene.")
    ] = "unseen",
    background: Annotated[
        str | None, typer.Option(metavar="median|first|protocol|IMG", help="What our networks compare with.")
    ] = None,
    json_file: Annotated[Path | None, typer.Option("--json", metavar="F", help="Write the scores as JSON.")] = None,
    csv_file: Annotated[Path | None, typer.Option("--csv", metavar="F", help="Write the scores as CSV.")] = None,
    curve: Annotated[
        Path | None, typer.Option(metavar="F.png", help="Draw precision over recall at every threshold.")
    ] = None,
    montage: Annotated[
        Path | None, typer.Option(metavar="F.png", help="Draw each method's best, median and worst frame.")
    ] = None,
    published: Annotated[
        bool,
        typer.Option("--published", help="Print published figures, beside ours where the protocol agrees."),
    ] = False,
    seed: Annotated[
        int | None, typer.Option(metavar="N", help="Divides the frames of the protocol scene; 0 if left out.")
    ] = None,
    allow_seen: Annotated[
        bool, typer.Option("--allow-seen", help="Score frames the bundle was trained on, too.")
    ] = False,
    precision: PrecisionOption = None,
    suite: Annotated[
        str | None, typer.Option(metavar="background", help="Script disturbances over the sequences, and score those.")
    ] = None,
    plot: Annotated[Path | None, typer.Option(metavar="F.png", help="Of the suite: draw the false foreground.")] = None,
    quiet: Annotated[
        list[float] | None,
        typer.Option(
            metavar="LEVEL",
            help="Also score edgefg with stage 2 skipped where the distance map stays below; may be given several "
            "times.",
        ),
    ] = None,
) -> None:
    """Score edgefg and classical methods on labelled sequences, or under scripted disturbances."""
    if suite is None and plot is not None:
        raise OptionError("--plot: expected --suite background with it; scores are drawn by --curve and --montage")
    if suite is not None or data is None:
        from .suite import evaluate_suite

        if background is not None or protocol != "unseen":
            raise OptionError("--background and --protocol: expected neither with --suite, where a camera starts bare")
        if csv_file or curve or montage or published or quiet or seed is not None:
            options = "--csv, --curve, --montage, --published, --quiet and --seed"
            raise OptionError(f"{options}: expected none of them with --suite")
        evaluate_suite(suite, data, part, bundle, method, json_file, allow_seen, precision, plot)
        return
    from rich.console import Console

    from ..datasets.sequences import open_dataset
    from ..evaluate.evaluate import evaluate as evaluate_methods
    from ..evaluate.files import EvaluationOutputs, check_outputs, evaluation_files
    from ..evaluate.published import published_tables
    from ..evaluate.table import category_table, evaluation_table, quiet_table
    from ..utils.progress import progress_bar

    dataset = open_dataset(data, part)
    outputs = EvaluationOutputs(json=json_file, csv=csv_file, curve=curve, montage=montage)
    check_outputs(outputs, dataset, bundle, background)
    with progress_bar() as progress, evaluation_files(outputs) as files:
        evaluation = evaluate_methods(
            dataset,
            methods=method,
            protocol=protocol,
            background=background,
            bundle=bundle,
            seed=seed or 0,
            allow_seen=allow_seen,
            precision=precision,
            progress=progress,
            observers=files.observers,
            quiet=quiet or (),
        )
        files.write(evaluation)
    console = Console()
    console.print(evaluation_table(evaluation))
    if len(evaluation.by_category) > 1:
        console.print(category_table(evaluation))
    if evaluation.quiet:
        console.print(quiet_table(evaluation))
    if published:
        console.print(published_tables(evaluation))


@app.command()
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


@app.command()
def bench(
    bundle: BundleOption = None,
    source: Annotated[
        str | None,
        typer.Option(metavar="S", help="A video file or a folder of images; the clip of edgefg if left out."),
    ] = None,
    cameras: Annotated[
        int, typer.Option(metavar="N", help="Cameras that share the pipeline; with two or more, one of them stops.")
    ] = 1,
    engine: EngineOption = "auto",
    precision: PrecisionOption = None,
    threads: ThreadsOption = None,
    frames: Annotated[
        int, typer.Option(metavar="N", help="Frames of the pipeline a round; other loops take as long.")
    ] = 200,
    soak: Annotated[
        int, typer.Option(metavar="N", help="Watch memory over this many frames more; 20000 say much.")
    ] = 0,
    json_file: Annotated[Path | None, typer.Option("--json", metavar="F", help="Write the figures as JSON.")] = None,
    plot: Annotated[Path | None, typer.Option(metavar="F.png", help="Draw the figures; needs edgefg[build].")] = None,
) -> None:
    """Measure speed beside the bare engine and beside classical methods, all in one run."""
    from rich.console import Console

    from ..bench.benchmark import BenchOptions, benchmark, check_bench_places
    from ..bench.table import bench_table
    from ..media.writers import FileWriter, JsonWriter
    from ..utils.progress import progress_bar

    options = BenchOptions(
        bundle=bundle,
        source=source,
        cameras=cameras,
        engine=engine,
        precision=precision,
        threads=threads,
        frames=frames,
        soak=soak,
    )
    check_bench_places(options, {"--json": json_file, "--plot": plot})
    with ExitStack() as stack:
        # Opened first, as is what draws: figures of some minutes must not be lost to a wrong path.
        figures = None if json_file is None else JsonWriter(json_file, indent=2)
        if figures is not None:
            stack.callback(figures.discard)
        if plot is not None:
            from ..bench.plot import bench_plot

            picture = FileWriter(plot)
            stack.callback(picture.discard)
        found = benchmark(options, stack.enter_context(progress_bar()))
        if figures is not None:
            figures.write(found.to_json())
            figures.close()
        if plot is not None:
            picture.write(bench_plot(found))
            picture.close()
    Console().print(bench_table(found))


def _print_targets(wanted: bool) -> None:
    """Comes before the arguments are looked at: the list needs no bundle."""
    if wanted:
        from ..bundle.check import target_lines

        for line in target_lines():
            print(line)
        raise typer.Exit


@app.command()
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


@app.command()
def doctor(bundle: BundleOption = None) -> None:
    """Say what is installed, which engines load, and why others don't."""
    from .doctor import examine

    fatal = False
    for finding in examine(bundle):
        print(finding, flush=True)
        fatal |= finding.fatal
    if fatal:
        raise typer.Exit(1)


def _conclude(summary: "RunSummary", note: str | None = None) -> None:
    """Reports a run, and fails if its source was damaged or Ctrl-C ended it."""
    for label, text in summary.lines():
        print(f"{label:<11} {text}")
    if note:
        print(note)
    if summary.damage:
        raise summary.damage
    if summary.interrupted:
        raise typer.Exit(130)
