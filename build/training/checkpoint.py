"""Checkpoints of a training run: the state that it resumes from."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch

from edgefg.errors import DataError, OutputError
from edgefg.utils.atomic_file import atomic_file

State = dict[str, Any]
Stage = Literal[1, 2, "both"]


def title_of(stage: Stage) -> str:
    """Returns what messages call a stage in training."""
    return "both stages" if stage == "both" else f"stage {stage}"


@dataclass(frozen=True)
class Checkpoint:
    """The state of a run.

    Attributes:
        run: The options that the run was started with; a resumed run must agree.
        stage: The stage in training, 1, 2 or ``"both"``.
        step: Steps done in this stage.
        elapsed_s: Training time spent on this stage, in seconds.
        model: State of the stage in training.
        average: State of its exponential average.
        optimizer: State of the optimiser.
        stage1: State of the finished stage 1, while stage 2 is trained; otherwise None.
    """

    run: State
    stage: Stage
    step: int
    elapsed_s: float
    model: State
    average: State
    optimizer: State
    stage1: State | None


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Writes a checkpoint, whole or not at all.

    Raises:
        OutputError: The file cannot be written.
    """
    try:
        with atomic_file(path) as part:
            torch.save(vars(checkpoint), part)
    except OSError as error:
        raise OutputError(f"cannot write the checkpoint {path}: {error.strerror or error}") from error
    except RuntimeError as error:
        # torch reports only the position in its own file.
        raise OutputError(f"cannot write the checkpoint {path}: is the disk full, or the folder read-only?") from error


def load_checkpoint(path: Path) -> Checkpoint:
    """Reads a checkpoint.

    Raises:
        DataError: It is damaged, or not a checkpoint of edgefg.
    """
    try:
        return Checkpoint(**torch.load(path, map_location="cpu", weights_only=True))
    except OSError as error:
        raise DataError(f"cannot resume from {path}: {error.strerror or error}") from error
    except Exception as error:  # torch raises many kinds of errors for a damaged file.
        raise DataError(
            f"cannot resume from {path}: expected a checkpoint that `edgefg train` wrote, found a damaged file or one "
            "of another kind; delete it to start again"
        ) from error
