"""edgefg's kernel on the fake GPU: what it is told to compute, computed by OpenCV. The kernel itself runs elsewhere.

Tests marked ``gpu`` run it, on a GPU or under the driver in host memory.
"""

from collections.abc import Callable

import cv2
import numpy as np

from edgefg.imaging.convert import fit, to_bgr8

from .fake_device import CudaError, FakeGpu, Stream


class FakeModule:
    def __init__(self, gpu: FakeGpu, image: bytes) -> None:
        gpu.check_current()
        if b".version" not in image or not image.endswith(b"\0"):
            raise CudaError("a PTX JIT compilation failed")
        gpu.alive.add(self)
        self._gpu, self._image = gpu, image

    def get_function(self, name: str) -> "FakeFunction":
        if f".entry {name}(".encode() not in self._image:
            raise CudaError("named symbol not found")
        return FakeFunction(self._gpu, {"scale_packed": scale_packed, "scale_nv12": scale_nv12}[name])


class FakeFunction:
    def __init__(self, gpu: FakeGpu, compute: Callable[..., None]) -> None:
        self._gpu, self._compute = gpu, compute

    def __call__(self, *arguments: np.number, grid: tuple[int, ...], block: tuple[int, ...], stream: Stream) -> None:
        given = [argument.item() for argument in arguments]
        stream.add(lambda: self._compute(self._gpu, (grid[0] * block[0], grid[1] * block[1]), *given))


def scale_packed(
    gpu: FakeGpu,
    threads: tuple[int, int],
    address: int,
    pitch: int,
    pixel: int,
    width: int,
    height: int,
    target: int,
    *to: int,
) -> None:
    write(
        gpu,
        threads,
        to_bgr8(rows(gpu, address, pitch, width * pixel, height).reshape(height, width, pixel)),
        target,
        to,
    )


def scale_nv12(
    gpu: FakeGpu,
    threads: tuple[int, int],
    luma: int,
    luma_pitch: int,
    chroma: int,
    chroma_pitch: int,
    width: int,
    height: int,
    target: int,
    target_width: int,
    target_height: int,
    *factors: float,
) -> None:
    """OpenCV's colours are those of BT.601 in the limited range, whatever the factors."""
    planes = np.vstack(
        [rows(gpu, luma, luma_pitch, width, height), rows(gpu, chroma, chroma_pitch, width, height // 2)]
    )
    bgr = cv2.cvtColor(planes, cv2.COLOR_YUV2BGR_NV12)
    write(gpu, threads, np.asarray(bgr), target, (target_width, target_height))


def rows(gpu: FakeGpu, address: int, pitch: int, length: int, count: int) -> np.ndarray:
    return np.stack([gpu.at(address + row * pitch, length) for row in range(count)])


def write(gpu: FakeGpu, threads: tuple[int, int], image: np.ndarray, target: int, size: tuple[int, ...]) -> None:
    width, height = size
    if threads[0] < width or threads[1] < height:
        raise CudaError("the kernel does not reach all pixels")
    gpu.at(target, width * height * 3)[:] = fit(image, (width, height)).reshape(-1)
