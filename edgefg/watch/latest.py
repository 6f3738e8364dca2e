"""The newest result of each camera, and pictures of it for people. Nobody who looks can hold up who shows."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from ..imaging.convert import fit, size_of
from ..imaging.draw import heatmap, overlay
from ..imaging.io import Image
from .zones import Polygon, in_pixels

VIEWS = ("mask", "frame", "distance", "background")

_WIDEST_PX = 960
_QUALITY = 80
_ZONE_BGR = (170, 150, 110)
_ACTIVE_ZONE_BGR = (60, 190, 255)
# How much of its heat the hottest colour keeps from frame to frame: a quiet map must not look like a busy one.
_COOLING = 0.98


@dataclass(frozen=True, eq=False)
class Shown:
    """One frame and what came out for it.

    Attributes:
        number: 1 for the first one of its camera.
        image: ``(H, W, 3) uint8 BGR``.
        mask: ``(H, W) uint8``, what lies inside the region of interest.
        distance: ``(h, w) float32``.
        hottest: The distance that gets the brightest colour.
        captured_s: When it was taken, by ``time.monotonic()``.
        background_id: What it was compared with.
        active: The zones in which there is motion.
    """

    number: int
    image: Image
    mask: Image
    distance: npt.NDArray[np.float32]
    hottest: float
    captured_s: float
    background_id: int
    active: tuple[str, ...]


class LatestResults:
    """The newest of every camera. Any thread may show, any thread may look."""

    def __init__(self) -> None:
        self._newest: dict[str, Shown] = {}
        self._wakers: tuple[Callable[[], None], ...] = ()
        self._changing = threading.Lock()

    def show(self, camera: str, shown: Shown) -> None:
        """Puts a frame in the place of the one before."""
        self._newest[camera] = shown
        self.wake()

    def newest(self, camera: str) -> Shown | None:
        """What was shown last."""
        return self._newest.get(camera)

    def hottest(self, camera: str, distance: npt.NDArray[np.float32]) -> float:
        """The distance that gets the brightest colour on this frame."""
        before = self._newest.get(camera)
        return max(float(distance.max()), 0.0 if before is None else before.hottest * _COOLING)

    def wake(self) -> None:
        """Tells those who look that there is something new."""
        for waker in self._wakers:
            waker()

    def subscribe(self, waker: Callable[[], None]) -> None:
        """Has a function called whenever there is something new; it must return at once."""
        with self._changing:
            self._wakers = (*self._wakers, waker)

    def unsubscribe(self, waker: Callable[[], None]) -> None:
        """Ends that."""
        with self._changing:
            self._wakers = tuple(other for other in self._wakers if other is not waker)


def picture(shown: Shown, view: str, zones: Mapping[str, Polygon], background: Image | None) -> Image:
    """Draws a view of a frame, at most 960 pixels wide.

    Args:
        shown: The frame.
        view: One of `VIEWS`.
        zones: Polygons to outline.
        background: What stands for the view of that name, of any size.

    Returns:
        ``(H, W, 3) uint8 BGR``.
    """
    width, height = size_of(shown.image)
    scale = min(1.0, _WIDEST_PX / width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    if view == "distance":
        return heatmap(shown.distance, size, shown.hottest)
    if view == "background":
        return np.zeros((size[1], size[0], 3), np.uint8) if background is None else fit(background, size)
    small = fit(shown.image, size)
    if view == "mask":
        mask = np.asarray(cv2.resize(shown.mask, size, interpolation=cv2.INTER_NEAREST), np.uint8)
        small = overlay(small, mask)
    elif zones:
        small = small.copy()
    thickness = 2 if size[0] >= 640 else 1
    for name, polygon in zones.items():
        colour = _ACTIVE_ZONE_BGR if name in shown.active else _ZONE_BGR
        cv2.polylines(small, [in_pixels(polygon, size)], True, colour, thickness, cv2.LINE_AA)
    return small


def jpeg(image: Image, quality: int = _QUALITY) -> bytes:
    """Packs a picture."""
    return cv2.imencode(".jpg", image, (cv2.IMWRITE_JPEG_QUALITY, quality))[1].tobytes()
