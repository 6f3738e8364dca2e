"""The temporal median of frames, which is a background without moving objects."""

from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from pathlib import Path

import numpy as np

from ..errors import FrameError
from .convert import Frame, size_of, to_bgr8
from .io import Image

MAX_HELD_BYTES = 512 << 20
"""Limit of the frames that a median over files keeps: 2,300 at 320x240. A whole CDnet2014 sequence would take 7 GB."""

_NO_FRAMES = "a median needs at least one frame; got none"


def temporal_median(images: Iterable[Frame]) -> Image:
    """Computes the median of a camera's frames at each pixel, which removes moving objects.

    For an even number of frames the lower middle value is taken, so every level was seen in a frame. The value is found
    bit by bit, by counting the frames below a candidate. Next to the frames this needs memory for a few more, where
    sorting would need a copy of all, and it is several times faster.

    Args:
        images: Frames of one size, each in any form that ``segment()`` accepts.

    Returns:
        ``(H, W, 3) uint8 BGR``.

    Raises:
        FrameError: There are no frames, one is not an image, or their sizes differ.
    """
    frames = [to_bgr8(image) for image in images]
    if not frames:
        raise FrameError(_NO_FRAMES)
    return _median(frames[0], len(frames), lambda: frames)


def median_of_files(
    files: Sequence[Path], read: Callable[[Path], Image], max_held_bytes: int = MAX_HELD_BYTES
) -> Image:
    """Computes the same median of any number of files in little memory.

    Args:
        files: The frames' files.
        read: Returns the frame of a file, ``(H, W, 3) uint8 BGR``, the same at every call.
        max_held_bytes: Limit of the frames kept in memory. Frames beyond it are read eight times, once for each bit.

    Returns:
        ``(H, W, 3) uint8 BGR``.

    Raises:
        FrameError: There are no files, or the sizes of the frames differ.
    """
    if not files:
        raise FrameError(_NO_FRAMES)
    first = read(files[0])
    held = [first]
    for file in files[1:]:
        if (len(held) + 1) * first.nbytes > max_held_bytes:
            break
        held.append(read(file))
    return _median(first, len(files), lambda: chain(held, map(read, files[len(held) :])))


def _median(first: Image, count: int, frames: Callable[[], Iterable[Image]]) -> Image:
    """Computes the median in eight passes over all frames, one for each bit."""
    rank = (count - 1) // 2
    median = np.zeros_like(first)
    for bit in (128, 64, 32, 16, 8, 4, 2, 1):
        candidate = median | np.uint8(bit)
        below = np.zeros(median.shape, np.uint32)
        for number, frame in enumerate(frames()):
            if frame.shape != first.shape:
                sizes = " and ".join(f"{width}x{height}" for width, height in (size_of(first), size_of(frame)))
                raise FrameError(f"a median needs frames of one size; frames 0 and {number} are {sizes}")
            below += frame < candidate
        np.copyto(median, candidate, where=below <= rank)
    return median
