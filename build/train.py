"""Training both stages, one after the other, and writing their weights."""

import math
import os
import subprocess
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

import edgefg
from edgefg.cdnet import fingerprint
from edgefg.errors import OptionError, OutputError

from .checkpoint import Checkpoint, load_checkpoint
from .device import check_compiler, choose_device
from .fusion import ADD, Fusion, fusion_for, fusion_named
from .losses import LOSSES
from .networks import MaskDecoder, SiameseDistance
from .pairs import PairStream, recipe_for
from .presets import PRESETS, Preset
from .scenes import Material
from .sizes import size_named
from .stage_losses import stage1_loss, stage2_loss
from .stage_training import Budget, StageTraining
from .training_data import load_training_data
from .validate import Validation, validate
from .weights import load_weights, save_weights, start_from

WEIGHTS = "weights.safetensors"
DEFAULT_MINUTES = 60.0
_FREE_TO_CHANGE = ("out", "resume", "device", "minutes", "steps", "workers", "compile")
"""Options that a resumed run may give anew."""


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
        minutes: Training time of both stages together.
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
    minutes: float = DEFAULT_MINUTES
    steps: int | None = None
    init: Path | None = None
    seed: int = 0
    device: str = "auto"
    workers: int | None = None
    compile: bool = False
    resume: bool = False


def train(options: TrainOptions, console: Console) -> Path:
    """Train stage 1, then stage 2 on the frozen stage 1; returns the path of ``weights.safetensors``.

    Raises:
        OptionError: An option makes no sense, or does not agree with the run that is resumed.
        DataError: The data cannot be read, or hold nothing to train on.
        OutputError: The folder cannot be written.
        TrainingError: Training diverged.
    """
    _check(options)
    device, commit = choose_device(options.device), _commit()
    size, fusion, preset = size_named(options.size), _fusion(options), _preset(options)
    run = {key: str(value) for key, value in asdict(options).items() if key not in _FREE_TO_CHANGE}
    run["fusion"] = fusion.name
    resumed = _resumed(options, run)
    try:
        options.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot write to {options.out}: {error}") from error

    console.print(f"reading {options.data}")
    data = load_training_data(options.data, options.part, options.protocol, options.seed)
    streams = [PairStream(data.material, recipe_for(options.protocol, stage), options.seed) for stage in (1, 2)]

    torch.manual_seed(options.seed)
    stage1, stage2 = SiameseDistance(size), MaskDecoder(size, fusion)
    seen: frozenset[str] = frozenset()
    if options.init is not None:
        seen = start_from(options.init, stage1, stage2, size, console.print)
    for stage in (stage1, stage2):
        # The layout that convolutions are fastest in.
        stage.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    share = streams[0].recipe.stage1_share
    workers = min(16, os.cpu_count() or 1) if options.workers is None else options.workers
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        if resumed is None or resumed.stage == 1:
            loss = stage1_loss(stage1, preset)
            budget = _budget(options, share)
            first = StageTraining(1, stage1, loss, streams[0], preset, budget, workers, options.out, run)
            stage1.load_state_dict(first.train(resumed, progress, device))
            resumed = None
        elif resumed.stage1 is not None:
            stage1.load_state_dict(resumed.stage1)
        stage1.eval().requires_grad_(False)
        loss, budget = stage2_loss(stage1, stage2, preset, compiled=options.compile), _budget(options, 1 - share)
        frozen = stage1.state_dict()
        second = StageTraining(2, stage2, loss, streams[1], preset, budget, workers, options.out, run, frozen)
        stage2.load_state_dict(second.train(resumed, progress, device))
    stage1.cpu(), stage2.cpu().eval()

    found = validate(stage1, stage2, data.judges, options.protocol, options.seed) if data.judges else None
    weights = options.out / WEIGHTS
    card = _card(options, fusion, device, commit, data.material, found, seen)
    save_weights(weights, stage1.state_dict(), stage2.state_dict(), card)
    (options.out / "checkpoint.pt").unlink(missing_ok=True)
    if found is not None:
        console.print(f"validation: {found.to_json()}")
    console.print(f"wrote {weights}")
    return weights


def _check(options: TrainOptions) -> None:
    if options.preset not in PRESETS:
        raise OptionError(f"expected --preset {' or '.join(PRESETS)}, got {options.preset!r}")
    if options.loss not in (None, *LOSSES):
        raise OptionError(f"expected --loss {' or '.join(LOSSES)}, got {options.loss!r}")
    if options.learning_rate is not None and not 0 < options.learning_rate < math.inf:
        raise OptionError(f"expected --learning-rate above 0, got {options.learning_rate}")
    if options.protocol not in ("unseen", "scene"):
        raise OptionError(f"expected --protocol unseen or scene, got {options.protocol!r}")
    if not 0 < options.minutes < math.inf:
        raise OptionError(f"expected --minutes above 0, got {options.minutes}")
    if options.steps is not None and options.steps < 2:
        raise OptionError(f"expected --steps of 2 or more, got {options.steps}")
    if options.workers is not None and options.workers < 0:
        raise OptionError(f"expected --workers of 0 or more, got {options.workers}")
    if options.seed < 0:
        raise OptionError(f"expected --seed of 0 or more, got {options.seed}")
    if options.compile:
        check_compiler()


def _budget(options: TrainOptions, share: float) -> Budget:
    if options.steps is None:
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
    return fusion_for(options.protocol)


def _resumed(options: TrainOptions, run: dict[str, Any]) -> Checkpoint | None:
    path = options.out / "checkpoint.pt"
    if not options.resume:
        if path.exists():
            raise OptionError(f"{path} holds an unfinished run; pass --resume to go on with it, or another --out")
        if (finished := options.out / WEIGHTS).exists():
            raise OptionError(f"{finished} is there already, from a run that took its time; pass another --out")
        return None
    if not path.is_file():
        raise OptionError(f"--resume: expected {path}, found none; start without --resume")
    checkpoint = load_checkpoint(path)
    # An option that is newer than the checkpoint was not there to be given; and no fusion was but the paper's.
    before = {**run, "fusion": ADD.name, **checkpoint.run}
    differing = [f"--{key} {before[key]}" for key in run if before[key] != run[key]]
    if differing:
        raise OptionError(f"--resume: {path} was started with {', '.join(differing)}; pass the same options")
    return checkpoint


def _card(
    options: TrainOptions,
    fusion: Fusion,
    device: torch.device,
    commit: str | None,
    material: Material,
    found: Validation | None,
    seen_before: frozenset[str],
) -> dict[str, Any]:
    seen = {fingerprint(file) for scene in material.scenes for file in scene.files}
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
        "seen_frames": sorted(seen | seen_before),
    }


def _commit() -> str | None:
    """The commit of the source tree that trains, if it is one."""
    try:
        command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--abbrev=12"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
