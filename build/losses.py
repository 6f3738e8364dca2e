"""The losses of the two stages: equations 2 and 3 of the paper, with the square that its text gives to D."""

from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

from .labels import FOREGROUND, IGNORED, UNCHANGED
from .sizes import MARGIN

LossName = Literal["paper", "thresholded"]
LOSSES: tuple[LossName, ...] = get_args(LossName)

SLACK = 0.1 * MARGIN
"""`thresholded`: unchanged pixels closer than this cost nothing; no camera gives the same pixel twice."""

DICE_SMOOTHING_PX = 100.0


def contrastive_loss(distance: Tensor, labels: Tensor, valid: Tensor, kind: LossName = "thresholded") -> Tensor:
    """Contrastive loss of a distance map, in units of MARGIN squared.

    L = 1/(2N) sum[(Y/2) pull + (1 - Y/2) max(m - D, 0)^2], where pull is D^2 for ``paper`` and
    max(D - SLACK, 0)^2 for ``thresholded``. The paper's additive C(Y) does not depend on the weights: it moves
    the value that is printed, never a gradient, and is left out.

    Args:
        distance: (N, h, w) float32.
        labels: (N, h, w) int64, the paper's Y (0 changed, 1 overlap, 2 unchanged).
        valid: (N, h, w) bool.

    Returns:
        A scalar; 0 where nothing is valid.
    """
    similar = labels.float() / UNCHANGED
    slack = SLACK if kind == "thresholded" else 0.0
    pull = (distance - slack).clamp(min=0).square()
    push = (MARGIN - distance).clamp(min=0).square()
    loss = (similar * pull + (1 - similar) * push) * valid
    return loss.sum() / (2 * MARGIN**2 * valid.sum().clamp(min=1))


def mask_loss(logits: Tensor, mask: Tensor, dice: float = 0.0) -> Tensor:
    """Binary cross-entropy of foreground, and `dice` times the soft Dice loss, over the pixels that are not ignored.

    The soft Dice loss (Milletari et al., V-Net, 2016) of an image with probabilities p and truth y is
    1 - (2 sum py + s) / (sum p + sum y + s), where s keeps an empty image from counting as much as a full one. It is
    one minus a soft F-measure, so an object of a few pixels weighs as much as a large one, and 0.5 comes nearer to the
    best threshold than cross-entropy alone brings it.

    Args:
        logits: (N, H, W).
        mask: (N, H, W) uint8 codes.
        dice: Weight of the Dice loss; 0 leaves it out.

    Returns:
        A scalar; where nothing is valid, the cross-entropy is 0.
    """
    valid, truth = mask != IGNORED, (mask == FOREGROUND).float()
    logits = logits.float()
    entropy = F.binary_cross_entropy_with_logits(logits, truth, reduction="none")
    loss = torch.where(valid, entropy, 0.0).sum() / valid.sum().clamp(min=1)
    if dice:
        probability = logits.sigmoid() * valid
        both = (probability * truth).sum(dim=(1, 2))
        either = probability.sum(dim=(1, 2)) + truth.sum(dim=(1, 2))
        loss = loss + dice * (1 - (2 * both + DICE_SMOOTHING_PX) / (either + DICE_SMOOTHING_PX)).mean()
    return loss
