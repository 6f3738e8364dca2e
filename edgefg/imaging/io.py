"""Reading of image files, with a one-line error where a file is not a complete image."""

import re
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..errors import EdgefgError, MediaError

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
        EdgefgError: The file cannot be read, is truncated or is not an image; raised as the class ``error``.
    """
    try:
        data = path.read_bytes()
    except OSError as reason:
        raise error(f"{path}: cannot read this image: {reason.strerror or reason}") from reason
    if not data:
        raise error(f"{path}: expected an image, found an empty file; copy it again")
    if _is_cut_short(data):
        raise error(f"{path}: expected a complete image, found one cut short at {len(data)} bytes; copy it again")
    # Imported here, because devices without OpenCV compile bundles, and this module also has the type of images.
    import cv2

    colour = cv2.IMREAD_GRAYSCALE if gray else cv2.IMREAD_COLOR
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), colour | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error as reason:
        raise error(f"{path}: OpenCV cannot decode this image; copy or save it again") from reason
    if image is None:
        raise error(f"{path}: OpenCV cannot decode this image; copy or save it again")
    return np.asarray(image, np.uint8)


def _is_cut_short(data: bytes) -> bool:
    """Returns whether a JPEG, PNG or BMP ends earlier than its format says.

    This is checked before decoding, because OpenCV 4 fills the missing part of a JPEG with grey and reports success.
    """
    if data.startswith(b"\xff\xd8"):
        # An embedded thumbnail has an end marker of its own, so the last one must follow the last scan's start.
        return data.rfind(b"\xff\xd9") <= data.rfind(b"\xff\xda")
    if data.startswith(b"\x89PNG"):
        return b"IEND\xaeB`\x82" not in data  # the last chunk, with its checksum
    if data.startswith(b"BM"):
        return len(data) < int.from_bytes(data[2:6], "little")
    return False
