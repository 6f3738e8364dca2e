"""The losses of the two stages: equations 2 and 3 of the paper, with D squared as in its text."""

from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

from ..networks.sizes import MARGIN
from .labels import CHANGED, FOREGROUND, IGNORED, OVERLAP, UNCHANGED

LossName = Literal["paper", "thresholded"]
LOSSES: tuple[LossName, ...] = get_args(LossName)

SLACK = 0.1 * MARGIN
"""Distance below which unchanged pixels cost nothing in `thresholded`: no camera repeats a pixel exactly."""

MASK_SMOOTHING, MAP_SMOOTHING = 100.0, 6.0
"""Smoothing of the Dice loss: about the same area, in pixels of the mask and in places of the map."""

MAP_MIDDLE, MAP_SOFTNESS = 0.4 * MARGIN, MARGIN / 15
"""In the Dice loss of a map a distance at the middle counts as 0.5, and one softness away as 0.27 or 0.73."""


def contrastive_loss(distance: Tensor, labels: Tensor, valid: Tensor, kind: LossName = "thresholded") -> Tensor:
    """Returns the contrastive loss of a distance map, in units of MARGIN squared.

    L = 1/(2N) sum[(Y/2) pull + (1 - Y/2) max(m - D, 0)^2], where pull is D^2 for ``paper`` and
    max(D - SLACK, 0)^2 for ``thresholded``. The paper's additive C(Y) is left out: it does not depend on the
    weights, so it changes the printed value, but never a gradient.

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
    """Returns the Dice loss of a distance map as a soft mask of change; arguments as in `contrastive_loss`.

    Where both frames show something that moves, the map may hold any distance.
    """
    changed = torch.sigmoid((distance - MAP_MIDDLE) / MAP_SOFTNESS)
    return dice_loss(changed, (labels == CHANGED).float(), valid & (labels != OVERLAP), MAP_SMOOTHING)


def mask_loss(logits: Tensor, mask: Tensor, dice: float = 0.0) -> Tensor:
    """Returns the binary cross-entropy of foreground plus `dice` times the soft Dice loss, without ignored pixels.

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
    """Returns the soft Dice loss (Milletari et al., V-Net, 2016), averaged over images.

    For an image with probabilities p and truth y it is 1 - (2 sum py + s) / (sum p + sum y + s). This is one minus a
    soft F-measure, so an image's only small object weighs as much as another's large one.

    Args:
        probability: (N, H, W) float32, probability of foreground.
        truth: (N, H, W) float32, 0 or 1.
        valid: (N, H, W) bool.
        smoothing: The s, in pixels: objects much smaller than this, and false foreground of that size, weigh little.
    """
    probability, truth = probability * valid, truth * valid
    both = (probability * truth).sum(dim=(1, 2))
    either = probability.sum(dim=(1, 2)) + truth.sum(dim=(1, 2))
    return (1 - (2 * both + smoothing) / (either + smoothing)).mean()
