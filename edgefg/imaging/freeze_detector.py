"""Detection of a frozen camera, which keeps sending the same picture."""

import numpy as np
import numpy.typing as npt

# Noise changes every pixel, so comparing a few of them is enough to distinguish nearly all pictures.
_LOOK = slice(None, None, 16)


class FreezeDetector:
    """Compares each picture with the one before.

    Only bit-identical pictures count. Compression leaves so little noise in a quiet night scene that no tolerance could
    distinguish it from a frozen camera.

    Attributes:
        repeated: Number of pictures that were identical to the one before.
        in_a_row: Number of those since the picture last changed.
    """

    def __init__(self) -> None:
        """Creates a detector that has seen no picture."""
        self.repeated = self.in_a_row = 0
        self._last: npt.NDArray[np.uint8] | None = None
        self._since_s = 0.0

    def see(self, pixels: npt.NDArray[np.uint8], at_s: float) -> float:
        """Compares a picture with the one before and keeps it; you must not change it afterwards.

        Args:
            pixels: ``(H, W) uint8`` or ``(H, W, C) uint8``.
            at_s: Time of arrival in seconds.

        Returns:
            Seconds since the picture last changed; 0 if it just did.
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
