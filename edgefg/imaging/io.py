"""Reading of image files, with a one-line error where a file is not a complete image."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from ..errors import EdgefgError, MediaError
from .containers import UnreadableImageError, cut_short, ends_as_png, picture_count, tiff_stack
from .jpeg import completed_jpeg

IMAGE_SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})

Image = npt.NDArray[np.uint8]


def natural_order(path: Path) -> list[tuple[int, str]]:
    """Returns a sort key that puts ``2.jpg`` before ``10.jpg``, folder by folder."""
    return [(int(word), "") if word.isdecimal() else (-1, word) for word in re.split(r"([0-9]+)", str(path))]


def read_image(path: Path, *, gray: bool = False, error: type[EdgefgError] = MediaError) -> Image:
    """Reads an image file.

    The orientation tag of a photograph is ignored: masks have none and must align with their frames.

    Args:
        path: The file.
        gray: Return one channel instead of three.
        error: Class of the error to raise, to match the caller's task.

    Returns:
        ``(H, W, 3) uint8 BGR``, or ``(H, W) uint8`` if ``gray``.

    Raises:
        EdgefgError: The file cannot be read, is truncated, is not an image, or holds several; raised as the class
            ``error``.
    """
    with reading(path, error):
        data = path.read_bytes()
        check_single(picture_count(data))
        return np.asarray(decoded(completed(data), "gray" if gray else "color"), np.uint8)


def check_single(count: int) -> None:
    """Raises UnreadableImageError for a file of which only one of several pictures can be meant."""
    if count > 1:
        raise UnreadableImageError(
            f"expected one picture, found {count}; save the one that you mean as a file of its own"
        )


@contextmanager
def reading(path: Path, error: type[EdgefgError] = MediaError) -> Iterator[None]:
    """Maps the errors of reading an image file to one line with its name, of the class ``error``."""
    try:
        yield
    except OSError as reason:
        if isinstance(reason, EdgefgError):
            raise
        raise error(f"{path}: cannot read this image: {reason.strerror or reason}") from reason
    except UnreadableImageError as reason:
        raise error(f"{path}: {reason}") from reason


def completed(data: bytes) -> bytes:
    """Returns the content of an image file, with the end marker that some cameras leave out of a JPEG.

    This is checked before decoding, because OpenCV 4 fills the missing part of a JPEG with grey and reports success.

    Raises:
        UnreadableImageError: The file is empty or ends early.
    """
    if not data:
        raise UnreadableImageError("expected an image, found an empty file; copy it again")
    whole: bytes | None = data
    if data.startswith(b"\xff\xd8"):
        whole = completed_jpeg(data)
    elif data.startswith(b"\x89PNG"):
        whole = data if ends_as_png(data) else None
    elif data.startswith(b"BM"):
        whole = data if len(data) >= int.from_bytes(data[2:6], "little") else None
    elif data.startswith(b"RIFF"):
        whole = data if len(data) >= 8 + int.from_bytes(data[4:8], "little") else None
    elif stack := tiff_stack(data):
        whole = data if stack.is_whole else None
    if whole is None:
        raise cut_short(data)
    return whole


def decoded(data: "bytes | npt.NDArray[np.uint8]", form: Literal["color", "gray", "as stored"]) -> npt.NDArray[Any]:
    """Decodes an image.

    Args:
        data: Content of a complete file.
        form: ``"color"`` for ``(H, W, 3) uint8 BGR``, ``"gray"`` for ``(H, W) uint8``, ``"as stored"`` for whatever
            channels and type of levels the file has.

    Raises:
        UnreadableImageError: The data cannot be decoded.
    """
    # Imported here, because devices without OpenCV compile bundles, and this module also has the type of images.
    import cv2

    flags = {"color": cv2.IMREAD_COLOR, "gray": cv2.IMREAD_GRAYSCALE, "as stored": cv2.IMREAD_UNCHANGED}[form]
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), flags | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error:
        image = None
    if image is None:
        raise UnreadableImageError("OpenCV cannot decode this image; copy or save it again")
    return np.asarray(image)
