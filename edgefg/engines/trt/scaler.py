"""Frames on the GPU at the networks' size: scaled and converted there by a kernel, `scale.cu`."""

import threading
from pathlib import Path
from typing import Any

import numpy as np

from ...imaging.device import DeviceFrame
from ...imaging.io import Image
from .cuda import Buffer, Gpu, Kernel, Span

_ARGUMENTS = {"scale_packed": "PqiiiPii", "scale_nv12": "PqPqiiPiiffffff"}


def kernel_image() -> bytes:
    """Returns the kernel in PTX, which the driver translates for its GPU, with the zero at the end that it needs."""
    return Path(__file__).with_name("scale.ptx").read_bytes() + b"\0"


class Scaler:
    """Scales as `edgefg.imaging.convert.fit` does on the host, within a level of 255. Any thread may call it.

    The kernel is loaded with the first frame that needs it: most programs pass none.
    """

    def __init__(self, gpu: Gpu, size: tuple[int, int]) -> None:
        """Makes a scaler to the networks' width and height."""
        self._gpu = gpu
        self._size = size
        self._loading = threading.Lock()
        self._kernels: dict[str, Kernel] = {}
        self._reading = threading.Lock()
        self._lane: tuple[Any, Buffer] | None = None

    def put(self, frame: DeviceFrame, target: Span, stream: Any) -> None:
        """Enqueues a frame's pixels at the networks' size. The context must be current.

        Args:
            frame: The frame.
            target: Memory for ``(H, W, 3) uint8 BGR``.
            stream: Stream to work in, which waits for the frame already.
        """
        first = frame.planes[0]
        if frame.lies_as(self._size):
            self._gpu.copy(target, first.address, stream)
            return
        kernels = self._loaded()
        height, width, pixel = frame.shape
        to = (width, height, target.address, *self._size)
        if frame.yuv is None:
            kernels["scale_packed"].launch(self._size, stream, first.address, first.pitch, pixel, *to)
        else:
            chroma = frame.planes[1]
            planes = (first.address, first.pitch, chroma.address, chroma.pitch)
            kernels["scale_nv12"].launch(self._size, stream, *planes, *to, *frame.yuv)

    def to_host(self, frame: DeviceFrame) -> Image:
        """Copies a frame to the host, ``(H, W, 3) uint8 BGR`` at the networks' size. The context must be current."""
        width, height = self._size
        with self._reading:
            if self._lane is None:
                self._lane = self._gpu.stream(), self._gpu.allocate(width * height * 3)
            stream, buffer = self._lane
            if frame.ready is not None:
                frame.ready.delay(stream)
            self.put(frame, buffer, stream)
            stream.synchronize()
            return self._gpu.read(buffer.address, (height, width, 3), np.uint8)

    def close(self) -> None:
        """Waits for the current copy, and drops all that is on the GPU, which frees it."""
        with self._reading, self._loading:
            self._lane, self._kernels = None, {}

    def _loaded(self) -> dict[str, Kernel]:
        with self._loading:
            if not self._kernels:
                self._kernels = self._gpu.kernels(kernel_image(), _ARGUMENTS)
            return self._kernels
