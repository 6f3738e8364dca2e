"""Commands that make networks: train, build, compile. Their bodies only call the module that does the work."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from ..errors import OptionError
from .options import app


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
    loss: Annotated[
        str | None, typer.Option(metavar="thresholded|paper", help="Of stage 1; the preset's if left out.")
    ] = None,
    learning_rate: Annotated[
        float | None, typer.Option(metavar="R", help="Its peak; the preset's if left out.")
    ] = None,
    protocol: Annotated[
        str, typer.Option(metavar="unseen|scene", help="For scenes never seen, or for 30% of the frames of each scene.")
    ] = "unseen",
    fusion: Annotated[
        str | None,
        typer.Option(metavar="add|concat", help="How frame and map are fused; as in --init, or as suits the protocol."),
    ] = None,
    minutes: Annotated[
        float | None, typer.Option(metavar="N", help="Training time of both stages together: 60, or as --resume had.")
    ] = None,
    steps: Annotated[
        int | None, typer.Option(metavar="N", help="Of both stages together, in place of --minutes.")
    ] = None,
    init: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Weights to start from: our own, or VGG16's as .npz.")
    ] = None,
    seed: Annotated[int, typer.Option(metavar="N", help="Of weights, pairs and the split of the protocol scene.")] = 0,
    device: Annotated[str, typer.Option(metavar="auto|cpu|cuda", help="What to train on.")] = "auto",
    workers: Annotated[
        int | None, typer.Option(metavar="N", help="Processes that draw pairs; one a CPU core if left out.")
    ] = None,
    compile: Annotated[
        bool, typer.Option("--compile", help="Stage 2's steps in two thirds of the time; needs a C++ compiler.")
    ] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the unfinished run in DIR.")] = False,
) -> None:
    """Train both networks on labelled sequences; writes DIR/weights.safetensors."""
    from rich.console import Console

    with _needs_build_extra():
        from ..build.training.options import TrainOptions
        from ..build.training.train import train as train_networks
    options = TrainOptions(
        data=data,
        out=out,
        part=part,
        size=size,
        preset=preset,
        loss=loss,
        learning_rate=learning_rate,
        protocol=protocol,
        fusion=fusion,
        minutes=minutes,
        steps=steps,
        init=init,
        seed=seed,
        device=device,
        workers=workers,
        compile=compile,
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
    target: Annotated[
        str, typer.Option(metavar="cpu|onnx|tensorrt|tensorrt-rtx", help="What it is for; onnx is portable, for all.")
    ] = "cpu",
    precision: Annotated[
        str, typer.Option(metavar="auto|fp32|fp16|int8", help="auto tries all, and keeps what the gate accepts.")
    ] = "auto",
    input_size: Annotated[
        str, typer.Option(metavar="WxH", help="What frames are scaled to; multiples of 16.")
    ] = "320x240",
    max_batch: Annotated[int, typer.Option(metavar="N", help="Frames that a TensorRT engine takes at once.")] = 1,
    calibrate: Annotated[
        str | None, typer.Option(metavar="DATA|VIDEO", help="What INT8 is calibrated on: your camera's recording, say.")
    ] = None,
    part: Annotated[str | None, typer.Option(metavar="P", help="Which part of the JSON file to calibrate on.")] = None,
    samples: Annotated[int, typer.Option(metavar="N", help="Pairs to calibrate on, 32 or more.")] = 256,
    seed: Annotated[int, typer.Option(metavar="N", help="Chooses these pairs.")] = 0,
    verify: Annotated[
        str | None, typer.Option(metavar="DATA|VIDEO", help="What precisions are compared on; not calibrated on.")
    ] = None,
    verify_part: Annotated[
        str | None, typer.Option(metavar="P", help="Which part of the JSON file to compare on.")
    ] = None,
    max_f_drop: Annotated[float, typer.Option(metavar="D", help="F-measure that may be lost against fp32.")] = 0.01,
    report: Annotated[
        Path | None, typer.Option(metavar="DIR", help="For report.json and report.png; BUNDLE-report if left out.")
    ] = None,
) -> None:
    """Make a bundle of trained networks: export, quantize, compare with fp32, compile."""
    width, by, height = input_size.partition("x")
    if not (by and width.isdecimal() and height.isdecimal()):
        raise OptionError(f"--input-size {input_size}: expected WIDTHxHEIGHT, such as 320x240")
    with _needs_build_extra():
        from ..build.build_bundle import build_bundle
        from ..build.options import BuildOptions
    from ..utils.progress import progress_bar

    options = BuildOptions(
        out=out,
        weights=weights,
        size=size,
        target=target,
        precision=precision,
        input_size=(int(width), int(height)),
        max_batch=max_batch,
        calibrate=calibrate,
        part=part,
        samples=samples,
        seed=seed,
        verify=verify,
        verify_part=verify_part,
        max_f_drop=max_f_drop,
        report=report,
    )
    with progress_bar(_say) as progress:
        build_bundle(options, _say, progress)


@app.command("compile")
def compile_command(
    bundle: Annotated[
        Path | None,
        typer.Argument(
            metavar="BUNDLE", help="A bundle made by edgefg build --target onnx; left out, the one that ships."
        ),
    ] = None,
    target: Annotated[str, typer.Option(metavar="tensorrt|tensorrt-rtx", help="What compiles it.")] = "tensorrt",
    precision: Annotated[
        str, typer.Option(metavar="auto|fp32|fp16|int8", help="auto compiles all that the bundle holds.")
    ] = "auto",
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="The folder to write; BUNDLE itself if left out.")
    ] = None,
    max_batch: Annotated[int, typer.Option(metavar="N", help="Frames that the engine takes at once.")] = 1,
    workspace: Annotated[
        int, typer.Option("--workspace-mib", metavar="MIB", help="GPU memory that a layer may use for scratch data.")
    ] = 1024,
    optimization_level: Annotated[
        int | None, typer.Option(metavar="0..5", help="0 builds fast, 5 runs fast; TensorRT's own if left out.")
    ] = None,
    compute_capability: Annotated[
        list[str] | None, typer.Option(metavar="X.Y", help="GPUs to compile for (tensorrt-rtx); may be repeated.")
    ] = None,
) -> None:
    """Compile a bundle's networks by TensorRT, on the device that will run them; needs no torch and no onnx."""
    from ..build.tensorrt.builder import CompileOptions
    from ..build.tensorrt.compile import CompileRequest, compile_bundle
    from ..build.tensorrt.timing_cache import timing_cache_beside
    from ..bundle.bundle import open_bundle
    from ..utils.progress import progress_bar

    folder = out or bundle
    if folder is None:
        raise OptionError("expected --out DIR for the engines of the bundle that ships, or a BUNDLE of your own")
    options = CompileOptions(
        max_batch=max_batch,
        workspace_bytes=workspace << 20,
        optimization_level=optimization_level,
        timing_cache=timing_cache_beside(folder),
        compute_capabilities=tuple(compute_capability or ()),
    )
    with progress_bar(_say) as progress:
        request = CompileRequest(target, folder, precision, options)
        compiled = compile_bundle(open_bundle(bundle), request, _say, progress)
    print(f"wrote {compiled.path}")


def _say(text: str) -> None:
    print(text, flush=True)


@contextmanager
def _needs_build_extra() -> Iterator[None]:
    """Turns a missing package into the command that installs it."""
    try:
        yield
    except ImportError as error:
        raise OptionError(f'{error}; this command needs more packages: pip install "edgefg[build]"') from error
