"""A camera that hangs but still sends: the same picture again and again."""

import numpy as np
import numpy.typing as npt

# Noise differs everywhere, so a look at few pixels tells nearly all pictures apart.
_LOOK = slice(None, None, 16)


class FreezeDetector:
    """Compares each picture with the one before.

    Only pictures that are the same to the last bit count: compression leaves so little of a quiet night that no
    tolerance would tell it from a camera that hangs.

    Attributes:
        repeated: How many pictures were the same as the one before.
        in_a_row: How many of them came since the picture last changed.
    """

    def __init__(self) -> None:
        """Starts before the first picture."""
        self.repeated = self.in_a_row = 0
        self._last: npt.NDArray[np.uint8] | None = None
        self._since_s = 0.0

    def see(self, pixels: npt.NDArray[np.uint8], at_s: float) -> float:
        """Takes note of a picture, which must not change any more.

        Args:
            pixels: ``(H, W) uint8`` or ``(H, W, C) uint8``.
            at_s: When it came.

        Returns:
            For how many seconds the picture has stayed the same; 0 if it just changed.
        """
        if self._last is not None and _same(pixels, self._last):
            self.repeated += 1
            self.in_a_row += 1
        else:
            self._since_s = at_s
            self.in_a_row = 0
        self._last = pixels
        return at_s - self._since_s


def _same(one: npt.NDArray[np.uint8], other: npt.NDArray[np.uint8]) -> bool:
    return np.array_equal(one[_LOOK, _LOOK], other[_LOOK, _LOOK]) and np.array_equal(one, other)
