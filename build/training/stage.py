"""Training of one stage within a budget of time or steps: schedule, average, checkpoints, progress."""

import copy
import json
import math
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import resource_tracker
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from rich.progress import Progress
from torch import Tensor, nn
from torch.utils.data import DataLoader

from edgefg.errors import TrainingError

from ..networks.efficientnet import EfficientNetLite0
from .checkpoint import Checkpoint, Stage, save_checkpoint, title_of
from .device import mixed_precision
from .pairs import Pair, PairStream
from .presets import Preset
from .stage_losses import BatchLoss

SAVE_EVERY_S = 60.0
LOG_EVERY_S = 10.0
WARM_UP = 0.03
"""Share of the budget over which the learning rate rises."""

AVERAGE_DECAY = 0.998

PRETRAINED_SHARE = 0.1
"""Share of the learning rate for a pretrained backbone, which knows more than the pairs can teach."""


@dataclass(frozen=True)
class Budget:
    """Length of a training: seconds, with earlier runs of the stage, or steps, which end alike on every machine."""

    amount: float
    unit: Literal["s", "steps"]

    def spent(self, step: int, elapsed_s: float) -> float:
        """Returns the share that is used up, above 1 when it is exceeded."""
        return (elapsed_s if self.unit == "s" else step) / self.amount


