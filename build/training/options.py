"""What a training is asked for, and which of it makes sense."""

import os
from dataclasses import dataclass
from pathlib import Path

from edgefg.errors import OptionError
from edgefg.utils.validation import check_choice, check_count, check_number

from .device import check_compiler
from .losses import LOSSES
from .presets import PRESETS


@dataclass(frozen=True)
class TrainOptions:
    """What `edgefg train` is asked for; the names are the command's.

    Attributes:
        data: Data set: a root, a sequence, or a JSON file of parts.
        out: Folder for weights, checkpoint and log.
        part: Part of the JSON file to train on.
        size: ``lite`` or ``paper``.
        preset: ``tuned``, or ``paper`` (SGD as published).
        loss: Of stage 1, ``thresholded`` or ``paper``; None is the preset's.
        learning_rate: Its peak; None is the preset's.
        protocol: ``unseen`` or ``scene``.
        fusion: ``add`` or ``concat``; None is that of `init`, or else the protocol's. With another than that of
            `init`, stage 2 starts anew.
        minutes: Training time of both stages together. Without this and `steps` it is an hour, or what the run that is
            resumed was started with.
        steps: Of both stages together, in place of `minutes`: the same run on a faster machine and on a slower.
        init: Weights to start from.
        seed: Of the weights, the pairs and the ``scene`` split.
        device: ``auto``, ``cpu`` or ``cuda``.
        workers: Processes that draw pairs, one a CPU core unless given; 0 draws them in the trainer's own.
        compile: Have torch compile what stage 2's training runs: its first step takes a minute, the others two thirds
            of their time.
        resume: Go on from the checkpoint in `out`.
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
    """Refuse what makes no sense, before any work is done.

    Raises:
        OptionError: It does not.
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
        check_compiler()
