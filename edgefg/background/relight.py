"""A background in new light, made of the pictures that still know the scene's detail."""

from dataclasses import dataclass
from typing import cast

import cv2
import numpy as np
import numpy.typing as npt

from ..imaging.io import Image
from .observation import CELL_PX, Cells, SceneImage
from .photometric import CLIPPED, apply_curve, tone_curve

_NEARBY_PX = 13
_FITS_LEVELS = 12
_TOLERANCE_LEVELS = 16
_LIMIT = 240
_AROUND = np.ones((5, 5), np.uint8)
_CAP_LEVELS = 40


@dataclass(frozen=True, eq=False)
class Relit:
    """A background in the light of a frame.

    Attributes:
        image: ``(H, W, 3) uint8 BGR``.
        unclipped: ``(H, W) bool``: places that only the frame knows, because they were clipped before.
    """

    image: Image
    unclipped: npt.NDArray[np.bool_]

    @property
    def unclipped_cells(self) -> Cells:
        """Cells with such a place, ``(h, w) bool``."""
        height, width = self.unclipped.shape
        small = cv2.resize(
            self.unclipped * np.uint8(255), (width // CELL_PX, height // CELL_PX), interpolation=cv2.INTER_AREA
        )
        return np.asarray(small > 0)


def relight(frame: SceneImage, where: Cells, reference: SceneImage, current: SceneImage) -> Relit:
    """Puts a background into the light of a frame.

    Args:
        frame: The frame.
        where: Cells to compare, ``(h, w) bool``: those without objects.
        reference: The background as it was before the light changed. It has all detail, but may be out of date.
        current: The background that frames are compared with, which may have lost detail. It is preferred where it
            fits no less.
    """
    curve = tone_curve(frame.cells, reference.cells, where)
    image = apply_curve(reference.image, curve)
    if current.image is not reference.image:
        recent = apply_curve(current.image, tone_curve(frame.cells, current.cells, where))
        of_reference, of_recent = _misfit(image, frame.image), _misfit(recent, frame.image)
        fits = (of_recent < _FITS_LEVELS) & (of_recent <= of_reference)
        np.copyto(image, recent, where=fits[..., None])
    unclipped = _unclipped(image, reference.image, frame.image, curve)
    np.copyto(image, frame.image, where=unclipped[..., None])
    return Relit(image, unclipped)


def misfit(frame: SceneImage, background: SceneImage) -> float:
    """Returns how far a frame's cells are from a background's, in levels; objects count little."""
    return float(np.minimum(cv2.absdiff(frame.grey, background.grey), _CAP_LEVELS).mean())


def _misfit(background: Image, frame: Image) -> Image:
    apart = cv2.cvtColor(cv2.absdiff(background, frame), cv2.COLOR_BGR2GRAY)
    return cast(Image, cv2.blur(apart, (_NEARBY_PX, _NEARBY_PX)))


def _unclipped(image: Image, reference: Image, frame: Image, curve: Image) -> npt.NDArray[np.bool_]:
    """Finds places that were clipped in the reference and are not in the frame.

    Their clipped channels are at least as bright as the curve says of the limit, and the others are as it says.
    Otherwise something stands in front of them.
    """
    table = np.zeros((1, 256, 3), np.uint8)
    table[0, CLIPPED:, curve[0, 255] < _LIMIT] = 255
    clipped = cv2.LUT(reference, table)
    if not clipped.any():
        return np.zeros(clipped.shape[:2], bool)
    lost = np.asarray(cv2.dilate(clipped, _AROUND) > 0)
    above = cv2.subtract(image, frame) <= _TOLERANCE_LEVELS
    below = lost | (cv2.subtract(frame, image) <= _TOLERANCE_LEVELS)
    return np.asarray(lost.any(axis=2) & (above & below).all(axis=2))
