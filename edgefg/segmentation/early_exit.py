"""When stage 2 need not run: so little differs from the background that there is nothing to outline."""

import numpy as np
import numpy.typing as npt

from ..engines.protocol import EarlyExit

LOUD_CELLS = 1
"""Cells of the map, 4x4 pixels each, that have to reach the level for stage 2 to run."""


def exit_below(level: float) -> EarlyExit:
    """Makes the rule that stage 2 is skipped while no cell of the map reaches a level.

    Args:
        level: In map units, of which the networks keep changed places some 30 apart.
    """

    def is_quiet(distance: npt.NDArray[np.float32]) -> bool:
        # Not "no cell above": a map with NaN must go on to the check that refuses it.
        return bool(np.count_nonzero(distance < level) > distance.size - LOUD_CELLS)

    return is_quiet


def always(distance: npt.NDArray[np.float32]) -> bool:
    """Skips stage 2 on every frame."""
    return True
