"""Reading of image files with any number of pictures, in levels of any depth."""

import mmap
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .containers import (
    Buffer,
    TiffStack,
    UnreadableImageError,
    WebpAnimation,
    apng_frames,
    cut_short,
    picture_count,
    still_webp,
    tiff_stack,
    webp_animation,
)
from .io import Image, check_single, completed, decoded, read_image, reading
from .levels import Levels

_MAX_WEBP_SIDE_PX = 16383


@dataclass(frozen=True, eq=False)
class Picture:
    """One picture of a file.

    Attributes:
        levels: ``(H, W)``, ``(H, W, 3)`` BGR or ``(H, W, 4)`` BGRA, in the file's own type of levels where asked for.
        duration_s: How long it is shown, in seconds; None if the file does not state it.
    """

    levels: npt.NDArray[Any]
    duration_s: float | None = None


def read_pictures(path: Path, *, deep: bool = False) -> Iterator[Picture]:
    """Reads the pictures of an image file, one at a time.

    Args:
        path: The file, which is no animated PNG.
        deep: Whether to keep levels of more than 8 bits. A TIFF always keeps them.

    Raises:
        MediaError: The file cannot be read, is not complete, or is not an image. Those before the damage are yielded.
    """
    with reading(path):
        data = _mapped(path)
        if stack := tiff_stack(data):
            yield from _pages(path, stack)
            if not stack.is_whole:
                raise cut_short(data)
        elif animation := webp_animation(data):
            yield from _frames(animation)
            if not animation.is_whole:
                raise cut_short(data)
        else:
            content = completed(bytes(data))
            if apng_frames(content) > 1:
                raise UnreadableImageError("expected a still PNG, found an animated one; pass it by itself, as a video")
            yield Picture(decoded(content, "as stored" if deep else "color"))


def count_pictures(path: Path) -> int:
    """Returns how many pictures an image file holds.

    Raises:
        MediaError: The file cannot be read, or is not complete.
    """
    with reading(path):
        return picture_count(_mapped(path))


def read_levels(path: Path, levels: Levels) -> Image:
    """Reads an image file with one picture by a camera's range of levels.

    Returns:
        ``(H, W, 3) uint8 BGR``.

    Raises:
        MediaError: The file cannot be read, is not complete, is not an image, or holds several.
        FrameError: Its levels are of a type that no frame can have.
    """
    if levels.value_range is None:
        return read_image(path)
    with reading(path):
        check_single(count_pictures(path))
        return levels.to_bgr8(next(read_pictures(path, deep=True)).levels)


def _mapped(path: Path) -> Buffer:
    """Returns a file's content without reading it at once: a stack may be larger than the memory."""
    with path.open("rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if path.stat().st_size else b""


def _pages(path: Path, stack: TiffStack) -> Iterator[Picture]:
    # OpenCV decodes the first page of a file: here, each page in turn, in a private copy of the header.
    data = np.memmap(path, np.uint8, "c")
    for page in stack.pages:
        number = np.frombuffer(struct.pack(stack.layout, page), np.uint8)
        data[stack.at : stack.at + len(number)] = number
        yield Picture(decoded(data, "as stored"))


def _frames(animation: WebpAnimation) -> Iterator[Picture]:
    width, height = animation.size
    if max(width, height) > _MAX_WEBP_SIDE_PX:
        raise UnreadableImageError(f"expected sides of at most {_MAX_WEBP_SIDE_PX} px, found {width}x{height}")
    canvas = np.zeros((height, width, 3), np.uint8)
    for frame in animation.frames:
        part = canvas[frame.y : frame.y + frame.height, frame.x : frame.x + frame.width]
        levels = decoded(still_webp(frame), "as stored")[: part.shape[0], : part.shape[1]]
        part = part[: levels.shape[0], : levels.shape[1]]
        if frame.blends and levels.shape[2] == 4:
            opacity = levels[..., 3:] / np.float32(255)
            part[:] = np.rint(part + (levels[..., :3] - part.astype(np.float32)) * opacity)
        else:
            part[:] = levels[..., :3]
        yield Picture(canvas.copy(), frame.duration_s)
        if frame.clears:
            part[:] = 0
