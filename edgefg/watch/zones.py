"""Zones: polygons on a camera's picture, and the foreground inside them.

Polygons are shares of the picture's width and height, so that they stay right when a camera comes back with another
resolution.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from ..errors import OptionError
from ..imaging.io import Image
from ..utils.validation import check_number, shown

Polygon = tuple[tuple[float, float], ...]
Coordinates = npt.NDArray[np.float64]

WHOLE_PICTURE = "frame"
"""The zone of a camera without zones of its own."""

_WHOLE: Polygon = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))
_GRID = 512

# Wider masks are shrunk to this width: the networks see less than that, so nothing is lost.
_MAX_WIDTH_PX = 640


@dataclass(frozen=True)
class Patch:
    """One connected patch of foreground inside a zone.

    Attributes:
        box: x, y, width and height in pixels of the frame.
        area: Its share of the picture.
    """

    box: tuple[int, int, int, int]
    area: float


def checked_polygon(points: object, what: str) -> Polygon:
    """Checks a polygon that comes from a YAML file or a caller.

    Args:
        points: Pairs of (x, y), each from 0 to 1.
        what: The polygon's purpose, for the message.

    Raises:
        OptionError: It is no polygon, its sides cross, or it has no area.
    """
    expected = f"{what}: expected at least three points [x, y] with shares of the picture from 0 to 1"
    if not isinstance(points, (list, tuple)) or len(points) < 3:
        raise OptionError(f"{expected}; got {shown(points)}")
    for point in points:
        if not isinstance(point, (list, tuple)) or len(point) != 2:
            raise OptionError(f"{expected}; got the point {shown(point)}")
        for value in point:
            check_number(f"{what}: a share of the picture", value, at_least=0, at_most=1)
    polygon = tuple((float(x), float(y)) for x, y in points)
    if _sides_cross(polygon):
        raise OptionError(f"{what}: expected the corners in their order around it, but two of its sides cross")
    if cv2.contourArea(np.asarray(polygon, np.float32)) < 1e-6:
        raise OptionError(f"{what}: expected a polygon with an area, but its points lie on a line")
    return polygon


def visible_share(polygon: Polygon | None, roi: Polygon | None) -> float:
    """Returns the share of the picture that lies inside a polygon and a region of interest; None is the whole picture.

    It is counted on a grid over the polygon, so a part below a thousandth of it may pass for nothing.
    """
    corners = np.asarray(polygon or _WHOLE)
    low, high = corners.min(0), corners.max(0)
    steps = (np.arange(_GRID) + 0.5) / _GRID
    x, y = np.meshgrid(low[0] + steps * (high[0] - low[0]), low[1] + steps * (high[1] - low[1]))
    both = _inside(x, y, corners) & _inside(x, y, np.asarray(roi or _WHOLE))
    return float(both.mean() * np.prod(high - low))


def _inside(x: Coordinates, y: Coordinates, corners: Coordinates) -> "npt.NDArray[np.bool_]":
    """Returns which points lie inside a polygon: those from which a ray crosses its sides an odd number of times."""
    inside = np.zeros(x.shape, bool)
    for (x1, y1), (x2, y2) in zip(corners, np.roll(corners, -1, 0), strict=True):
        if y1 != y2:
            crosses = ((y1 > y) != (y2 > y)) & (x < x1 + (y - y1) * (x2 - x1) / (y2 - y1))
            inside ^= crosses
    return inside


def _sides_cross(polygon: Polygon) -> bool:
    """Returns whether two sides cross, each in the middle of the other. Sides that touch, or coincide, do not."""
    start = np.asarray(polygon)
    end = np.roll(start, -1, 0)

    def side_of(points: Coordinates, a: Coordinates, b: Coordinates) -> Coordinates:
        along, to = b - a, points - a
        return np.asarray(np.sign(np.round(along[0] * to[..., 1] - along[1] * to[..., 0], 12)))

    for a, b in zip(start, end, strict=True):
        apart = side_of(start, a, b) * side_of(end, a, b) < 0
        for c, d in zip(start[apart], end[apart], strict=True):
            if side_of(a, c, d) * side_of(b, c, d) < 0:
                return True
    return False


def in_pixels(polygon: Polygon, size: tuple[int, int]) -> "np.ndarray[tuple[int, int], np.dtype[np.int32]]":
    """Returns the corners of a polygon on a picture of (width, height) pixels, ``(N, 2) int32``."""
    corners = np.asarray(polygon) * (size[0] - 1, size[1] - 1)
    return np.asarray(np.rint(corners), np.int32).reshape(-1, 2)


class ZoneMasks:
    """The zones of one camera as masks of its frames' size; drawn again when the size changes."""

    def __init__(self, zones: Mapping[str, Polygon], roi: Polygon | None = None) -> None:
        """Keeps the polygons; the first mask has them drawn.

        Args:
            zones: Polygons by name. Without any, the whole picture is one zone, called ``frame``.
            roi: Only the inside of this polygon counts; None is the whole picture.
        """
        self.zones = dict(zones)
        self.roi = roi
        self.names = tuple(zones) or (WHOLE_PICTURE,)
        self._size = (0, 0)
        self._masks: dict[str, Image] = {}
        self._roi_mask: Image = np.zeros((0, 0), np.uint8)

    def patches(self, mask: Image, min_area: float) -> dict[str, list[Patch]]:
        """Finds the foreground in each zone.

        Args:
            mask: ``(H, W) uint8``, 0 or 255.
            min_area: Patches that are a smaller share of the picture are noise.

        Returns:
            The patches inside each zone, largest first. Of a patch across a border, the part inside counts.
        """
        if not cv2.hasNonZero(mask):
            return {name: [] for name in self.names}
        width, height = mask.shape[1], mask.shape[0]
        scale = min(1.0, _MAX_WIDTH_PX / width)
        size = round(width * scale), max(1, round(height * scale))
        small = np.asarray(cv2.resize(mask, size, interpolation=cv2.INTER_NEAREST), np.uint8)
        self._fit(size)
        return {name: _patches(small, inside, min_area, 1 / scale) for name, inside in self._masks.items()}

    def inside_roi(self, mask: Image) -> Image:
        """Returns the part of a mask that counts, ``(H, W) uint8``."""
        if self.roi is None:
            return mask
        if self._roi_mask.shape != mask.shape:
            self._roi_mask = _filled(self.roi, (mask.shape[1], mask.shape[0]))
        return np.asarray(cv2.bitwise_and(mask, self._roi_mask), np.uint8)

    def _fit(self, size: tuple[int, int]) -> None:
        if size == self._size:
            return
        whole = np.full((size[1], size[0]), 255, np.uint8)
        roi = whole if self.roi is None else _filled(self.roi, size)
        drawn = {name: _filled(polygon, size) for name, polygon in self.zones.items()} or {WHOLE_PICTURE: whole}
        self._masks = {name: np.asarray(cv2.bitwise_and(zone, roi), np.uint8) for name, zone in drawn.items()}
        self._size = size


def _filled(polygon: Polygon, size: tuple[int, int]) -> Image:
    blank = np.zeros((size[1], size[0]), np.uint8)
    return np.asarray(cv2.fillPoly(blank, [in_pixels(polygon, size)], 255), np.uint8)


def _patches(mask: Image, inside: Image, min_area: float, enlarge: float) -> list[Patch]:
    _, _, boxes, _ = cv2.connectedComponentsWithStats(cv2.bitwise_and(mask, inside), connectivity=8)
    found = []
    for *box, area_px in boxes[1:].tolist():  # label 0 is everything else
        if area_px >= min_area * mask.size:
            x, y, width, height = (round(side * enlarge) for side in box)
            found.append(Patch((x, y, width, height), area_px / mask.size))
    return sorted(found, key=lambda patch: -patch.area)
