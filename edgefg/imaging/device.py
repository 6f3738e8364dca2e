"""Frames that are on the GPU already, as decoders and other libraries hand them over."""

from dataclasses import dataclass
from typing import Any

from ..errors import FrameError


@dataclass(frozen=True, eq=False)
class DeviceFrame:
    """A frame in a GPU's memory: ``(H, W, 3) uint8 BGR`` without gaps.

    Attributes:
        address: Where its first pixel is.
        shape: Height, width, 3.
        stream: The stream whose work makes it, as ``__cuda_array_interface__`` has it; None if it is made.
        owner: Keeps the memory.
    """

    address: int
    shape: tuple[int, int, int]
    stream: int | None
    owner: Any


def is_on_device(array: object) -> bool:
    """Whether an array says that it is in a GPU's memory."""
    return hasattr(array, "__cuda_array_interface__")


def device_frame(array: Any, size: tuple[int, int]) -> DeviceFrame:
    """Reads what an array says of itself by ``__cuda_array_interface__``, version 2 or 3.

    Args:
        array: Of any library: pycuda, torch, cupy, numba, OpenCV's wrappers.
        size: Width and height that the networks take: frames on the GPU are not scaled.

    Raises:
        FrameError: It is no such frame.
    """
    width, height = size
    wanted = f"a frame on the GPU must be uint8 BGR of shape ({height}, {width}, 3) without gaps"
    said = array.__cuda_array_interface__
    shape, typestr, strides = tuple(said["shape"]), said["typestr"], said.get("strides")
    if shape != (height, width, 3) or typestr != "|u1" or said.get("mask") is not None:
        raise FrameError(f"{wanted}; got {typestr} of shape {shape}; scale and convert it there, or pass a NumPy array")
    if strides is not None and tuple(strides) != (width * 3, 3, 1):
        raise FrameError(f"{wanted}; got strides {tuple(strides)}; copy it to one without, or pass a NumPy array")
    return DeviceFrame(int(said["data"][0]), (height, width, 3), said.get("stream"), array)
