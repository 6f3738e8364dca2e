"""Training of both stages, one after the other, up to their weights."""

import os
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from torch import nn

import edgefg
from edgefg.datasets.sequences import fingerprint

from ..networks.efficientnet import load_imagenet
from ..networks.fusion import Fusion, fusion_for, fusion_named
from ..networks.make import make_stage1, make_stage2
from ..networks.pyramid import PyramidDistance
from ..networks.sizes import size_named
from ..networks.weights import WEIGHTS, load_weights, save_weights, start_from
from .checkpoint import Checkpoint, Stage, State
from .data import TrainingData, load_training_data
from .device import choose_device
from .losses import LOSSES
from .options import TrainOptions, check_options
from .pairs import PairStream, recipe_for
from .presets import PRESETS, Preset
from .run import CHECKPOINT, alone_in, check_time_left, fixed_options, resumed_run, source_commit, with_budget
from .scenes import Material
from .stage import Budget, StageTraining
from .stage_losses import BatchLoss, joint_loss, stage1_loss, stage2_loss
from .validate import Validation, files_to_validate, validate


def train(options: TrainOptions, console: Console) -> Path:
    """Trains stage 1, then stage 2 on the frozen stage 1, or both together if stage 2 sees more than a map.

    Returns:
        The path of ``weights.safetensors``.

    Raises:
        OptionError: An option makes no sense, or differs from the resumed run's; or another training is at work in the
            folder.
        DataError: The data cannot be read, or hold nothing to train on.
        OutputError: The folder cannot be written.
        TrainingError: Training diverged.
    """
    check_options(options)
    fixed = fixed_options(options, _fusion(options).name)
    resumed = resumed_run(options, fixed)
    options = with_budget(options, resumed)
    if resumed is not None:
        share = recipe_for(options.protocol, resumed.stage).stage_share(resumed.stage)
        check_time_left(options, resumed, _budget(options, share))
    with alone_in(options.out):
        return _train(options, resumed, fixed | {"minutes": options.minutes, "steps": options.steps}, console)


def _train(options: TrainOptions, resumed: Checkpoint | None, run: dict[str, Any], console: Console) -> Path:
    device, commit = choose_device(options.device), source_commit()
    size, fusion, preset = size_named(options.size), _fusion(options), _preset(options)
    console.print(f"reading {options.data}")
    data = load_training_data(options.data, options.part, options.protocol, options.seed)

    torch.manual_seed(options.seed)
    stage1, stage2 = make_stage1(size), make_stage2(size, fusion)
    seen: frozenset[str] = frozenset()
    if options.init is not None:
        seen = start_from(options.init, stage1, stage2, size, console.print)
    elif isinstance(stage1, PyramidDistance):
        load_imagenet(stage1.backbone)
    seen |= {fingerprint(file) for scene in data.material.scenes for file in scene.files}
    _warn_of_known_frames(data, seen, options, console)
    for stage in (stage1, stage2):
        # Convolutions are fastest in this layout.
        stage.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    workers = min(16, os.cpu_count() or 1) if options.workers is None else options.workers

    def training(stage: Stage, model: nn.Module, loss: BatchLoss, frozen: State | None = None) -> StageTraining:
        stream = PairStream(data.material, recipe_for(options.protocol, stage), options.seed)
        budget = _budget(options, stream.recipe.stage_share(stage))
        return StageTraining(stage, model, loss, stream, preset, budget, workers, options.out, run, frozen)

    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        if size.context_channels:
            both = nn.ModuleList([stage1, stage2])
            together = training("both", both, joint_loss(stage1, stage2, preset))
            both.load_state_dict(together.train(resumed, progress, device))
        else:
            if resumed is None or resumed.stage == 1:
                first = training(1, stage1, stage1_loss(stage1, preset))
                stage1.load_state_dict(first.train(resumed, progress, device))
                resumed = None
            elif resumed.stage1 is not None:
                stage1.load_state_dict(resumed.stage1)
            stage1.eval().requires_grad_(False)
            loss = stage2_loss(stage1, stage2, preset, compiled=options.compile)
            second = training(2, stage2, loss, stage1.state_dict())
            stage2.load_state_dict(second.train(resumed, progress, device))
    stage1.cpu().eval(), stage2.cpu().eval()

    found = validate(stage1, stage2, data.validation, options.protocol, options.seed) if data.validation else None
    weights = options.out / WEIGHTS
    card = _card(options, fusion, device, commit, data.material, found, seen)
    save_weights(weights, stage1.state_dict(), stage2.state_dict(), card)
    (options.out / CHECKPOINT).unlink(missing_ok=True)
    if found is None:
        console.print("no part to validate on: the threshold is 0.5, and the only mode is full")
    else:
        console.print(
            f"validated on {found.frames} frames: F {found.full.best[1]:.4f} of stage 2, {found.map.best[1]:.4f} of "
            f"the map, {found.fused:.4f} of their mean; mode {found.mode}"
        )
    console.print(f"wrote {weights}")
    return weights


def _warn_of_known_frames(data: TrainingData, seen: frozenset[str], options: TrainOptions, console: Console) -> None:
    """Warns of validation frames that the networks have seen: a threshold chosen on them is too good to be true."""
    files = [file for one in data.validation for file in files_to_validate(one, options.protocol, options.seed)]
    known = sum(fingerprint(file) in seen for file in files)
    if known:
        console.print(
            f"warning: {known} of the {len(files)} frames that validate are trained on, by this run or before it: "
            "thresholds and mode will be chosen too well; name other sequences as the part validate"
        )


def _budget(options: TrainOptions, share: float) -> Budget:
    if options.steps is None:
        assert options.minutes is not None
        return Budget(options.minutes * 60 * share, "s")
    return Budget(max(1, round(options.steps * share)), "steps")


def _preset(options: TrainOptions) -> Preset:
    preset = PRESETS[options.preset]
    loss = next((loss for loss in LOSSES if loss == options.loss), preset.loss)
    rate = preset.learning_rate if options.learning_rate is None else options.learning_rate
    return replace(preset, loss=loss, learning_rate=rate)


def _fusion(options: TrainOptions) -> Fusion:
    if options.fusion is not None:
        return fusion_named(options.fusion)
    if options.init is not None and options.init.suffix != ".npz":
        return load_weights(options.init).stage2.fusion
    return fusion_for(options.protocol, size_named(options.size))


def _card(
    options: TrainOptions,
    fusion: Fusion,
    device: torch.device,
    commit: str | None,
    material: Material,
    found: Validation | None,
    seen: frozenset[str],
) -> dict[str, Any]:
    return {
        "size": options.size,
        "protocol": options.protocol,
        "fusion": fusion.name,
        "preset": options.preset,
        "loss": _preset(options).loss,
        "learning_rate": _preset(options).learning_rate,
        "seed": options.seed,
        "minutes": options.minutes if options.steps is None else None,
        "steps": options.steps,
        "device": device.type,
        "init": options.init.name if options.init else None,
        "commit": commit,
        "date": datetime.now(timezone.utc).date().isoformat(),
        "versions": {"edgefg": edgefg.__version__, "torch": torch.__version__},
        "data": {
            "part": options.part,
            "sequences": {scene.name: len(scene.files) for scene in material.scenes},
            "backgrounds": {scene.name: scene.named_file.name for scene in material.scenes if scene.named_file},
            "composites": {
                "backdrops": len(material.backdrops),
                "cutouts": len(material.cutouts),
                "places": len(material.places),
            },
        },
        "validation": found.to_json() if found else None,
        "seen_frames": sorted(seen),
    }
