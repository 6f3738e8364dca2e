"""Image files: read whole, or an error that says in one line why not."""

import re
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..errors import EdgefgError, MediaError

IMAGE_SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})

Image = npt.NDArray[np.uint8]


def natural_order(path: Path) -> list[tuple[int, str]]:
    """Sort key that puts ``2.jpg`` before ``10.jpg``, folder by folder."""
    return [(int(word), "") if word.isdecimal() else (-1, word) for word in re.split(r"([0-9]+)", str(path))]


def read_image(path: Path, *, gray: bool = False, error: type[EdgefgError] = MediaError) -> Image:
    """Reads an image file.

    The orientation tag of a photograph is ignored: masks carry none, and must lie on their frames.

    Args:
        path: The file.
        gray: Give one channel, not three.
        error: What to raise, so that the message reads as part of the caller's job.

    Returns:
        ``(H, W, 3) uint8 BGR``, or ``(H, W) uint8`` if ``gray``.

    Raises:
        EdgefgError: Of the class ``error``: the file cannot be read, is cut short or is no image.
    """
    try:
        data = path.read_bytes()
    except OSError as reason:
        raise error(f"{path}: expected an image, cannot read it: {reason.strerror or reason}") from reason
    if not data:
        raise error(f"{path}: expected an image, the file is empty; copy it again")
    if _is_cut_short(data):
        raise error(f"{path}: expected a whole image, the file is cut short at {len(data)} bytes; copy it again")
    # Here: bundles are compiled on devices without OpenCV, and this module has the type of images, too.
    import cv2

    colour = cv2.IMREAD_GRAYSCALE if gray else cv2.IMREAD_COLOR
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), colour | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error as reason:
        raise error(f"{path}: expected an image, OpenCV cannot decode it; copy or save it again") from reason
    if image is None:
        raise error(f"{path}: expected an image, OpenCV cannot decode it; copy or save it again")
    return np.asarray(image, np.uint8)


def _is_cut_short(data: bytes) -> bool:
    """Whether a JPEG, PNG or BMP ends before its own format says.

    Asked before decoding, because OpenCV 4 fills the missing part of a JPEG with grey and reports success.
    """
    if data.startswith(b"\xff\xd8"):
        # An embedded thumbnail has an end marker of its own, so the last one must follow the last scan's start.
        return data.rfind(b"\xff\xd9") <= data.rfind(b"\xff\xda")
    if data.startswith(b"\x89PNG"):
        return b"IEND\xaeB`\x82" not in data  # the last chunk, with its checksum
    if data.startswith(b"BM"):
        return len(data) < int.from_bytes(data[2:6], "little")
    return False
