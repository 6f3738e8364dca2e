"""``edgefg compile``."""

from pathlib import Path
from typing import Annotated

import typer

from ..errors import OptionError
from .errors import speaker


def compile_for_device(
    context: typer.Context,
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
    max_batch: Annotated[
        int,
        typer.Option(metavar="N", help="Frames of a pipeline that run in one launch: for many cameras; costs memory."),
    ] = 1,
    workspace_mib: Annotated[
        int, typer.Option("--workspace-mib", metavar="MIB", help="GPU memory that a layer may use for scratch data.")
    ] = 1024,
    optimization_level: Annotated[
        int | None, typer.Option(metavar="0..5", help="0 builds fast, 5 runs fast; TensorRT's own if left out.")
    ] = None,
    compute_capabilities: Annotated[
        list[str] | None,
        typer.Option(
            "--compute-capability", metavar="X.Y", help="GPUs to compile for (tensorrt-rtx); may be repeated."
        ),
    ] = None,
) -> None:
    """Compile a bundle's networks by TensorRT, on the device that will run them; needs no torch and no onnx."""
    from ..build.tensorrt.builder import CompileOptions
    from ..build.tensorrt.compile import CompileRequest, compile_bundle
    from ..build.tensorrt.timing_cache import timing_cache_path
    from ..bundle.bundle import open_bundle
    from ..utils.progress import progress_bar

    folder = out or bundle
    if folder is None:
        raise OptionError("out= is missing: the bundle that ships stays as it is; pass out=DIR or a bundle of your own")
    options = CompileOptions(
        max_batch=max_batch,
        workspace_bytes=workspace_mib << 20,
        optimization_level=optimization_level,
        timing_cache=timing_cache_path(folder),
        compute_capabilities=tuple(compute_capabilities or ()),
    )
    say = speaker(context)
    with progress_bar(say) as progress:
        request = CompileRequest(target, folder, precision, options)
        compiled = compile_bundle(open_bundle(bundle), request, say, progress)
    print(f"wrote {compiled.path}")
