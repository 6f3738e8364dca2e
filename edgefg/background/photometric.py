"""Changes of light: the gain and tone curve that map the levels of a background to those of a frame."""

from typing import cast

import cv2
import numpy as np
import numpy.typing as npt

from ..imaging.io import Image

CLIPPED = 250
"""Level from which a pixel may be clipped, so that its true level is unknown."""

GREY_LEVELS, COLOUR_LEVELS = 3.0, 6.0
"""Colourfulness below which a picture is infrared, and above which it certainly is not."""

_BIN_LEVELS, _BINS = 16, 8
_SLOPE_BINS = 3
_DARKEST = 8.0
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
    points and beyond them, and never falls. Clipped levels, of either image, are none of these points: the curve
    continues through them as if the sensor had no limit.

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
        olds, news = [], []
        # In fog all levels are close together.
        darkest, brightest = np.percentile(old, (2, 98)) if old.size else (0, 0)
        width = int(np.clip((brightest - darkest) / _BINS, 1, _BIN_LEVELS))
        for low in range(0, CLIPPED, width):
            of_level = (old >= low) & (old < min(low + width, CLIPPED))
            if np.count_nonzero(of_level) < _MIN_CELLS:
                continue
            level = float(np.median(new[of_level]))
            if level >= CLIPPED:
                break
            olds.append(float(np.median(old[of_level])))
            news.append(level)
        olds, news = _extended(olds, np.maximum.accumulate(news).tolist() if news else [])
        table[0, :, channel] = np.clip(np.rint(np.interp(np.arange(256), olds, news)), 0, 255)
    return table


def _extended(olds: list[float], news: list[float]) -> tuple[list[float], list[float]]:
    """Returns the points of a curve with those at its two ends, levels 0 and 256."""
    if not olds or olds[-1] <= 0:
        return [0.0, 256.0], [0.0, 256.0]
    few = min(_SLOPE_BINS, len(olds) - 1)
    darkest, brightest = 0.0, news[-1] * 256 / olds[-1]
    if few:
        rise = (news[few] - news[0]) / (olds[few] - olds[0])
        darkest = max(0.0, news[0] - rise * olds[0])
        # Light that falls on the lens lifts black. What is less may be noise.
        darkest = darkest if darkest > _DARKEST else 0.0
        rise = (news[-1] - news[-1 - few]) / (olds[-1] - olds[-1 - few])
        brightest = min(brightest, news[-1] + rise * (256 - olds[-1]))
    return [0.0, *olds, 256.0], [min(darkest, news[0]), *news, brightest]


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
