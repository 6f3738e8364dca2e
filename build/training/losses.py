"""The losses of the two stages: equations 2 and 3 of the paper, with the square that its text gives to D."""

from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

from ..networks.sizes import MARGIN
from .labels import CHANGED, FOREGROUND, IGNORED, OVERLAP, UNCHANGED

LossName = Literal["paper", "thresholded"]
LOSSES: tuple[LossName, ...] = get_args(LossName)

SLACK = 0.1 * MARGIN
"""`thresholded`: unchanged pixels closer than this cost nothing; no camera gives the same pixel twice."""

MASK_SMOOTHING, MAP_SMOOTHING = 100.0, 6.0
"""Of the Dice loss: about the same area, in pixels of the mask and in places of the map."""

MAP_MIDDLE, MAP_SOFTNESS = 0.4 * MARGIN, MARGIN / 15
"""The Dice loss of a map takes a distance at the middle for a half, and the softness away from it for 0.27 or 0.73."""


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


def map_dice_loss(distance: Tensor, labels: Tensor, valid: Tensor) -> Tensor:
    """The Dice loss of a distance map as a soft mask of what has changed; arguments as of `contrastive_loss`.

    Where both frames show something that moves, the map may say either.
    """
    changed = torch.sigmoid((distance - MAP_MIDDLE) / MAP_SOFTNESS)
    return dice_loss(changed, (labels == CHANGED).float(), valid & (labels != OVERLAP), MAP_SMOOTHING)


def mask_loss(logits: Tensor, mask: Tensor, dice: float = 0.0) -> Tensor:
    """Binary cross-entropy of foreground, and `dice` times the soft Dice loss, over the pixels that are not ignored.

    Args:
        logits: (N, H, W).
        mask: (N, H, W) uint8 codes.
        dice: Weight of the Dice loss; 0 leaves it out.

    Returns:
        A scalar; 0 where nothing is valid.
    """
    valid, truth = mask != IGNORED, (mask == FOREGROUND).float()
    logits = logits.float()
    entropy = F.binary_cross_entropy_with_logits(logits, truth, reduction="none")
    loss = torch.where(valid, entropy, 0.0).sum() / valid.sum().clamp(min=1)
    if dice:
        loss = loss + dice * dice_loss(logits.sigmoid(), truth, valid, MASK_SMOOTHING)
    return loss


def dice_loss(probability: Tensor, truth: Tensor, valid: Tensor, smoothing: float) -> Tensor:
    """The soft Dice loss (Milletari et al., V-Net, 2016), the mean over images.

    Of an image with probabilities p and truth y it is 1 - (2 sum py + s) / (sum p + sum y + s): one minus a soft
    F-measure, so that an image's only small object weighs as much as another's large one.

    Args:
        probability: (N, H, W) float32, of foreground.
        truth: (N, H, W) float32, 0 or 1.
        valid: (N, H, W) bool.
        smoothing: The s, in pixels: objects much smaller than it, and false foreground of that size, weigh little.
    """
    probability, truth = probability * valid, truth * valid
    both = (probability * truth).sum(dim=(1, 2))
    either = probability.sum(dim=(1, 2)) + truth.sum(dim=(1, 2))
    return (1 - (2 * both + smoothing) / (either + smoothing)).mean()
