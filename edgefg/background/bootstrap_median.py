"""A background gathered over some seconds: the median of frames that people walk through."""

from ..imaging.io import Image
from ..imaging.median import temporal_median

GATHERED_FRAMES = 24
"""At most so many are kept, of which a camera at 320x240 needs 5.5 MB."""


class GatheredMedian:
    """Frames spread over some seconds, for their median. Of any number that comes at most 24 are kept."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._started_s: float | None = None
        self._frames: list[Image] = []

    def add(self, frame: Image, time_s: float) -> bool:
        """Keeps a frame, if its turn has come.

        Args:
            frame: ``(H, W, 3) uint8 BGR``; must not be changed afterwards.
            time_s: Its time.

        Returns:
            Whether the time is over, and `take` has its median.
        """
        if self._started_s is None:
            self._started_s = time_s
        passed = time_s - self._started_s
        if len(self._frames) < GATHERED_FRAMES and passed * (GATHERED_FRAMES - 1) >= len(self._frames) * self._seconds:
            self._frames.append(frame)
        return passed >= self._seconds

    def take(self) -> Image:
        """Gives the median, and starts anew."""
        median = temporal_median(self._frames)
        self.restart()
        return median

    def restart(self) -> None:
        """Forgets all frames: the scene is another."""
        self._started_s = None
        self._frames = []
