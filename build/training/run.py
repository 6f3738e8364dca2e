"""The folder of a training run: who trains there, where an earlier run stood, and by which commit."""

import fcntl
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from edgefg.errors import OptionError, OutputError

from ..networks.fusion import ADD
from ..networks.weights import WEIGHTS
from .checkpoint import Checkpoint, load_checkpoint
from .options import TrainOptions
from .stage import Budget

CHECKPOINT = "checkpoint.pt"
DEFAULT_MINUTES = 60.0

_FREE_TO_CHANGE = ("out", "resume", "device", "minutes", "steps", "workers", "compile")
"""Options that a resumed run may give anew."""


def fixed_options(options: TrainOptions, fusion: str) -> dict[str, Any]:
    """The options that a run keeps until its end, as its checkpoint holds them."""
    fixed = {key: str(value) for key, value in vars(options).items() if key not in _FREE_TO_CHANGE}
    return fixed | {"fusion": fusion}


def resumed_run(options: TrainOptions, fixed: dict[str, Any]) -> Checkpoint | None:
    """Where the run stood that is to be resumed; None for a new one.

    Raises:
        OptionError: There is none, or one that must not be overwritten, or that was started with other options.
        DataError: Its checkpoint cannot be read.
    """
    path = options.out / CHECKPOINT
    if not options.resume:
        if path.exists():
            raise OptionError(f"{path} holds an unfinished run; pass resume=True to go on with it, or another out=")
        if (finished := options.out / WEIGHTS).exists():
            raise OptionError(f"{finished} is there already, from a finished run; pass another out=")
        return None
    if not path.is_file():
        raise OptionError(f"resume=True: expected {path}, found none; start without it")
    checkpoint = load_checkpoint(path)
    # An option that is newer than the checkpoint was not there to be given; and no fusion was but the paper's.
    before = {**fixed, "fusion": ADD.name, **checkpoint.run}
    differing = [f"{key}={before[key]}" for key in fixed if before[key] != fixed[key]]
    if differing:
        raise OptionError(f"resume=True: {path} was started with {', '.join(differing)}; pass the same options")
    return checkpoint


def with_budget(options: TrainOptions, resumed: Checkpoint | None) -> TrainOptions:
    """Time or steps as given; else what the resumed run was started with; else an hour."""
    if options.minutes is not None or options.steps is not None:
        return options
    before = {} if resumed is None else resumed.run
    steps = before.get("steps")
    return replace(options, steps=steps, minutes=None if steps else before.get("minutes", DEFAULT_MINUTES))


def check_time_left(options: TrainOptions, resumed: Checkpoint, budget: Budget) -> None:
    """Refuse less time for a stage than it has had: it would end at once, and the next one with hardly a step.

    Raises:
        OptionError: So it is.
    """
    before = resumed.run.get("minutes"), resumed.run.get("steps")
    if (options.minutes, options.steps) != before and budget.spent(resumed.step, resumed.elapsed_s) > 1:
        raise OptionError(
            f"resume=True: stage {resumed.stage} has had {resumed.step} steps in {resumed.elapsed_s:.0f} s, its share "
            f"of both stages is {budget.amount:.0f} {budget.unit}; pass more minutes= or steps=, or neither"
        )


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Makes the folder, and keeps other trainings out of it; a new one goes again if nothing was written to it.

    Raises:
        OptionError: Another one is at work there.
        OutputError: It cannot be made.
    """
    is_new = not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise OutputError(
            f"out={str(folder)!r}: cannot write to this folder: {error.strerror}; pass another"
        ) from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise OptionError(f"out={str(folder)!r}: another training is at work there; pass another") from error
        except OSError:
            pass  # A file system without locks.
        try:
            yield
        finally:
            if is_new:
                with suppress(OSError):  # It holds something.
                    folder.rmdir()
    finally:
        os.close(descriptor)


def source_commit() -> str | None:
    """The commit of edgefg's source tree, if it is that which trains; an installed edgefg has none."""
    try:
        if _git("rev-parse", "--show-prefix") != "build/":
            return None  # Installed somewhere in a repository of its user's.
        return _git("describe", "--always", "--dirty", "--abbrev=12")
    except (OSError, subprocess.CalledProcessError):
        return None


def _git(*words: str) -> str:
    command = ["git", "-C", str(Path(__file__).parent), *words]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
