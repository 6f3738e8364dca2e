"""Intersection over union of masks, for one pair or pooled over many."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Mask = npt.NDArray[np.bool_]


@dataclass
class Overlap:
    """Counts the pixels of pairs of masks, for their intersection over union.

    Attributes:
        common: Pixels in both masks.
        either: Pixels in at least one.
    """

    common: int = 0
    either: int = 0

    def add(self, mask: Mask, other: Mask) -> None:
        """Counts one more pair of masks, ``(H, W) bool``."""
        self.common += int(np.count_nonzero(mask & other))
        self.either += int(np.count_nonzero(mask | other))

    def __add__(self, other: "Overlap") -> "Overlap":
        return Overlap(self.common + other.common, self.either + other.either)

    @property
    def iou(self) -> float:
        """Intersection over union, 0..1; 1 if all masks were empty."""
        return self.common / self.either if self.either else 1.0


def iou(mask: Mask, other: Mask) -> float:
    """Returns the intersection over union of two masks, ``(..., H, W) bool``; 1 if both are empty."""
    overlap = Overlap()
    overlap.add(mask, other)
    return overlap.iou
