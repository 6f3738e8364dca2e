"""Registration of a frame on the background: finding a camera's shift, and moving images by it."""

from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar, cast

import cv2
import numpy as np
import numpy.typing as npt

from ..imaging.io import Image

Outline = npt.NDArray[np.float32]
Pixels = TypeVar("Pixels", npt.NDArray[np.uint8], npt.NDArray[np.float32])

_CAP = 4.0
"""Limit in multiples of the mean strength, so that one bright edge, such as a lamp's, does not outweigh the scene."""

_MIN_RESPONSE = 0.2
"""Minimum height of the correlation's peak; unrelated scenes stay below it."""

_MIN_PX = 2.0
"""Minimum length of a shift; the networks tolerate shorter ones."""

_BLOCKS = (8, 6)
_MIN_BLOCKS = 8
_MIN_SUPPORT = 0.6
"""Minimum share of blocks with edges in which a shift must improve the match. With fewer, only an object moved."""


@dataclass(frozen=True)
class Shift:
    """Position of a frame's content in the background: ``dx`` right and ``dy`` down, in pixels of the networks."""

    dx: int
    dy: int

    @property
    def length_px(self) -> float:
        """Length of the shift."""
        return float(np.hypot(self.dx, self.dy))

    def __neg__(self) -> "Shift":
        return Shift(-self.dx, -self.dy)


NO_SHIFT = Shift(0, 0)


@dataclass(frozen=True)
class Registration:
    """The position of a frame on a background.

    Attributes:
        shift: Shift of the frame.
        response: Agreement of the edges, about 0 to 1; unrelated views stay below 0.2.
    """

    shift: Shift
    response: float


def outline(image: Image) -> Outline:
    """Computes the strength of edges at half size, which a change of light hardly affects.

    Args:
        image: ``(H, W, 3) uint8 BGR``.

    Returns:
        ``(H/2, W/2) float32``, about 1 on average.
    """
    height, width = image.shape[:2]
    small = cv2.resize(image, (width // 2, height // 2), interpolation=cv2.INTER_AREA)
    grey = cv2.cvtColor(small, cv2.COLOR_BGR2GRAY)
    strength = cv2.magnitude(cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1))
    mean = float(cv2.mean(strength)[0])
    relative = np.asarray(strength, np.float32) / np.float32(max(mean, 1.0))
    return cast(Outline, np.minimum(relative, np.float32(_CAP)))


def find_shift(frame: Outline, background: Outline, limit_px: float) -> Registration:
    """Finds the shift of a frame relative to its background, by phase correlation.

    Args:
        frame: Outline of the frame.
        background: Outline of the background.
        limit_px: Longest shift to accept.

    Returns:
        The shift and the agreement of the two outlines. The shift is zero if they have too little in common, or if only
        an object moved.
    """
    window = _window(*frame.shape)
    # Not passed as the function's window, because OpenCV would multiply the arrays in place.
    (dx, dy), response = cv2.phaseCorrelate(background * window, frame * window)
    found = Shift(round(2 * dx), round(2 * dy))
    if response < _MIN_RESPONSE or not _MIN_PX <= found.length_px <= limit_px:
        return Registration(NO_SHIFT, response)
    x, y = round(dx), round(dy)
    supported = _is_supported(_overlap(frame, x, y), _overlap(background, -x, -y), frame, background)
    return Registration(found if supported else NO_SHIFT, response)


def _overlap(array: Outline, x: int, y: int) -> Outline:
    """Returns the part of an image that the other image also shows, if the frame is shifted by ``x``, ``y``."""
    height, width = array.shape
    return array[max(y, 0) : height + min(y, 0), max(x, 0) : width + min(x, 0)]


def _is_supported(frame: Outline, background: Outline, whole_frame: Outline, whole_background: Outline) -> bool:
    together, edges = _in_blocks(cv2.absdiff(frame, background)), _in_blocks(np.ascontiguousarray(background))
    apart = _in_blocks(cv2.absdiff(whole_frame, whole_background))
    has_edges = edges > 0.5
    if np.count_nonzero(has_edges) < _MIN_BLOCKS:
        return False
    return bool(np.mean(together[has_edges] < apart[has_edges]) >= _MIN_SUPPORT)


def _in_blocks(array: Any) -> Outline:
    return cast(Outline, cv2.resize(array, _BLOCKS, interpolation=cv2.INTER_AREA))


@cache
def _window(height: int, width: int) -> Outline:
    return cast(Outline, cv2.createHanningWindow((width, height), cv2.CV_32F))


def moved(image: Pixels, shift: Shift, fill: Pixels) -> Pixels:
    """Moves an image's content by ``dx`` and ``dy``.

    Args:
        image: ``(H, W)`` or ``(H, W, 3)``, uint8 or float32.
        shift: Distance to move.
        fill: Image of the same shape, whose pixels are used where the moved image has none.

    Returns:
        A new image.
    """
    picture = fill.copy()
    height, width = image.shape[:2]
    x, y = shift.dx, shift.dy
    into = picture[max(y, 0) : height + min(y, 0), max(x, 0) : width + min(x, 0)]
    into[...] = image[max(-y, 0) : height + min(-y, 0), max(-x, 0) : width + min(-x, 0)]
    return picture
