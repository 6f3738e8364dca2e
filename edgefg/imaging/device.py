"""Frames that are already in GPU memory, from decoders and other libraries."""

import math
from dataclasses import dataclass
from typing import Any, Protocol, TypeGuard

from ..errors import FrameError
from .nv12 import Nv12Frame, YuvToBgr

MIN_SIDE_PX = 16
"""With shorter sides, a quarter-size distance map holds almost no information."""

_LEGACY_DEFAULT_STREAM = 1
_FIRST_VERSION_WITH_STREAM = 3


class CudaArray(Protocol):
    """An array in GPU memory, of any library."""

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        """Where it lies, in version 2 or 3 of the interface."""


GpuFrame = CudaArray | Nv12Frame
"""A frame in GPU memory as users pass it."""


@dataclass(frozen=True, eq=False)
class Plane:
    """Rows of pixels in GPU memory.

    Attributes:
        address: Address of the first pixel.
        pitch: Bytes from one row to the next.
        owner: Object that keeps the memory allocated.
    """

    address: int
    pitch: int
    owner: Any


@dataclass(frozen=True, eq=False)
class DeviceFrame:
    """A frame in GPU memory.

    Attributes:
        planes: One plane of gray, BGR or BGRA; or NV12's luma and chroma.
        shape: Height, width, and bytes a pixel in the first plane: 1, 3 or 4.
        stream: Stream that produces the frame, as in ``__cuda_array_interface__``: a handle, or 1 or 2 for CUDA's
            default streams, of which 2 is this thread's; None if the frame is finished, or if `by_dlpack`.
        by_dlpack: Whether the first plane's owner names no stream, but makes one wait for its work by ``__dlpack__``.
        yuv: How NV12 becomes BGR; None for other frames.
        ready: Moment at which the frame is finished, as the engine's ``receive`` sets it.
    """

    planes: tuple[Plane, ...]
    shape: tuple[int, int, int]
    stream: int | None
    by_dlpack: bool = False
    yuv: YuvToBgr | None = None
    ready: Any = None

    def lies_as(self, size: tuple[int, int]) -> bool:
        """Returns whether the memory is ``(H, W, 3) uint8 BGR`` of this width and height without gaps."""
        width, height = size
        return self.yuv is None and self.shape == (height, width, 3) and self.planes[0].pitch == 3 * width


def is_on_device(array: object) -> TypeGuard[GpuFrame]:
    """Returns whether an array declares that it is in GPU memory."""
    return hasattr(array, "__cuda_array_interface__") or isinstance(array, Nv12Frame)


def device_frame(array: GpuFrame) -> DeviceFrame:
    """Reads an array's ``__cuda_array_interface__``, version 2 or 3, in the thread that has the array.

    Some libraries report the stream that this thread uses. Version 2, torch's, knows no streams: there the frame waits
    for all that torch enqueued, by DLPack, or else for the default stream.

    Args:
        array: Array of any library, such as pycuda, torch, cupy, numba or OpenCV's wrappers: ``(H, W)``, ``(H, W, 1)``
            gray, ``(H, W, 3)`` BGR or ``(H, W, 4)`` BGRA, uint8, of which only rows may have gaps between them. Or
            `edgefg.Nv12Frame`.

    Raises:
        FrameError: The array is not such a frame, or a side is shorter than 16 px.
    """
    if isinstance(array, Nv12Frame):
        return _nv12(array)
    plane, shape, stream, by_dlpack = _plane(array)
    pixel = 1 if len(shape) == 2 else shape[2]
    if pixel not in (1, 3, 4) or min(shape[:2]) < MIN_SIDE_PX:
        raise FrameError(
            "a frame on the GPU must be uint8 of shape (H, W), (H, W, 3) BGR or (H, W, 4) BGRA, at least "
            f"{MIN_SIDE_PX} px high and wide; got {shape}; convert it there, or pass a NumPy array"
        )
    return DeviceFrame((plane,), (shape[0], shape[1], pixel), stream, by_dlpack)


def _nv12(frame: Nv12Frame) -> DeviceFrame:
    luma, shape, stream, by_dlpack = _plane(frame.luma)
    chroma, pairs, other_stream, _ = _plane(frame.chroma)
    if len(shape) == 3 and shape[2] == 1:
        shape = shape[:2]
    if len(shape) != 2 or min(shape) < MIN_SIDE_PX or shape[0] % 2 or shape[1] % 2:
        raise FrameError(
            f"NV12's luma must be uint8 of shape (H, W), both even and at least {MIN_SIDE_PX}; got {shape}; crop it"
        )
    height, width = shape
    if pairs not in ((height // 2, width // 2, 2), (height // 2, width)):
        wanted = f"({height // 2}, {width // 2}, 2) or ({height // 2}, {width})"
        raise FrameError(f"NV12's chroma must be uint8 of shape {wanted} for its luma of {shape}; got {pairs}")
    if stream != other_stream:
        raise FrameError(
            f"NV12's luma and chroma must be made in one stream; got {stream} and {other_stream}; make one wait for "
            "the other, and name that"
        )
    return DeviceFrame((luma, chroma), (height, width, 1), stream, by_dlpack, frame.to_bgr)


def _plane(array: CudaArray) -> tuple[Plane, tuple[int, ...], int | None, bool]:
    """Returns an array's plane, its shape, its stream, and whether that is asked for by DLPack."""
    interface = array.__cuda_array_interface__
    shape, typestr, strides = tuple(interface["shape"]), interface["typestr"], interface.get("strides")
    if typestr != "|u1" or interface.get("mask") is not None or len(shape) not in (2, 3):
        raise FrameError(
            "a frame on the GPU must be uint8 of shape (H, W), (H, W, 3) BGR or (H, W, 4) BGRA; "
            f"got {typestr} of shape {shape}; convert it there, or pass a NumPy array"
        )
    row = math.prod(shape[1:])
    pitch = row if strides is None else strides[0]
    # Rows may lie apart, as decoders align them, but the pixels of one are neighbours.
    neighbours = (1,) if len(shape) == 2 else (shape[2], 1)
    if strides is not None and (tuple(strides[1:]) != neighbours or pitch < row):
        raise FrameError(
            f"a frame on the GPU must have its pixels side by side in each row; got shape {shape} with strides "
            f"{tuple(strides)}; copy it, or pass a NumPy array"
        )
    stream, by_dlpack = interface.get("stream"), False
    if interface["version"] < _FIRST_VERSION_WITH_STREAM:
        by_dlpack = hasattr(array, "__dlpack__")
        stream = None if by_dlpack else _LEGACY_DEFAULT_STREAM
    return Plane(int(interface["data"][0]), pitch, array), shape, stream, by_dlpack
