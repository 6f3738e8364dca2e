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
        stream: Stream that produces the frame, as in ``__cuda_array_interface__``: a handle, or 1 or 2 for CUDA's
            default streams, of which 2 is this thread's; None if the frame is finished, or if `by_dlpack`.
        owner: Object that keeps the memory allocated.
        by_dlpack: Whether the owner names no stream, but makes one wait for its work by ``__dlpack__``.
        ready: Moment at which the frame is finished, as the engine's ``receive`` sets it.
    """

    address: int
    shape: tuple[int, int, int]
    stream: int | None
    owner: Any
    by_dlpack: bool = False
    ready: Any = None


def is_on_device(array: object) -> bool:
    """Returns whether an array declares that it is in GPU memory."""
    return hasattr(array, "__cuda_array_interface__")


_LEGACY_DEFAULT_STREAM = 1
_FIRST_VERSION_WITH_STREAM = 3


def device_frame(array: Any, size: tuple[int, int]) -> DeviceFrame:
    """Reads an array's ``__cuda_array_interface__``, version 2 or 3, in the thread that has the array.

    Some libraries report the stream that this thread uses. Version 2, torch's, knows no streams: there the frame waits
    for all that torch enqueued, by DLPack, or else for the default stream.

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
    stream, by_dlpack = interface.get("stream"), False
    if interface["version"] < _FIRST_VERSION_WITH_STREAM:
        by_dlpack = hasattr(array, "__dlpack__")
        stream = None if by_dlpack else _LEGACY_DEFAULT_STREAM
    return DeviceFrame(int(interface["data"][0]), (height, width, 3), stream, array, by_dlpack)
