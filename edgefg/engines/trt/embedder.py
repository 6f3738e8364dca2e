"""Embedding of backgrounds on the GPU, where their features stay."""

import itertools
import weakref
from collections import deque

import numpy as np

from ...imaging.io import Image
from ..pool import FairPool
from .cuda import Buffer, Gpu
from .plan import PlanContext
from .shapes import Shapes, float32_bytes, uint8_bytes


class Features:
    """A background's features on the GPU. Their memory is reused once nothing refers to this object."""

    _numbers = itertools.count(1)

    def __init__(self, buffer: Buffer) -> None:
        self.buffer = buffer
        self.number = next(self._numbers)


class Embedder:
    """Computes the features of backgrounds, one at a time, in a separate stream."""

    def __init__(self, gpu: Gpu, stage1: PlanContext, shapes: Shapes) -> None:
        self._gpu = gpu
        stream = gpu.stream()
        host_frame, on_gpu = gpu.pinned(shapes.frame, np.uint8), gpu.allocate(uint8_bytes(shapes.frame))
        self._lane = FairPool([(stage1, stream, host_frame, on_gpu)], "TensorRT engine")
        self._nbytes = float32_bytes(shapes.features)
        # Zeros stand for the background while a background itself is embedded.
        no_background = gpu.allocate(self._nbytes)
        gpu.clear(no_background, stream)
        handed = {name: gpu.allocate(float32_bytes(shape)) for name, shape in shapes.handed_on.items()}
        stage1.bind(frame=on_gpu, background_features=no_background, **handed)
        # Appending is atomic, so a finalizer may do it in any thread, regardless of the locks that it holds.
        self._unused: deque[Buffer] = deque()

    def embed(self, frame: Image) -> Features:
        """Embeds a background. The context must be current.

        Raises:
            ClosedError: The engine was closed.
        """
        with self._lane.lend() as (stage1, stream, host_frame, on_gpu):
            buffer = self._unused.pop() if self._unused else self._gpu.allocate(self._nbytes)
            try:
                stage1.bind(features=buffer)
                np.copyto(host_frame[0], frame)
                self._gpu.upload(on_gpu, host_frame, stream)
                stage1.enqueue(stream)
                stream.synchronize()
            except BaseException:
                self._unused.append(buffer)
                raise
        features = Features(buffer)
        weakref.finalize(features, self._unused.append, buffer).atexit = False
        return features

    def close(self) -> None:
        """Waits for the current work and rejects more, so that the memory can be freed."""
        self._lane.close()