@dataclass
class StageTraining:
    """One stage's run, or that of both together.

    Attributes:
        stage: 1, 2 or ``"both"``.
        model: The network to train, on its device, in training mode.
        loss: Loss of a batch.
        stream: Source of pairs.
        preset: Settings of the optimiser.
        budget: Length of the training.
        workers: Processes that draw pairs; 0 draws them in this one.
        folder: Folder for the checkpoint and the log.
        run: Options of the run, for the checkpoint.
        stage1: State of the finished stage 1, for the checkpoint of stage 2.
    """

    stage: Stage
    model: nn.Module
    loss: BatchLoss
    stream: PairStream
    preset: Preset
    budget: Budget
    workers: int
    folder: Path
    run: dict[str, Any]
    stage1: dict[str, Any] | None = None

    def train(self, resumed: Checkpoint | None, progress: Progress, device: torch.device) -> dict[str, Any]:
        """Trains until the budget is spent; returns the averaged state.

        Raises:
            TrainingError: The loss or a weight is no longer finite; the checkpoint before that stays.
            KeyboardInterrupt: Ctrl-C was pressed; the checkpoint has been saved.
        """
        model = self.model
        average = copy.deepcopy(model).requires_grad_(False)
        optimizer = self._optimizer()
        shares = [group["share"] for group in optimizer.param_groups]
        step, before_s = 0, 0.0
        if resumed is not None:
            model.load_state_dict(resumed.model)
            average.load_state_dict(resumed.average)
            optimizer.load_state_dict(resumed.optimizer)
            step, before_s = resumed.step, resumed.elapsed_s
        task = progress.add_task(title_of(self.stage), total=1.0)
        progress.update(task, completed=self.budget.spent(step, before_s))
        started = saved = time.monotonic()
        logged = -math.inf  # The first step is logged at once: it shows that training has begun.
        recent: list[Tensor] = []

        def elapsed_s() -> float:
            return before_s + time.monotonic() - started

        def save() -> None:
            self._check_finite(step, recent, average)
            states = model.state_dict(), average.state_dict(), optimizer.state_dict()
            checkpoint = Checkpoint(self.run, self.stage, step, elapsed_s(), *states, self.stage1)
            save_checkpoint(self.folder / "checkpoint.pt", checkpoint)

        with _signals_held():
            batches = iter(self._loader(step))
        try:
            while (spent := self.budget.spent(step, elapsed_s())) < 1:
                rate = self._learning_rate(spent)
                for group, share in zip(optimizer.param_groups, shares, strict=True):
                    group["lr"] = rate * share
                background, frame, background_mask, frame_mask = (
                    torch.from_numpy(array).to(device) for array in next(batches)
                )
                with mixed_precision(device):
                    loss = self.loss((background, frame, background_mask, frame_mask))
                optimizer.zero_grad(set_to_none=True)
                loss.backward()  # type: ignore[no-untyped-call]
                nn.utils.clip_grad_norm_(model.parameters(), 1.0)
                optimizer.step()
                step += 1
                _blend(average, model, step)
                recent.append(loss.detach())
                now = time.monotonic()
                if now - logged > LOG_EVERY_S:
                    self._check_finite(step, recent, average)
                    self._log(step, elapsed_s(), float(torch.stack(recent).mean()), rate, progress)
                    progress.update(task, completed=min(self.budget.spent(step, elapsed_s()), 1.0))
                    recent.clear()
                    logged = now
                if now - saved > SAVE_EVERY_S:
                    save()
                    saved = now
        except KeyboardInterrupt:
            save()
            progress.console.print(f"{title_of(self.stage)} stopped at step {step}; resume the run to go on from there")
            raise
        except RuntimeError as error:
            # torch reports it in the midst of anything, so what is in memory may be half a step.
            if "DataLoader worker" not in str(error):
                raise
            raise TrainingError(
                f"a process that draws pairs ended: {error}; it may have needed more memory than there is: use fewer "
                "workers=, and go on from the last checkpoint, if there is one, with resume=True"
            ) from error
        save()
        progress.update(task, completed=1.0)
        return average.state_dict()

    def _optimizer(self) -> torch.optim.Optimizer:
        groups, preset = _parameter_groups(self.model), self.preset
        if preset.optimizer == "adamw":
            return torch.optim.AdamW(groups, preset.learning_rate, weight_decay=preset.weight_decay)
        return torch.optim.SGD(groups, preset.learning_rate, momentum=0.9, weight_decay=preset.weight_decay)

    def _learning_rate(self, spent: float) -> float:
        peak = self.preset.learning_rate
        if self.preset.optimizer == "sgd":
            return peak
        if spent < WARM_UP:
            return peak * (0.1 + 0.9 * spent / WARM_UP)
        return peak * float(0.5 * (1 + torch.cos(torch.tensor(torch.pi * min(spent, 1.0))))) + 1e-6

    def _loader(self, step: int) -> DataLoader[Pair]:
        # A resumed run draws other pairs than before.
        number = 2 if self.stage == 2 else 1
        seed = self.stream.seed * 1_000_003 + 2 * step + number
        stream = PairStream(self.stream.material, self.stream.recipe, seed)
        batch = self.preset.joint_batch if self.stage == "both" else self.preset.batch
        batch = max(1, round(batch * stream.recipe.fresh))
        if self.workers == 0:
            return DataLoader(stream, batch, collate_fn=_stack)
        return DataLoader(
            stream,
            batch,
            num_workers=self.workers,
            collate_fn=_stack,
            multiprocessing_context="spawn",  # A fork would inherit the locks of OpenCV's threads and hang.
            prefetch_factor=4,
        )

    def _check_finite(self, step: int, losses: list[Tensor], average: nn.Module) -> None:
        """Checks losses and weights before they are logged or saved: NaN must not overwrite a good checkpoint."""
        # The last step may have a finite loss and still produce weights that are not finite.
        weights = [value for value in average.state_dict().values() if value.is_floating_point()]
        if not all(bool(values.isfinite().all()) for values in (*losses, *weights)):
            raise TrainingError(
                f"the loss of {title_of(self.stage)} is NaN or infinite at step {step}; start again with a lower "
                "learning_rate= or another seed=, or go on from the last checkpoint, if there is one, with resume=True"
            )

    def _log(self, step: int, elapsed_s: float, loss: float, rate: float, progress: Progress) -> None:
        line = {"stage": self.stage, "step": step, "elapsed_s": round(elapsed_s, 1), "loss": round(loss, 6), "lr": rate}
        with (self.folder / "train.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        if not progress.console.is_terminal:
            share = self.budget.spent(step, elapsed_s)
            progress.console.print(
                f"{title_of(self.stage)}: {min(share, 1):.0%}, {elapsed_s:.0f} s, step {step}, loss {loss:.4f}"
            )


def _stack(pairs: list[Pair]) -> Pair:
    """Returns a batch as arrays: tensors would cross processes through shared memory, which is scarce in containers."""
    background, frame, background_mask, frame_mask = (np.stack(arrays) for arrays in zip(*pairs, strict=True))
    return background, frame, background_mask, frame_mask


@contextmanager
def _signals_held() -> Iterator[None]:
    """Holds Ctrl-C and SIGTERM back; processes that start meanwhile never receive them.

    Both may go to the whole process group, but only the trainer answers, and then ends its processes.
    """
    # Python's resource tracker, which starts with the first process, would let the signals through again.
    resource_tracker.ensure_running()
    held, came = (signal.SIGINT, signal.SIGTERM), []
    before = signal.pthread_sigmask(signal.SIG_BLOCK, held)
    handlers = {}
    # A thread of torch receives the signals that this one blocks, and Python would still handle them here.
    if threading.current_thread() is threading.main_thread():
        handlers = {number: signal.signal(number, lambda number, _: came.append(number)) for number in held}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        if came:
            signal.raise_signal(came[0])


def _parameter_groups(model: nn.Module) -> list[dict[str, Any]]:
    """Returns the parameters to train, with the share of the learning rate that each group gets."""
    pretrained = [p for m in model.modules() if isinstance(m, EfficientNetLite0) for p in m.parameters()]
    known = {id(parameter) for parameter in pretrained}
    fresh = [parameter for parameter in model.parameters() if id(parameter) not in known]
    groups = [(fresh, 1.0), ([parameter for parameter in pretrained if parameter.requires_grad], PRETRAINED_SHARE)]
    return [{"params": parameters, "share": share} for parameters, share in groups if parameters]


@torch.no_grad()
def _blend(average: nn.Module, model: nn.Module, step: int) -> None:
    """Moves the average a little towards the model: two parts in a thousand, more in the first steps."""
    weight = 1 - min(AVERAGE_DECAY, step / (step + 10))
    new = model.state_dict()
    for name, value in average.state_dict().items():
        if value.is_floating_point():
            value.lerp_(new[name], weight)
        else:
            value.copy_(new[name])
