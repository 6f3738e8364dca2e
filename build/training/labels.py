"""Labels from two masks: the three classes of stage 1, and the pixels that both stages ignore."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from edgefg.datasets.labels import MOVING, OUTSIDE, UNKNOWN

BACKGROUND, FOREGROUND, IGNORED = 0, 1, 2
"""Codes of a training mask."""

CHANGED, OVERLAP, UNCHANGED = 0, 1, 2
"""The paper's Y: moving in exactly one frame, in both, in neither."""


def mask_from_truth(truth: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Converts CDnet2014 levels (H, W) to codes (H, W): shadow is background; outside the ROI and unknown, ignored."""
    mask = np.full(truth.shape, BACKGROUND, np.uint8)
    mask[truth == MOVING] = FOREGROUND
    mask[(truth == OUTSIDE) | (truth == UNKNOWN)] = IGNORED
    return mask


def change_labels(background: Tensor, frame: Tensor) -> tuple[Tensor, Tensor]:
    """Returns the paper's three classes, from the codes of both frames' masks.

    Args:
        background: (N, H, W) uint8 codes.
        frame: (N, H, W) uint8 codes.

    Returns:
        labels (N, H, W) int64, each CHANGED, OVERLAP or UNCHANGED, and valid (N, H, W) bool, False
        where either mask is ignored.
    """
    moving = (background == FOREGROUND).long() + (frame == FOREGROUND).long()
    labels = torch.tensor([UNCHANGED, CHANGED, OVERLAP], device=moving.device)[moving]
    return labels, (background != IGNORED) & (frame != IGNORED)


def shrink_codes(mask: Tensor, factor: int = 4) -> Tensor:
    """Shrinks codes (N, H, W) to the distance map's size; a cell that mixes codes is ignored.

    A quarter-size cell on the edge of an object is neither changed nor unchanged, unless one code covers
    six tenths of it.
    """
    n, height, width = mask.shape
    cells = mask.view(n, height // factor, factor, width // factor, factor)
    share = torch.stack([(cells == code).float().mean(dim=(2, 4)) for code in (BACKGROUND, FOREGROUND, IGNORED)])
    best, code = share.max(dim=0)
    return torch.where(best >= 0.6, code, IGNORED).to(mask.dtype)
