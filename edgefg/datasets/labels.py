"""The five ground-truth levels of CDnet2014 masks."""

import numpy as np
import numpy.typing as npt

from ..errors import DataError

STATIC = 0
SHADOW = 50  # counts as background
OUTSIDE = 85  # outside the region of interest: not scored
UNKNOWN = 170  # mostly motion blur at edges: not scored
MOVING = 255
LEVELS = (STATIC, SHADOW, OUTSIDE, UNKNOWN, MOVING)

_LEVEL_OF = np.full(256, UNKNOWN, np.uint8)
_LEVEL_OF[list(LEVELS)] = LEVELS

_MAX_ODD_SHARE = 0.1


def to_levels(mask: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Maps a stored mask to the five levels, ``(H, W) uint8``.

    Resampling and lossy compression leave values between the levels along edges; those pixels become UNKNOWN.

    Raises:
        DataError: Too many pixels have another value, or 0 is the only known value, as in masks of 0 and 1.
    """
    share = np.bincount(mask.ravel(), minlength=256) / mask.size
    odd = [int(level) for level in np.flatnonzero(share) if level not in LEVELS]
    if odd and (share[odd].sum() > _MAX_ODD_SHARE or not share[list(LEVELS[1:])].any()):
        found = ", ".join(map(str, odd[:5])) + (", ..." if len(odd) > 5 else "")
        raise DataError(f"expected a mask of the levels 0, 50, 85, 170 and 255, found {found}; save masks as PNG")
    return _LEVEL_OF[mask]
