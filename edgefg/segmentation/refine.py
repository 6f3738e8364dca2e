"""Upsampling of the distance map along the edges of the change, for masks at a calibrated distance.

The map is coarse: a quarter of the frame's height and width. The difference of each pixel from the background is sharp,
but full of holes and noise. A guided filter (K. He and J. Sun, "Fast Guided Filter", 2015) takes the level from the map
and the edges from the difference. In each window of the map it fits ``distance = a * change + b``, and evaluates that
line at every pixel.

A change of light affects the whole frame, an object does not. The level of the calmest quarter of a map is therefore
subtracted from all of it.
"""

from typing import cast

import cv2
import numpy as np
import numpy.typing as npt

from ..imaging.convert import size_of
from ..imaging.io import Image

MAP_THRESHOLD = 0.5
"""Threshold of the modes that use the map; it corresponds to the bundle's calibrated distance."""

_WINDOW = (5, 5)
_NOISE_VARIANCE = np.float32(5**2)
"""Variance of changes by some grey levels, which are noise and not edges."""

_CALM_SHARE = 0.25
_CALM = np.float32(1.5)
"""Map units; in steady light the calmest quarter of a map stays below."""

_MAX_LIGHT = np.float32(5)
"""Maximum that is subtracted, so that an object that fills three quarters of the frame is still detected."""

Distances = npt.NDArray[np.float32]


def guided_upsample(distance: Distances, frame: Image, background: Image) -> Distances:
    """Upsamples a distance map along the edges of the change, and subtracts the share of a change of light.

    Args:
        distance: ``(h, w) float32``, in map units.
        frame: ``(H, W, 3) uint8 BGR``.
        background: ``(H, W, 3) uint8 BGR``.

    Returns:
        ``(H, W) float32``, in map units.
    """
    # The channel that changed most, as an object may have the background's brightness. Smoothed against flicker.
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
    """Converts distances to the scale of probabilities, so that `MAP_THRESHOLD` corresponds to ``moving_from``.

    Args:
        distance: ``(H, W) float32``, in map units.
        moving_from: Distance from which a place is foreground.

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
