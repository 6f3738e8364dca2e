"""``edgefg build``."""

from pathlib import Path
from typing import Annotated

import typer

from ..errors import OptionError
from .build_extra import needs_build_extra
from .errors import speaker


def build(
    context: typer.Context,
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
    max_batch: Annotated[int, typer.Option(metavar="N", help="As edgefg compile takes it, for TensorRT.")] = 1,
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
        raise OptionError(f"input_size={input_size!r}: expected WIDTHxHEIGHT, such as 320x240")
    with needs_build_extra():
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
    say = speaker(context)
    with progress_bar(say) as progress:
        build_bundle(options, say, progress)
