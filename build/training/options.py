"""Options of a training run, and their checks."""

import os
from dataclasses import dataclass
from pathlib import Path

from edgefg.errors import OptionError
from edgefg.utils.validation import check_choice, check_count, check_number

from ..networks.sizes import size_named
from .device import check_compiler
from .losses import LOSSES
from .presets import PRESETS


@dataclass(frozen=True)
class TrainOptions:
    """Options of a training run, named as those of `edgefg train`.

    Attributes:
        data: Data set: a root, a sequence, or a JSON file of parts.
        out: Folder for weights, checkpoint and log.
        part: Part of the JSON file to train on.
        size: ``lite`` (on a pretrained backbone), ``vgg-lite`` (a narrow ``paper``) or ``paper``.
        preset: ``tuned``, or ``paper`` (SGD as published).
        loss: Loss of stage 1, ``thresholded`` or ``paper``; None is the preset's.
        learning_rate: Peak of the learning rate; None is the preset's.
        protocol: ``unseen`` or ``scene``.
        fusion: ``add`` or ``concat``; None is that of `init`, or else the protocol's. If it differs from that of
            `init`, stage 2 starts from random weights.
        minutes: Training time of both stages together. Without this and `steps` it is an hour, or the time or steps of
            the resumed run.
        steps: Steps of both stages together, in place of `minutes`: the same run on a fast and a slow machine.
        init: Weights to start from.
        seed: Seed of the weights, the pairs and the ``scene`` split.
        device: ``auto``, ``cpu`` or ``cuda``.
        workers: Processes that draw pairs; None is one for each CPU core, and 0 draws them in the trainer's process.
        compile: Whether torch compiles stage 2's training: the first step takes a minute, the others two thirds of
            their time.
        resume: Whether to continue from the checkpoint in `out`.
    """

    data: Path
    out: Path
    part: str | None = None
    size: str = "lite"
    preset: str = "tuned"
    loss: str | None = None
    learning_rate: float | None = None
    protocol: str = "unseen"
    fusion: str | None = None
    minutes: float | None = None
    steps: int | None = None
    init: Path | None = None
    seed: int = 0
    device: str = "auto"
    workers: int | None = None
    compile: bool = False
    resume: bool = False


def check_options(options: TrainOptions) -> None:
    """Refuses options that make no sense, before any work is done.

    Raises:
        OptionError: An option is out of range, or does not fit another.
    """
    check_choice("preset", options.preset, PRESETS)
    if options.loss is not None:
        check_choice("loss", options.loss, LOSSES)
    check_choice("protocol", options.protocol, ("unseen", "scene"))
    for name in ("learning_rate", "minutes"):
        if getattr(options, name) is not None:
            check_number(name, getattr(options, name), above=0)
    if options.steps is not None:
        check_count("steps", options.steps, at_least=2)
    if options.minutes is not None and options.steps is not None:
        raise OptionError(f"minutes={options.minutes} and steps={options.steps} exclude each other; pass one of them")
    max_workers = 4 * (os.cpu_count() or 1)
    if options.workers is not None and not 0 <= options.workers <= max_workers:
        raise OptionError(f"workers must be 0 to {max_workers}, four a CPU core; got {options.workers}")
    if not 0 <= options.seed < 2**63:
        raise OptionError(f"seed must be 0 to 2**63 - 1; got {options.seed}")
    if options.compile:
        if size_named(options.size).context_channels:
            raise OptionError(
                f"compile=True compiles stage 2's own training, and the size {options.size} trains both stages "
                "together; leave it out"
            )
        check_compiler()
