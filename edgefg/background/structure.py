"""The pattern of two pictures of one view, whatever their light: whether it is the same, and whether one lost it."""

from typing import cast

import cv2
import numpy as np
import numpy.typing as npt

from ..imaging.io import Image
from .observation import SceneImage
from .photometric import CLIPPED

Pattern = npt.NDArray[np.float32]

_BLOCK_CELLS = 5
_MIN_VARIANCE = 4.0
"""Levels squared. What varies less is noise."""

_MIN_BLOCKS = 0.06
_FEW_LIMITED = 0.1
_ALIKE = 0.7
_MIN_KEPT = 0.4
_SAME_LEVELS = 12
_WIDE = 0.25
_SHARPER = 1.2
_COMPARE_EVERY_S = 1.0


def same_pattern(one: SceneImage, other: SceneImage) -> float:
    """Returns the share of a view in which two pictures show the same pattern.

    Brightness and contrast may differ from block to block, so flicker, bands and flashes change nothing. Places without
    a pattern and clipped places say nothing.

    Returns:
        A share from 0 to 1; 1 if too little of the view has a pattern.
    """
    first, second = _pattern(one.grey), _pattern(other.grey)
    both, of_first, of_second = _blocks(first * second), _blocks(first * first), _blocks(second * second)
    limited = np.maximum(_limited(one), _limited(other)).astype(np.float32)
    counted = (np.maximum(of_first, of_second) > _MIN_VARIANCE) & (_blocks(limited) < _FEW_LIMITED)
    if np.count_nonzero(counted) < _MIN_BLOCKS * counted.size:
        return 1.0
    return float(np.mean((both > _ALIKE * np.sqrt(of_first * of_second))[counted]))


def lacks_detail(background: Image, frame: Image, earlier: Image) -> bool:
    """Returns whether a background is a poorer picture of a frame's scene: defocused, in fog or washed out.

    It is, if its levels fit in a large and wide part of the view, where its pattern is missing. An object in front of a
    plain background has other levels. Noise is no pattern: only what two frames share counts.

    Args:
        background: Cells of the background, ``(h, w) uint8`` gray.
        frame: Cells of a frame.
        earlier: Cells of a frame some time before, in the same light.
    """
    of_background = _pattern(background)
    seen = _blocks(_pattern(frame) * _pattern(earlier))
    patterned = seen > _MIN_VARIANCE
    poor = patterned & (_blocks(of_background * of_background) < _MIN_KEPT * seen)
    apart = np.abs(_blocks(frame.astype(np.float32)) - _blocks(background.astype(np.float32)))
    poor &= apart < _SAME_LEVELS
    if np.count_nonzero(poor) < max(_WIDE * poor.size, 0.5 * np.count_nonzero(patterned)):
        return False
    rows, columns = np.nonzero(poor)
    return bool(np.ptp(rows) >= 0.5 * poor.shape[0] and np.ptp(columns) >= 0.5 * poor.shape[1])


class DetailComparison:
    """Compares views with a background now and then, to find out whether the background lacks detail."""

    def __init__(self) -> None:
        self._earlier: SceneImage | None = None
        self._compared_s = 0.0

    def restart(self) -> None:
        """Discards the earlier view, because the light or the scene has changed."""
        self._earlier = None

    def finds_less(self, background: SceneImage, frame: SceneImage, time_s: float) -> bool:
        """Returns whether a background lacks detail that a frame and one a second before show."""
        earlier = self._earlier
        if earlier is not None and time_s - self._compared_s < _COMPARE_EVERY_S:
            return False
        self._earlier, self._compared_s = frame, time_s
        if earlier is None or frame.sharpness < _SHARPER * background.sharpness:
            return False
        return lacks_detail(background.grey, frame.grey, earlier.grey)


def _limited(picture: SceneImage) -> npt.NDArray[np.bool_]:
    """Returns which cells are too bright or too dark for the sensor."""
    return np.asarray((picture.cells.max(axis=2) >= CLIPPED) | (picture.grey <= 255 - CLIPPED))


def _pattern(cells: Image) -> Pattern:
    grey = cells.astype(np.float32)
    return cast(Pattern, grey - cv2.blur(grey, (_BLOCK_CELLS, _BLOCK_CELLS)))


def _blocks(values: Pattern) -> Pattern:
    height, width = values.shape
    size = max(1, width // _BLOCK_CELLS), max(1, height // _BLOCK_CELLS)
    return cast(Pattern, cv2.resize(values, size, interpolation=cv2.INTER_AREA))
