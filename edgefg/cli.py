"""The command line: ``edgefg COMMAND``. Its bodies only call the module that does the work.

Exit codes: 0 done; 1 a check says no; 2 bad input, options or environment; 130 Ctrl-C. Whatever is wrong is said in one
line on stderr.
"""

import io
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from . import __version__
from .errors import EdgefgError, OptionError

if TYPE_CHECKING:
    from .runner import RunSummary

app = typer.Typer(
    name="edgefg",
    help="Foreground segmentation for camera feeds on edge devices.",
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

# typer has its own click from some release on, so click itself can't be relied on for the name of this class.
_UsageError: Any = typer.BadParameter.__bases__[0]


BundleOption = Annotated[
    Path | None,
    typer.Option("--bundle", metavar="DIR", help="Networks to use; those that come with edgefg if left out."),
]
EngineOption = Annotated[
    str, typer.Option("--engine", metavar="auto|openvino|onnxruntime", help="What runs the networks.")
]
ThreadsOption = Annotated[int | None, typer.Option("--threads", min=1, metavar="N", help="CPU threads for the engine.")]


def main(arguments: list[str] | None = None) -> None:
    """Runs a command and exits, with one line on stderr if it fails.

    Args:
        arguments: The command's words; None takes the process's own.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # No name of a file shall end a run in UnicodeEncodeError.
    try:
        code = app(arguments, prog_name="edgefg", standalone_mode=False) or 0
    except _UsageError as error:
        command = error.ctx.command_path if error.ctx else "edgefg"
        code = _fail(f"{error.format_message()} See {command} --help.")
    except EdgefgError as error:
        code = _fail(str(error))
    # Whatever the system refuses elsewhere: a name that is too long, a folder that may not be searched.
    except OSError as error:
        code = _fail(f"{error.filename}: {error.strerror}" if error.filename else str(error))
    except ImportError as error:
        code = _fail(f"{error}; edgefg doctor says what is missing")
    # Which of these it is, or that it is the code 130, depends on typer's release.
    except (KeyboardInterrupt, typer.Abort):
        code = 130
    if code == 130:
        _say("stopped before the end")
    raise SystemExit(code)


@app.callback(invoke_without_command=True)
def root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and stop.")] = False,
) -> None:
    if version:
        print(f"edgefg {__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        print(context.get_help())


@app.command()
def demo(bundle: BundleOption = None, engine: EngineOption = "auto", threads: ThreadsOption = None) -> None:
    """Segment a clip of people that comes with edgefg; writes edgefg-demo/overlay.mp4 and mask.mp4."""
    from .demo import run_demo, weights_note
    from .progress import progress_bar

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
            metavar="IMG|first|median",
            help="What to compare with: an image, the first frame, or the median of frames from all over the source.",
        ),
    ] = "median",
    threshold: Annotated[
        float | None,
        typer.Option(metavar="T", help="Probability from which a pixel is foreground, above 0 and at most 1."),
    ] = None,
    engine: EngineOption = "auto",
    threads: ThreadsOption = None,
    mask: Annotated[Path | None, typer.Option(metavar="OUT.mp4", help="Write the masks as a video.")] = None,
    overlay: Annotated[
        Path | None, typer.Option(metavar="OUT.mp4", help="Write the frames with a red foreground.")
    ] = None,
    json_lines: Annotated[
        Path | None, typer.Option("--json", metavar="OUT.jsonl", help="Write a line of JSON for each frame.")
    ] = None,
) -> None:
    """Segment a video or a folder of images."""
    from .outputs import Outputs
    from .progress import progress_bar
    from .runner import RunOptions
    from .runner import run as run_source

    options = RunOptions(
        source=source,
        bundle=bundle,
        background=background,
        threshold=threshold,
        engine=engine,
        threads=threads,
        outputs=Outputs(mask=mask, overlay=overlay, json=json_lines),
    )
    with progress_bar() as progress:
        summary = run_source(options, progress)
    _conclude(summary)


@app.command()
def evaluate(
    data: Annotated[
        Path, typer.Argument(metavar="DATA", help="A folder with labelled sequences, or a JSON file of parts.")
    ],
    part: Annotated[str | None, typer.Option(metavar="P", help="Which part of the JSON file.")] = None,
    bundle: BundleOption = None,
    method: Annotated[
        list[str] | None, typer.Option(metavar="edgefg|mog2|knn", help="What to score; may be given several times.")
    ] = None,
    protocol: Annotated[
        str, typer.Option(metavar="unseen|scene", help="Scenes never trained on, or 60% of each scene.")
    ] = "unseen",
    background: Annotated[
        str | None, typer.Option(metavar="median|first|protocol|IMG", help="What edgefg compares with.")
    ] = None,
    json_file: Annotated[Path | None, typer.Option("--json", metavar="F", help="Write the scores as JSON.")] = None,
    seed: Annotated[int, typer.Option(metavar="N", help="Divides the frames of the protocol scene.")] = 0,
    allow_seen: Annotated[
        bool, typer.Option("--allow-seen", help="Score frames the bundle was trained on, too.")
    ] = False,
) -> None:
    """Score edgefg and classical methods on labelled sequences."""
    from rich.console import Console

    from .cdnet import open_dataset
    from .evaluate import check_report
    from .evaluate import evaluate as evaluate_methods
    from .progress import progress_bar
    from .report_table import evaluation_table
    from .sinks import JsonWriter

    dataset = open_dataset(data, part)
    if json_file is not None:
        check_report(json_file, dataset, bundle, background)
    with ExitStack() as stack:
        progress = stack.enter_context(progress_bar())
        # Opened first: an hour's scores must not be lost to a wrong path.
        scores = None if json_file is None else JsonWriter(json_file, indent=2)
        if scores is not None:
            stack.callback(scores.discard)
        evaluation = evaluate_methods(
            dataset,
            methods=method or ["edgefg"],
            protocol=protocol,
            background=background,
            bundle=bundle,
            seed=seed,
            allow_seen=allow_seen,
            progress=progress,
        )
        if scores is not None:
            scores.write(evaluation.to_json())
            scores.close()
    Console().print(evaluation_table(evaluation))


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


# ---- Commands that make networks: they need the extra [build] ----


@app.command()
def train(
    data: Annotated[
        Path, typer.Option(metavar="DATA", help="A folder with labelled sequences, or a JSON file of parts.")
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where weights, checkpoint and log go.")],
    part: Annotated[str | None, typer.Option(metavar="P", help="Which part of the JSON file.")] = None,
    size: Annotated[str, typer.Option(metavar="lite|paper", help="How large the networks are.")] = "lite",
    preset: Annotated[
        str, typer.Option(metavar="tuned|paper", help="How to optimise: ours, or as published.")
    ] = "tuned",
    protocol: Annotated[
        str, typer.Option(metavar="unseen|scene", help="For scenes never seen, or for 30% of the frames of each scene.")
    ] = "unseen",
    minutes: Annotated[float, typer.Option(metavar="N", help="Training time of both stages together.")] = 60.0,
    init: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Weights to start from: our own, or VGG16's as .npz.")
    ] = None,
    seed: Annotated[int, typer.Option(metavar="N", help="Of weights, pairs and the split of the protocol scene.")] = 0,
    device: Annotated[str, typer.Option(metavar="auto|cpu|cuda", help="What to train on.")] = "auto",
    workers: Annotated[
        int | None, typer.Option(metavar="N", help="Processes that draw pairs; one a CPU core if left out.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the unfinished run in DIR.")] = False,
) -> None:
    """Train both networks on labelled sequences; writes DIR/weights.safetensors."""
    from rich.console import Console

    with _needs_build_extra():
        from .build.train import TrainOptions
        from .build.train import train as train_networks
    options = TrainOptions(
        data=data,
        out=out,
        part=part,
        size=size,
        preset=preset,
        protocol=protocol,
        minutes=minutes,
        init=init,
        seed=seed,
        device=device,
        workers=workers,
        resume=resume,
    )
    train_networks(options, Console(stderr=True))


@app.command()
def build(
    out: Annotated[Path, typer.Option(metavar="BUNDLE", help="The folder to write; an older bundle is replaced.")],
    weights: Annotated[Path | None, typer.Option(metavar="FILE", help="Weights that edgefg train wrote.")] = None,
    size: Annotated[
        str | None, typer.Option(metavar="lite", help="In place of --weights: those that come with edgefg.")
    ] = None,
    target: Annotated[str, typer.Option(metavar="cpu", help="What the bundle is for.")] = "cpu",
    precision: Annotated[str, typer.Option(metavar="fp32", help="Of the networks.")] = "fp32",
    input_size: Annotated[
        str, typer.Option(metavar="WxH", help="What frames are scaled to; multiples of 16.")
    ] = "320x240",
) -> None:
    """Export trained networks as a bundle, checked against torch."""
    width, by, height = input_size.partition("x")
    if not (by and width.isdecimal() and height.isdecimal()):
        raise OptionError(f"--input-size {input_size}: expected WIDTHxHEIGHT, such as 320x240")
    with _needs_build_extra():
        from .build.pack import build_bundle
    build_bundle(
        out, weights, size, target, precision, (int(width), int(height)), say=lambda text: print(text, flush=True)
    )


# ---- What the commands share ----


@contextmanager
def _needs_build_extra() -> Iterator[None]:
    """Turns a missing package into the command that installs it."""
    try:
        yield
    except ImportError as error:
        raise OptionError(f'{error}; this command needs more packages: pip install "edgefg[build]"') from error


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


def _fail(message: str) -> int:
    """Says what went wrong, and gives the exit code for it."""
    _say(f"error: {message}")
    return 2


def _say(message: str) -> None:
    """Prints one red line on stderr; foreign messages may have several."""
    typer.secho(" ".join(message.split("\n")), fg=typer.colors.RED, err=True)
