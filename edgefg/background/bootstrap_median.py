"""A first background: the median of frames gathered over some seconds, without the people who walk through."""

import cv2
import numpy as np
import numpy.typing as npt

from ..imaging.io import Image
from ..imaging.median import temporal_median

GATHERED_FRAMES = 24
"""Maximum number of frames kept. At 320x240 they need 5.5 MB per camera."""

_SAME_LEVELS = 20


def differing(one: Image, other: Image) -> Image:
    """Returns where two images differ, ``(H, W) uint8``, 255 or 0."""
    apart = cv2.blur(cv2.cvtColor(cv2.absdiff(one, other), cv2.COLOR_BGR2GRAY), (3, 3))
    return np.asarray(cv2.threshold(apart, _SAME_LEVELS, 255, cv2.THRESH_BINARY)[1], np.uint8)


class GatheredMedian:
    """Gathers frames over some seconds for their median. It keeps at most 24, evenly spread."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._started_s: float | None = None
        self._frames: list[Image] = []

    def add(self, frame: Image, time_s: float) -> bool:
        """Keeps a frame, if the next one is due.

        Args:
            frame: ``(H, W, 3) uint8 BGR``; must not be changed afterwards.
            time_s: Time of the frame in seconds.

        Returns:
            Whether the gathering is complete, so that `take` can return the median.
        """
        if self._started_s is None:
            self._started_s = time_s
        passed = time_s - self._started_s
        if len(self._frames) < GATHERED_FRAMES and passed * (GATHERED_FRAMES - 1) >= len(self._frames) * self._seconds:
            self._frames.append(frame)
        return passed >= self._seconds

    def seen(self, image: Image) -> npt.NDArray[np.uint8]:
        """Returns, for each pixel, the number of gathered frames that look like an image, ``(H, W) uint8``."""
        counts = np.zeros(image.shape[:2], np.uint8)
        for frame in self._frames:
            counts += differing(frame, image) == 0
        return counts

    def take(self) -> Image:
        """Returns the median, and starts again without frames."""
        median = temporal_median(self._frames)
        self.restart()
        return median

    def restart(self) -> None:
        """Discards all frames, because the scene has changed."""
        self._started_s = None
        self._frames = []
