"""Sources with levels of more than 8 bits: what is asked of them, and what users should know."""

from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import MediaError, OptionError
from ..imaging.levels import ValueRange, is_deep

FRAMES_TO_FIND_RANGE = 16
"""How many of a source's first frames a range is found in."""


def check_depth(name: str, levels: "npt.NDArray[Any]", value_range: ValueRange) -> None:
    """Checks that a source's levels and the range that was asked for go together.

    Raises:
        MediaError: Black and white among the levels are not known, and there is no range.
        OptionError: The levels have 8 bits, and there is a range.
    """
    if value_range is not None and not is_deep(levels):
        found = f"{name} has {levels.dtype}"
        raise OptionError(f"value_range={value_range!r}: expected levels of more than 8 bits, {found}")
    if value_range is None and levels.dtype not in (np.uint8, np.uint16):
        found = f"found {levels.dtype}, of which black and white are not known"
        raise MediaError(f"{name}: expected levels of 8 or 16 bits, {found}; pass value_range=auto or LOW:HIGH")
