"""How far a camera has moved against its background, and how to put the one onto the other."""

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
"""In mean strengths: one bright edge, such as a lamp's, must not outweigh a scene."""

_MIN_RESPONSE = 0.2
"""Of the correlation's peak: scenes that have nothing in common stay below."""

_MIN_PX = 2.0
"""Shorter shifts are none: the networks don't mind them."""

_BLOCKS = (8, 6)
_MIN_BLOCKS = 8
_MIN_SUPPORT = 0.6
"""Share of the blocks with edges in which a shift must bring outlines together; with fewer, only an object moved."""


@dataclass(frozen=True)
class Shift:
    """Where a frame's content lies in the background: ``dx`` to the right, ``dy`` down, in pixels of the networks."""

    dx: int
    dy: int

    @property
    def length_px(self) -> float:
        """Of the way that the camera moved."""
        return float(np.hypot(self.dx, self.dy))

    def __neg__(self) -> "Shift":
        return Shift(-self.dx, -self.dy)


NO_SHIFT = Shift(0, 0)


@dataclass(frozen=True)
class Registration:
    """How a frame lies on a background.

    Attributes:
        shift: Of the frame.
        response: How much of the edges agrees, about 0 to 1; unrelated views stay below 0.2.
    """

    shift: Shift
    response: float


def outline(image: Image) -> Outline:
    """The strength of edges at half size: what a change of light leaves.

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
    """Finds how far a frame lies beside its background, by phase correlation.

    Args:
        frame: Outline of the frame.
        background: Outline of the background.
        limit_px: Shifts beyond it are taken for nothing found.

    Returns:
        The shift, none where the two have too little in common or where only some object moved; and how much they have.
    """
    window = _window(*frame.shape)
    # Not handed over as its window: OpenCV would multiply the arrays in place.
    (dx, dy), response = cv2.phaseCorrelate(background * window, frame * window)
    found = Shift(round(2 * dx), round(2 * dy))
    if response < _MIN_RESPONSE or not _MIN_PX <= found.length_px <= limit_px:
        return Registration(NO_SHIFT, response)
    x, y = round(dx), round(dy)
    supported = _is_supported(_overlap(frame, x, y), _overlap(background, -x, -y), frame, background)
    return Registration(found if supported else NO_SHIFT, response)


def _overlap(array: Outline, x: int, y: int) -> Outline:
    """The part whose content the other image shows, too, if the frame lies ``x``, ``y`` beside the background."""
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
        shift: How far.
        fill: Of the same shape: what to show where the image has nothing.

    Returns:
        A new image.
    """
    picture = fill.copy()
    height, width = image.shape[:2]
    x, y = shift.dx, shift.dy
    into = picture[max(y, 0) : height + min(y, 0), max(x, 0) : width + min(x, 0)]
    into[...] = image[max(-y, 0) : height + min(-y, 0), max(-x, 0) : width + min(-x, 0)]
    return picture
