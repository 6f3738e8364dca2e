"""The distance map as a mask: enlarged along the edges of what changed, against a calibrated distance.

The map is coarse: a quarter of the frame's height and width. How much each pixel differs from the background is sharp,
but full of holes and noise. A guided filter (K. He and J. Sun, "Fast Guided Filter", 2015) takes the level from the
first and the edges from the second: in each window of the map it fits ``distance = a * change + b``, and reads that
line at every pixel.

A change of light is everywhere, an object is not: what even the calmest quarter of a map has is taken off all of it.
"""

from typing import cast

import cv2
import numpy as np
import numpy.typing as npt

from ..imaging.convert import size_of
from ..imaging.io import Image

MAP_THRESHOLD = 0.5
"""The threshold of modes that use the map: its masks begin at the bundle's calibrated distance."""

_WINDOW = (5, 5)
_NOISE_VARIANCE = np.float32(5**2)
"""Of changes by some grey levels, which are no edge."""

_CALM_SHARE = 0.25
_CALM = np.float32(1.5)
"""In steady light the calmest quarter of a map stays below this, in map units."""

_MAX_LIGHT = np.float32(5)
"""More is never taken off: whatever fills three quarters of the frame must still be seen."""

Distances = npt.NDArray[np.float32]


def guided_upsample(distance: Distances, frame: Image, background: Image) -> Distances:
    """Enlarges a distance map along the edges of what changed, and takes off what a change of light adds everywhere.

    Args:
        distance: ``(h, w) float32``, in map units.
        frame: ``(H, W, 3) uint8 BGR``.
        background: ``(H, W, 3) uint8 BGR``.

    Returns:
        ``(H, W) float32``, in map units.
    """
    # The channel that changed most: an object may have the background's brightness. Smoothed, against flicker.
    blue, green, red = cv2.split(cv2.blur(cv2.absdiff(frame, background), (3, 3)))
    change = cv2.max(cv2.max(blue, green), red).astype(np.float32)
    distance = _without_light(distance)
    coarse = _distances(cv2.resize(change, size_of(distance), interpolation=cv2.INTER_AREA))
    mean_change, mean_distance = _mean(coarse), _mean(distance)
    covariance = _mean(coarse * distance) - mean_change * mean_distance
    variance = _mean(coarse * coarse) - mean_change * mean_change
    slope = _distances(covariance / (variance + _NOISE_VARIANCE))
    offset = _distances(mean_distance - slope * mean_change)
    slope, offset = (_distances(cv2.resize(_mean(part), size_of(frame))) for part in (slope, offset))
    return _distances(slope * change + offset)


def to_levels(distance: Distances, moving_from: float) -> Image:
    """Puts distances on the scale of probabilities, so that `MAP_THRESHOLD` stands for ``moving_from``.

    Args:
        distance: ``(H, W) float32``.
        moving_from: The distance from which a place counts as foreground.

    Returns:
        ``(H, W) uint8``: 255 is twice that distance, or more.
    """
    return cast(Image, cv2.convertScaleAbs(np.maximum(distance, 0), alpha=255 / (2 * moving_from)))


def _without_light(distance: Distances) -> Distances:
    rank = int(distance.size * _CALM_SHARE)
    calmest = np.partition(distance, rank, axis=None)[rank]
    return _distances(distance - np.clip(calmest - _CALM, 0, _MAX_LIGHT))


def _mean(values: Distances) -> Distances:
    return _distances(cv2.blur(values, _WINDOW))


def _distances(values: object) -> Distances:
    return cast(Distances, values)
