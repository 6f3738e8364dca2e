"""How to optimise: the settings by name."""

from dataclasses import dataclass
from typing import Literal

from .losses import LossName


@dataclass(frozen=True)
class Preset:
    """How to optimise.

    Attributes:
        optimizer: ``adamw`` with a cosine schedule, or ``sgd`` with momentum 0.9 at a constant rate.
        learning_rate: Its peak.
        weight_decay: As the optimiser means it.
        batch: Pairs a step.
        loss: Of stage 1.
        map_dice: Weight of the Dice loss beside stage 1's.
        mask_dice: Weight of the Dice loss beside stage 2's cross-entropy.
    """

    optimizer: Literal["adamw", "sgd"]
    learning_rate: float
    weight_decay: float
    batch: int
    loss: LossName
    map_dice: float
    mask_dice: float


PRESETS = {
    "tuned": Preset("adamw", 2e-3, 1e-2, 16, "thresholded", map_dice=0.05, mask_dice=0.5),
    "paper": Preset("sgd", 1e-5, 5e-4, 4, "paper", map_dice=0.0, mask_dice=0.0),
}
