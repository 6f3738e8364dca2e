"""The folder of a training run: its lock, its earlier state, and the commit of the source."""

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
from .checkpoint import Checkpoint, load_checkpoint, title_of
from .options import TrainOptions
from .stage import Budget

CHECKPOINT = "checkpoint.pt"
DEFAULT_MINUTES = 60.0

_FREE_TO_CHANGE = ("out", "resume", "device", "minutes", "steps", "workers", "compile")
"""Options that may differ when a run is resumed."""


def fixed_options(options: TrainOptions, fusion: str) -> dict[str, Any]:
    """Returns the options that a run keeps until its end, as its checkpoint holds them."""
    fixed = {key: str(value) for key, value in vars(options).items() if key not in _FREE_TO_CHANGE}
    return fixed | {"fusion": fusion}


def resumed_run(options: TrainOptions, fixed: dict[str, Any]) -> Checkpoint | None:
    """Returns the checkpoint of the run to resume; None for a new run.

    Raises:
        OptionError: There is no run to resume, it was started with other options, or a new run would overwrite one.
        DataError: The checkpoint cannot be read.
    """
    path = options.out / CHECKPOINT
    if not options.resume:
        if path.exists():
            raise OptionError(f"{path} holds an unfinished run; pass resume=True to go on with it, or another out=")
        if (finished := options.out / WEIGHTS).exists():
            raise OptionError(f"{finished} already exists, from a finished run; pass another out=")
        return None
    if not path.is_file():
        raise OptionError(f"resume=True: expected {path}, found none; start without it")
    checkpoint = load_checkpoint(path)
    # Options newer than the checkpoint count as unchanged; an old checkpoint has the paper's fusion.
    before = {**fixed, "fusion": ADD.name, **checkpoint.run}
    differing = [f"{key}={before[key]}" for key in fixed if before[key] != fixed[key]]
    if differing:
        raise OptionError(f"resume=True: {path} was started with {', '.join(differing)}; pass the same options")
    return checkpoint


def with_budget(options: TrainOptions, resumed: Checkpoint | None) -> TrainOptions:
    """Returns the options with a budget: time or steps as passed, else those of the resumed run, else an hour."""
    if options.minutes is not None or options.steps is not None:
        return options
    before = {} if resumed is None else resumed.run
    steps = before.get("steps")
    return replace(options, steps=steps, minutes=None if steps else before.get("minutes", DEFAULT_MINUTES))


def check_time_left(options: TrainOptions, resumed: Checkpoint, budget: Budget) -> None:
    """Refuses a budget that a stage has already used up: it would end at once, and the next one after hardly a step.

    Raises:
        OptionError: The budget is used up.
    """
    before = resumed.run.get("minutes"), resumed.run.get("steps")
    if (options.minutes, options.steps) != before and budget.spent(resumed.step, resumed.elapsed_s) > 1:
        raise OptionError(
            f"resume=True: {title_of(resumed.stage)} has had {resumed.step} steps in {resumed.elapsed_s:.0f} s, its "
            f"share of both stages is {budget.amount:.0f} {budget.unit}; pass more minutes= or steps=, or neither"
        )


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Creates the folder and locks it against other trainings; removes a new folder again if it stays empty.

    Raises:
        OptionError: Another training is at work there.
        OutputError: The folder cannot be created.
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
                with suppress(OSError):  # It is not empty.
                    folder.rmdir()
    finally:
        os.close(descriptor)


def source_commit() -> str | None:
    """Returns the commit of edgefg's source tree; None for an installed edgefg."""
    try:
        if _git("rev-parse", "--show-prefix") != "build/training/":
            return None  # Installed inside your own repository.
        return _git("describe", "--always", "--dirty", "--abbrev=12")
    except (OSError, subprocess.CalledProcessError):
        return None


def _git(*words: str) -> str:
    command = ["git", "-C", str(Path(__file__).parent), *words]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
