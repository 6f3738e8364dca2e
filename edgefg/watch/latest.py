"""The newest result of each camera. Readers, however slow, never hold up the thread that puts results."""

import threading
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..imaging.io import Image

# How much of its heat the hottest colour keeps from frame to frame: a quiet map must not look like a busy one.
_COOLING = 0.98


@dataclass(frozen=True, eq=False)
class LatestResult:
    """One frame and its result.

    Attributes:
        number: 1 for the first frame of its camera.
        image: ``(H, W, 3) uint8 BGR``.
        mask: ``(H, W) uint8``, the part inside the region of interest.
        distance: ``(h, w) float32``.
        hottest: The distance that gets the brightest colour.
        captured_s: When the frame was taken, by ``time.monotonic()``.
        background_id: The background that the frame was compared with.
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
    """The newest result of every camera. Any thread may put and read."""

    def __init__(self) -> None:
        self._newest: dict[str, LatestResult] = {}
        self._listeners: tuple[Callable[[], None], ...] = ()
        self._changing = threading.Lock()

    def put(self, camera: str, result: LatestResult) -> None:
        """Replaces a camera's result and calls the listeners."""
        self._newest[camera] = result
        self.notify()

    def newest(self, camera: str) -> LatestResult | None:
        """Returns a camera's newest result, or None before the first one."""
        return self._newest.get(camera)

    def hottest(self, camera: str, distance: npt.NDArray[np.float32]) -> float:
        """Returns the distance that gets the brightest colour on this frame."""
        before = self._newest.get(camera)
        return max(float(distance.max()), 0.0 if before is None else before.hottest * _COOLING)

    def notify(self) -> None:
        """Calls the listeners: there is something new."""
        for listener in self._listeners:
            listener()

    def subscribe(self, listener: Callable[[], None]) -> None:
        """Calls a function whenever there is something new; it must return at once."""
        with self._changing:
            self._listeners = (*self._listeners, listener)

    def unsubscribe(self, listener: Callable[[], None]) -> None:
        """Stops calling a function."""
        with self._changing:
            self._listeners = tuple(other for other in self._listeners if other is not listener)
