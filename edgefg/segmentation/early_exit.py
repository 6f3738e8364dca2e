"""When a distance map is quiet: so little differs from the background that there is nothing for stage 2 to outline."""

import math
from numbers import Real

import numpy as np
import numpy.typing as npt

from ..engines.protocol import Quiet
from ..errors import OptionError

LOUD_CELLS = 1
"""Cells of the map, 4x4 pixels each, that have to reach the level for a frame to count as not quiet."""


def quiet_below(level: float) -> Quiet:
    """Makes the rule that a map is quiet while no cell reaches a level.

    Args:
        level: In map units, of which the networks keep changed places some 30 apart.

    Raises:
        OptionError: It is no number above 0.
    """
    # Written so that NaN is refused too.
    if isinstance(level, bool) or not isinstance(level, Real) or not 0 < level < math.inf:
        raise OptionError(f"quiet must be a number above 0, in map units; got {level!r}")

    def is_quiet(distance: npt.NDArray[np.float32]) -> bool:
        # Not "no cell above": a map with NaN must go on to the check that refuses it.
        return bool(np.count_nonzero(distance < level) > distance.size - LOUD_CELLS)

    return is_quiet
