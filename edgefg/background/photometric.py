"""Changes of light: the gain and tone curve that map the levels of a background to those of a frame."""

from typing import cast

import cv2
import numpy as np
import numpy.typing as npt

from ..imaging.io import Image

_BIN_LEVELS = 16
_MIN_CELLS = 12
"""Minimum number of cells of one level for a meaningful median."""


def gain(frame: Image, background: Image, where: npt.NDArray[np.bool_]) -> float:
    """Returns a frame's brightness relative to the background, as the median ratio of their cells.

    Args:
        frame: Cells of the frame, ``(h, w) uint8`` gray.
        background: Cells of the background, ``(h, w) uint8`` gray.
        where: Cells to compare, ``(h, w) bool``.

    Returns:
        A ratio above 0; 1.0 if too few cells are usable.
    """
    # Cells near black or white are unreliable, because their levels are clipped.
    usable = where & (background > 10) & (background < 245) & (frame < 250)
    if np.count_nonzero(usable) < _MIN_CELLS:
        return 1.0
    ratios = (frame[usable].astype(np.float32) + 1) / (background[usable].astype(np.float32) + 1)
    return float(np.median(ratios))


def tone_curve(frame: Image, background: Image, where: npt.NDArray[np.bool_]) -> Image:
    """Finds the frame's level for each level of the background, channel by channel.

    Cells of about the same level in the background are grouped, and each group's median level in the frame is taken.
    Moving objects do not affect it while they cover less than half of the group. The curve is linear between these
    points, proportional beyond them, and never falls.

    Args:
        frame: Cells of the frame, ``(h, w, 3) uint8 BGR``.
        background: Cells of the background, ``(h, w, 3) uint8 BGR``.
        where: Cells to compare, ``(h, w) bool``.

    Returns:
        A table for ``cv2.LUT``, ``(1, 256, 3) uint8``.
    """
    table = np.empty((1, 256, 3), np.uint8)
    for channel in range(3):
        old, new = background[..., channel][where], frame[..., channel][where]
        known = [(0.0, 0.0)]
        for low in range(0, 256, _BIN_LEVELS):
            of_level = (old >= low) & (old < low + _BIN_LEVELS)
            if np.count_nonzero(of_level) >= _MIN_CELLS:
                known.append((float(np.median(old[of_level])), float(np.median(new[of_level]))))
        last_old, last_new = known[-1]
        if last_old > 0:
            known.append((256.0, min(last_new * 256 / last_old, 512.0)))
        else:
            known.append((256.0, 256.0))
        olds, news = zip(*known, strict=True)
        curve = np.interp(np.arange(256), olds, np.maximum.accumulate(news))
        table[0, :, channel] = np.clip(np.rint(curve), 0, 255)
    return table


def apply_curve(image: Image, curve: Image) -> Image:
    """Maps an image's levels by a table of `tone_curve`, and returns ``(H, W, 3) uint8 BGR``."""
    return cast(Image, cv2.LUT(image, curve))


def colourfulness(image: Image) -> float:
    """Returns the mean difference between the strongest and weakest channel, in levels; about 0 for infrared."""
    blue, green, red = cv2.split(image)
    strongest, weakest = cv2.max(cv2.max(blue, green), red), cv2.min(cv2.min(blue, green), red)
    return float(cv2.mean(cv2.subtract(strongest, weakest))[0])


def without_colour(image: Image) -> Image:
    """Returns the image in gray, with three channels."""
    return cast(Image, cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR))
