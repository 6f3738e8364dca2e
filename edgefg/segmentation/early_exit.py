"""Rules for skipping stage 2 when a frame hardly differs from the background."""

import numpy as np
import numpy.typing as npt

from ..engines.protocol import EarlyExit

LOUD_CELLS = 1
"""Number of map cells, 4x4 pixels each, that must reach the level for stage 2 to run."""


def exit_below(level: float) -> EarlyExit:
    """Makes a rule that skips stage 2 while no cell of the map reaches a level.

    Args:
        level: Distance in map units; the networks place changed pixels about 30 from the background.
    """

    def is_quiet(distance: npt.NDArray[np.float32]) -> bool:
        # Not "no cell above": a map with NaN must go on to the check that refuses it.
        return bool(np.count_nonzero(distance < level) > distance.size - LOUD_CELLS)

    return is_quiet


def always(distance: npt.NDArray[np.float32]) -> bool:
    """Skips stage 2 on every frame."""
    return True
