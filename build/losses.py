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


def mask_loss(logits: Tensor, mask: Tensor) -> Tensor:
    """Binary cross-entropy of foreground over the pixels that are not ignored.

    Args:
        logits: (N, H, W).
        mask: (N, H, W) uint8 codes.
    """
    valid = mask != IGNORED
    loss = F.binary_cross_entropy_with_logits(logits.float(), (mask == FOREGROUND).float(), reduction="none")
    return torch.where(valid, loss, 0.0).sum() / valid.sum().clamp(min=1)
