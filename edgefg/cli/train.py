"""``edgefg train``."""

from pathlib import Path
from typing import Annotated

import typer

from .build_extra import needs_build_extra


def train(
    data: Annotated[
        Path, typer.Option(metavar="DATA", help="A folder with labelled sequences, or a JSON file of parts.")
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where weights, checkpoint and log go.")],
    part: Annotated[str | None, typer.Option(metavar="P", help="Which part of the JSON file.")] = None,
    size: Annotated[str, typer.Option(metavar="lite|vgg-lite|paper", help="How large the networks are.")] = "lite",
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

    with needs_build_extra():
        from ..build.training.memory import keep_freed_memory
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
    keep_freed_memory()
    train_networks(options, Console(stderr=True))
