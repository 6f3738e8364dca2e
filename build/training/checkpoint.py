"""Where training stood when it was last saved."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from edgefg.errors import DataError, OutputError
from edgefg.utils.atomic_file import atomic_file

State = dict[str, Any]


@dataclass(frozen=True)
class Checkpoint:
    """The state of a run.

    Attributes:
        run: The options that the run was started with; a resumed run must agree.
        stage: 1 or 2: what is being trained.
        step: Steps done in this stage.
        elapsed_s: Training time spent on this stage.
        model: The trained stage's state.
        average: Its exponential average's state.
        optimizer: The optimiser's state.
        stage1: The finished stage 1, while stage 2 is trained.
    """

    run: State
    stage: int
    step: int
    elapsed_s: float
    model: State
    average: State
    optimizer: State
    stage1: State | None


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint, whole or not at all.

    Raises:
        OutputError: The file cannot be written.
    """
    try:
        with atomic_file(path) as part:
            torch.save(vars(checkpoint), part)
    except OSError as error:
        raise OutputError(f"cannot write the checkpoint {path}: {error.strerror or error}") from error
    except RuntimeError as error:
        # torch tells of its own file's position only.
        raise OutputError(f"cannot write the checkpoint {path}: is the disk full, or the folder read-only?") from error


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint.

    Raises:
        DataError: It is damaged or not one of ours.
    """
    try:
        return Checkpoint(**torch.load(path, map_location="cpu", weights_only=True))
    except OSError as error:
        raise DataError(f"cannot resume from {path}: {error.strerror or error}") from error
    except Exception as error:  # torch takes a damaged file for one of many kinds.
        raise DataError(
            f"cannot resume from {path}: expected a checkpoint that `edgefg train` wrote, it is damaged or of another "
            "kind; delete it to start anew"
        ) from error
