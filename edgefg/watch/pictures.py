"""Pictures of results for people: the views of the live page, and the snapshots of events."""

from collections.abc import Mapping

import cv2
import numpy as np

from ..imaging.convert import fit, size_of
from ..imaging.draw import heatmap, overlay
from ..imaging.io import Image
from .latest import LatestResult
from .zones import Polygon, in_pixels

VIEWS = ("mask", "frame", "distance", "background")

_MAX_WIDTH_PX = 960
_QUALITY = 80
_ZONE_BGR = (170, 150, 110)
_ACTIVE_ZONE_BGR = (60, 190, 255)


def picture(result: LatestResult, view: str, zones: Mapping[str, Polygon], background: Image | None) -> Image:
    """Draws a view of a frame, at most 960 pixels wide.

    Args:
        result: The frame and its result.
        view: One of `VIEWS`.
        zones: Polygons to outline, by name.
        background: The picture for the view ``background``, of any size; None draws black.

    Returns:
        ``(H, W, 3) uint8 BGR``.
    """
    width, height = size_of(result.image)
    scale = min(1.0, _MAX_WIDTH_PX / width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    if view == "distance":
        return heatmap(result.distance, size, result.hottest)
    if view == "background":
        return np.zeros((size[1], size[0], 3), np.uint8) if background is None else fit(background, size)
    small = fit(result.image, size)
    if view == "mask":
        mask = np.asarray(cv2.resize(result.mask, size, interpolation=cv2.INTER_NEAREST), np.uint8)
        small = overlay(small, mask)
    elif zones:
        small = small.copy()
    thickness = 2 if size[0] >= 640 else 1
    for name, polygon in zones.items():
        colour = _ACTIVE_ZONE_BGR if name in result.active else _ZONE_BGR
        cv2.polylines(small, [in_pixels(polygon, size)], True, colour, thickness, cv2.LINE_AA)
    return small


def jpeg(image: Image, quality: int = _QUALITY) -> bytes:
    """Returns an image as a JPEG."""
    return cv2.imencode(".jpg", image, (cv2.IMWRITE_JPEG_QUALITY, quality))[1].tobytes()
