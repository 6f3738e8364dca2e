"""Presets: named settings of the optimiser and the losses."""

from dataclasses import dataclass
from typing import Literal

from .losses import LossName


@dataclass(frozen=True)
class Preset:
    """Settings of the optimiser and the losses.

    Attributes:
        optimizer: ``adamw`` with a cosine schedule, or ``sgd`` with momentum 0.9 at a constant rate.
        learning_rate: Peak of the learning rate.
        weight_decay: Weight decay, as the optimiser defines it.
        batch: Pairs in a step.
        joint_batch: Pairs in a step that trains both stages together.
        loss: Loss of stage 1.
        map_dice: Weight of the Dice loss next to stage 1's loss.
        mask_dice: Weight of the Dice loss next to stage 2's cross-entropy.
        map_weight: Weight of stage 1's loss next to stage 2's, where both are trained together.
    """

    optimizer: Literal["adamw", "sgd"]
    learning_rate: float
    weight_decay: float
    batch: int
    loss: LossName
    map_dice: float
    mask_dice: float
    map_weight: float = 5.0
    joint_batch: int = 8


PRESETS = {
    "tuned": Preset("adamw", 2e-3, 1e-2, 16, "thresholded", map_dice=0.05, mask_dice=0.5),
    "paper": Preset("sgd", 1e-5, 5e-4, 4, "paper", map_dice=0.0, mask_dice=0.0),
}
