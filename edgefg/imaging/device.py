"""Frames that are already in GPU memory, from decoders and other libraries."""

from dataclasses import dataclass
from typing import Any

from ..errors import FrameError


@dataclass(frozen=True, eq=False)
class DeviceFrame:
    """A frame in GPU memory: ``(H, W, 3) uint8 BGR`` without gaps.

    Attributes:
        address: Address of the first pixel.
        shape: Height, width, 3.
        stream: Stream that produces the frame, as in ``__cuda_array_interface__``; None if the frame is finished.
        owner: Object that keeps the memory allocated.
    """

    address: int
    shape: tuple[int, int, int]
    stream: int | None
    owner: Any


def is_on_device(array: object) -> bool:
    """Returns whether an array declares that it is in GPU memory."""
    return hasattr(array, "__cuda_array_interface__")


def device_frame(array: Any, size: tuple[int, int]) -> DeviceFrame:
    """Reads an array's ``__cuda_array_interface__``, version 2 or 3.

    Args:
        array: Array of any library, such as pycuda, torch, cupy, numba or OpenCV's wrappers.
        size: Width and height of the networks' input. Frames on the GPU are not scaled.

    Raises:
        FrameError: The array is not a frame of that size.
    """
    width, height = size
    wanted = f"a frame on the GPU must be uint8 BGR of shape ({height}, {width}, 3) without gaps"
    interface = array.__cuda_array_interface__
    shape, typestr, strides = tuple(interface["shape"]), interface["typestr"], interface.get("strides")
    if shape != (height, width, 3) or typestr != "|u1" or interface.get("mask") is not None:
        raise FrameError(f"{wanted}; got {typestr} of shape {shape}; scale and convert it there, or pass a NumPy array")
    if strides is not None and tuple(strides) != (width * 3, 3, 1):
        raise FrameError(f"{wanted}; got strides {tuple(strides)}; copy it to one without, or pass a NumPy array")
    return DeviceFrame(int(interface["data"][0]), (height, width, 3), interface.get("stream"), array)
