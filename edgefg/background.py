"""The background that frames are compared with, and how to make one from many images."""

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .errors import FrameError, MissingFileError
from .frames import Frame, fit, same_aspect, size_of, to_bgr8
from .images import Image, read_image


@dataclass(frozen=True, eq=False)
class EmbeddedBackground:
    """One background as the engine sees it; never changed after it is made.

    Attributes:
        image: ``(H, W, 3) uint8 BGR`` at engine size.
        features: What stage 1 made of it; only the engine that made it can read it.
        source_size: Width and height, in pixels, of the image before it was scaled.
        id: 1 for the first background, one more for each that follows.
        set_at_s: Monotonic clock when it was set.
    """

    image: Image
    features: Any
    source_size: tuple[int, int]
    id: int
    set_at_s: float

    @property
    def age_s(self) -> float:
        """Seconds since it was set."""
        return time.monotonic() - self.set_at_s

    def check_fits(self, frame_size: tuple[int, int]) -> None:
        """Raises FrameError if a frame of this (width, height) shows another field of view."""
        if not same_aspect(frame_size, self.source_size):
            frame, background = (f"{width}x{height}" for width, height in (frame_size, self.source_size))
            raise FrameError(
                f"the frame is {frame} and the background {background}: their aspect ratios must agree within 2%; "
                f"set a background of the frame's shape: segmenter.background.set(image)"
            )


class Background:
    """The background of one camera. Any thread may set it while another one segments.

    A frame in work keeps the background that it started with: setting one swaps a single reference to a finished,
    immutable `EmbeddedBackground`.
    """

    def __init__(self, embed: Callable[[Image], Any], size: tuple[int, int]) -> None:
        """Starts without a background.

        Args:
            embed: The engine's ``embed``: ``(H, W, 3) uint8 BGR`` at engine size to features.
            size: The engine's width and height in pixels.
        """
        self._embed = embed
        self._size = size
        self._current: EmbeddedBackground | None = None
        self._changing = threading.Lock()

    def set(self, image: Frame | str | Path) -> None:
        """Makes an image the background. On an error the one before stays.

        Args:
            image: Anything that ``segment()`` takes as a frame, of any size, or the path of an image file. Objects may
                stand in it.

        Raises:
            FrameError: The array, or what the file holds, is no image that can be segmented.
            MissingFileError: There is no such file.
            VideoError: The file is no image.
            ClosedError: The segmenter was closed.
        """
        bgr = to_bgr8(_read(image) if isinstance(image, (str, Path)) else image)
        with self._changing:
            self._replace(bgr)

    @property
    def image(self) -> Image | None:
        """A copy of the background, ``(H, W, 3) uint8 BGR`` at engine size; None before there is one."""
        current = self._current
        return None if current is None else current.image.copy()

    @property
    def id(self) -> int:
        """How many backgrounds were set so far; 0 before the first."""
        current = self._current
        return 0 if current is None else current.id

    @property
    def age_s(self) -> float | None:
        """Seconds since the background was set; None before there is one."""
        current = self._current
        return None if current is None else current.age_s

    def current_or_adopt(self, frame: Image) -> tuple[EmbeddedBackground, bool]:
        """Gives the background, which becomes ``frame`` if there is none yet.

        Args:
            frame: ``(H, W, 3) uint8 BGR``, any size.

        Returns:
            The background, and whether it is this very frame.
        """
        current = self._current
        if current is not None:
            return current, False
        with self._changing:
            # Another thread may have set one while this thread waited for the lock.
            if self._current is not None:
                return self._current, False
            return self._replace(frame), True

    def _replace(self, bgr: Image) -> EmbeddedBackground:
        scaled = fit(bgr, self._size)
        if np.shares_memory(scaled, bgr):
            # The caller's array: its next frame may be read into it.
            scaled = scaled.copy()
        fresh = EmbeddedBackground(
            image=scaled,
            features=self._embed(scaled),
            source_size=size_of(bgr),
            id=self.id + 1,
            set_at_s=time.monotonic(),
        )
        self._current = fresh
        return fresh


def _read(path: str | Path) -> Image:
    if not Path(path).exists():
        raise MissingFileError(f"expected a background image at {path}; there is no such file")
    return read_image(Path(path))


def temporal_median(images: Iterable[Frame]) -> Image:
    """Computes the median of many frames of a camera, pixel by pixel: what moves drops out.

    Of an even number the lower middle value is taken, so every level is one that was seen. The value is found bit by
    bit, by counting the frames that lie below a candidate: beside the frames this needs the memory of a few, where
    sorting a stack would need as much as all of them again, and it is several times faster.

    Args:
        images: Frames of one size, each anything that ``segment()`` takes.

    Returns:
        ``(H, W, 3) uint8 BGR``.

    Raises:
        FrameError: There are no frames, one is no image, or their sizes differ.
    """
    frames = [to_bgr8(image) for image in images]
    if not frames:
        raise FrameError("a median needs at least one frame; got none")
    for number, frame in enumerate(frames):
        if frame.shape != frames[0].shape:
            sizes = " and ".join(f"{width}x{height}" for width, height in (size_of(frames[0]), size_of(frame)))
            raise FrameError(f"a median needs frames of one size; frames 0 and {number} are {sizes}")
    rank = (len(frames) - 1) // 2
    median = np.zeros_like(frames[0])
    for bit in (128, 64, 32, 16, 8, 4, 2, 1):
        candidate = median | np.uint8(bit)
        below = np.zeros(median.shape, np.uint32)
        for frame in frames:
            below += frame < candidate
        np.copyto(median, candidate, where=below <= rank)
    return median
