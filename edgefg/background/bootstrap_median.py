"""A first background: the median of frames gathered over some seconds, without the people who walk through."""

import cv2
import numpy as np
import numpy.typing as npt

from ..imaging.io import Image
from ..imaging.median import temporal_median
from .ghosts import object_score

GATHERED_FRAMES = 24
"""Maximum number of frames kept. At 320x240 they need 5.5 MB per camera."""

_SAME_LEVELS = 20
_LEAST_PX, _MOST_PATCHES = 40, 30
_OBJECT_SCORE = 0.1
_MIN_SEEN = 2


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


def merged(gathering: GatheredMedian, before: Image, foreground: Image) -> tuple[Image, Image]:
    """Takes the median, except for objects that only the median contains.

    Args:
        gathering: The gathered frames, which are discarded.
        before: Background before, ``(H, W, 3) uint8 BGR``.
        foreground: What the networks see in front of that one now, ``(H, W) uint8``, 0 or 255. An object that is mostly
            kept out of the background is kept out as a whole.

    Returns:
        The new background, and where it is another one than before, ``(H, W) uint8``, 255 or 0.
    """
    seen = gathering.seen(before)
    median = gathering.take()
    differs = differing(median, before)
    kept = np.zeros_like(differs)
    count, labels, statistics, _ = cv2.connectedComponentsWithStats(differs)
    sizes = statistics[1:count, cv2.CC_STAT_AREA]
    for index in np.argsort(-sizes)[:_MOST_PATCHES]:
        if sizes[index] < _LEAST_PX:
            break
        inside = labels == index + 1
        # Without a frame that shows it, the place never looked so: the first frame was foggy, clipped or blurred.
        if seen[inside].mean() < _MIN_SEEN:
            continue
        patch = np.asarray(inside * 255, np.uint8)
        others = np.asarray(cv2.subtract(differs, patch), np.uint8)
        if object_score(median, before, patch, others).mean > _OBJECT_SCORE:
            kept |= np.asarray(cv2.dilate(patch, np.ones((5, 5), np.uint8)), np.uint8)
    keep = (kept > 0) | _mostly_kept(kept, differs, foreground)
    np.copyto(median, before, where=keep[..., None])
    return median, np.where(keep, np.uint8(0), differs)


def _mostly_kept(kept: Image, differs: Image, foreground: Image) -> npt.NDArray[np.bool_]:
    """Returns the objects of which most of what differs is kept, ``(H, W) bool``."""
    count, objects = cv2.connectedComponents(foreground)
    of_all, of_kept = (np.bincount(objects[where > 0], minlength=count) for where in (differs, kept & differs))
    mostly = 2 * of_kept > of_all
    mostly[0] = False  # What is no object.
    return np.asarray(mostly[objects])
