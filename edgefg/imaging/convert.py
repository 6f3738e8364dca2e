"""Conversion of any camera's pixels to the 8-bit BGR images that the networks read, and scaling."""

from typing import Any, cast

import cv2
import numpy as np
import numpy.typing as npt

from ..errors import FrameError
from .device import MIN_SIDE_PX, DeviceFrame, is_on_device
from .io import Image

# A frame as cameras and decoders deliver it, where an `Image` is 8-bit BGR.
Frame = npt.NDArray[np.uint8] | npt.NDArray[np.uint16] | npt.NDArray[np.floating[Any]]

# Rounding to whole pixels changes the aspect ratio of small frames by up to this much; a crop changes it more.
ASPECT_TOLERANCE = 0.02

_ACCEPTED = "a uint8 or uint16 array of shape (H, W), (H, W, 1), (H, W, 3) BGR or (H, W, 4) BGRA"


def to_bgr8(array: object) -> Image:
    """Converts a frame from a camera or decoder to 8-bit BGR.

    Gray is repeated to three channels, alpha is dropped, and 16-bit levels are divided by 257 (65535 becomes 255) and
    rounded. Any memory layout and byte order works.

    Args:
        array: ``(H, W)``, ``(H, W, 1)``, ``(H, W, 3)`` BGR or ``(H, W, 4)`` BGRA, uint8 or uint16.

    Returns:
        ``(H, W, 3) uint8 BGR``, C-contiguous. Returns ``array`` itself if it has this form already.

    Raises:
        FrameError: ``array`` is not such an image, or a side is shorter than 16 px.
    """
    if not isinstance(array, np.ndarray):
        raise FrameError(f"a frame must be {_ACCEPTED}; got {_named(array)}")
    _check_layout(array)
    eight_bit = array.dtype.itemsize == 1
    # Not array.dtype: big-endian cameras and TIFF files have '>u2', which OpenCV would misread.
    pixels: npt.NDArray[Any] = np.ascontiguousarray(array, dtype=np.uint8 if eight_bit else np.uint16)
    if not eight_bit:
        pixels = np.asarray(cv2.convertScaleAbs(pixels, alpha=1 / 257))
    channels = 1 if array.ndim == 2 else array.shape[2]
    if channels == 1:
        pixels = np.asarray(cv2.cvtColor(pixels, cv2.COLOR_GRAY2BGR))
    elif channels == 4:
        pixels = np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGRA2BGR))
    return pixels


def _named(other: object) -> str:
    """Names an object that is not an array, and adds a hint on how to fix it."""
    if other is None:
        return "None: a video that is missing or has ended returns no frame"
    name = type(other).__name__
    if is_on_device(other):
        return f"{name} in GPU memory: copy it to the host, or use a TensorRT engine"
    return name


def _check_layout(array: npt.NDArray[np.generic]) -> None:
    found = f"{array.dtype} of shape {array.shape}"
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (1, 3, 4)):
        raise FrameError(f"a frame must be {_ACCEPTED}; got {found}")
    if array.dtype.kind != "u" or array.dtype.itemsize > 2:
        hints = ["scale it to 0..255 and use .astype(np.uint8)"] if array.dtype.kind in "fb" else []
        if array.dtype.kind in "iuf" and array.dtype.itemsize > 1:
            hints.append("pass value_range=(low, high) or 'auto'")
        raise FrameError(f"a frame must be {_ACCEPTED}; got {'; '.join([found, ', or '.join(hints)])}".rstrip("; "))
    if min(array.shape[:2]) < MIN_SIDE_PX:
        raise FrameError(f"a frame must be at least {MIN_SIDE_PX} px high and wide; got {found}")


def fit(image: Image, size: tuple[int, int]) -> Image:
    """Scales an image to a size, each axis independently.

    An axis that shrinks is averaged over areas, so that no thin object is lost between the samples. An axis that grows
    is interpolated.

    Args:
        image: ``(H, W)`` or ``(H, W, C)`` uint8.
        size: New width and height, in pixels.

    Returns:
        The scaled image, or ``image`` itself if it has that size already.
    """
    width, height = size
    least = min(width, image.shape[1]), min(height, image.shape[0])
    if least != (image.shape[1], image.shape[0]):
        image = cast(Image, cv2.resize(image, least, interpolation=cv2.INTER_AREA))
    if least != size:
        image = cast(Image, cv2.resize(image, size, interpolation=cv2.INTER_LINEAR))
    return image


def size_of(image: npt.NDArray[np.generic] | DeviceFrame) -> tuple[int, int]:
    """Returns the width and height of an image in pixels, in OpenCV's order."""
    return image.shape[1], image.shape[0]


def same_aspect(size: tuple[int, int], other: tuple[int, int]) -> bool:
    """Returns whether the aspect ratios of two (width, height) sizes agree within 2%."""
    return abs(size[0] * other[1] / (size[1] * other[0]) - 1) <= ASPECT_TOLERANCE
