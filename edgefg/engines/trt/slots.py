"""GPU memory and work for one frame in both stages, and for embedding a background."""

import itertools
import weakref
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np

from ...bundle.bundle import Bundle
from ...imaging.device import DeviceFrame
from ...imaging.io import Image
from ..io_spec import handed_on
from ..pool import FairPool
from ..protocol import EarlyExit, Outcome
from .cuda import Buffer, Gpu
from .plan import PlanContext
from .scaler import Scaler


class Features:
    """A background's features on the GPU. Their memory is reused once nothing refers to this object."""

    _numbers = itertools.count(1)

    def __init__(self, buffer: Buffer) -> None:
        self.buffer = buffer
        self.number = next(self._numbers)


class Shapes:
    """Shapes of the networks' arrays for a batch of one."""

    def __init__(self, bundle: Bundle) -> None:
        width, height = bundle.input_size
        self.frame = (1, height, width, 3)
        self.features = (1, bundle.feature_channels, height // 4, width // 4)
        self.handed_on = {name: (1, *(side or 1 for side in port.shape)) for name, port in handed_on(bundle).items()}
        self.distance = self.handed_on["distance"]
        self.probability = (1, height, width)


class Embedder:
    """Computes the features of backgrounds, one at a time, in a separate stream."""

    def __init__(self, gpu: Gpu, stage1: PlanContext, shapes: Shapes) -> None:
        self._gpu = gpu
        stream = gpu.stream()
        host_frame, on_gpu = gpu.pinned(shapes.frame, np.uint8), gpu.allocate(_bytes(shapes.frame))
        self._lane = FairPool([(stage1, stream, host_frame, on_gpu)], "TensorRT engine")
        self._nbytes = _floats(shapes.features)
        # Zeros stand for the background while a background itself is embedded.
        no_background = gpu.allocate(self._nbytes)
        gpu.clear(no_background, stream)
        handed = {name: gpu.allocate(_floats(shape)) for name, shape in shapes.handed_on.items()}
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


class Slot:
    """The resources that take one frame through both stages."""

    def __init__(
        self,
        gpu: Gpu,
        contexts: tuple[PlanContext, PlanContext],
        shapes: Shapes,
        scaler: Scaler,
        blank: Features,
        graphs: bool,
    ) -> None:
        self._gpu = gpu
        self._scaler = scaler
        self._stage1, self._stage2 = contexts
        self._stream = gpu.stream()
        self._began, self._compared, self._ended = (gpu.event() for _ in range(3))
        self._frame = gpu.allocate(_bytes(shapes.frame))
        self._background = gpu.allocate(_floats(shapes.features))
        handed = {name: gpu.allocate(_floats(shape)) for name, shape in shapes.handed_on.items()}
        self._distance = handed["distance"]
        self._probability = gpu.allocate(_bytes(shapes.probability))
        self._host_frame = gpu.pinned(shapes.frame, np.uint8)
        self._host_distance = gpu.pinned(shapes.distance, np.float32)
        self._host_probability = gpu.pinned(shapes.probability, np.uint8)
        features = gpu.allocate(_floats(shapes.features))
        # What stage 1 hands on stays where it is on the GPU.
        self._stage1.bind(frame=self._frame, background_features=self._background, features=features, **handed)
        self._stage2.bind(frame=self._frame, probability=self._probability, **handed)
        self._holds = 0
        # Graphs, or None. A slot that held its own methods would be freed only when Python collects reference cycles.
        self._compare: Callable[[], None] | None = None
        self._outline: Callable[[], None] | None = None
        self.run(np.zeros(shapes.frame[1:], np.uint8), blank)
        if graphs and all(context.can_be_captured(self._stream) for context in contexts):
            self._compare = gpu.record(self._enqueue_stage1, self._stream)
            self._outline = gpu.record(self._enqueue_stage2, self._stream)

    @property
    def has_graphs(self) -> bool:
        """Whether each stage is launched as a CUDA graph."""
        return self._compare is not None and self._outline is not None

    @property
    def pcie_bytes(self) -> dict[str, int]:
        """Bytes that a frame on the host moves over the bus."""
        down = self._host_distance.nbytes + self._host_probability.nbytes
        return {"to_gpu": self._host_frame.nbytes, "from_gpu": down}

    def run(self, frame: Image | DeviceFrame, features: Features, early_exit: EarlyExit | None = None) -> Outcome:
        self.start(frame, features)
        if early_exit is not None:
            self._compared.synchronize()
            if early_exit(self._host_distance[0]):
                return Outcome(self._host_distance[0].copy(), None, self._compared.time_since(self._began), 0.0)
        self.outline()
        self.wait()
        return Outcome(
            self._host_distance[0].copy(),
            self._host_probability[0].copy(),
            self._compared.time_since(self._began),
            self._ended.time_since(self._compared),
        )

    def start(self, frame: Image | DeviceFrame, features: Features) -> None:
        """Enqueues stage 1."""
        stream = self._stream
        if isinstance(frame, DeviceFrame):
            if frame.ready is not None:
                frame.ready.delay(stream)
            self._began.record(stream)
            self._scaler.put(frame, self._frame, stream)
        else:
            np.copyto(self._host_frame[0], frame)
            self._began.record(stream)
            self._gpu.upload(self._frame, self._host_frame, stream)
        if self._holds != features.number:
            # A copy within the GPU, needed only after a refresh or for another camera than the slot's last.
            self._gpu.copy(self._background, features.buffer.address, stream)
            self._holds = features.number
        if self._compare is None:
            self._enqueue_stage1(stream)
        else:
            self._compare()
        self._compared.record(stream)

    def outline(self) -> None:
        """Enqueues stage 2."""
        if self._outline is None:
            self._enqueue_stage2(self._stream)
        else:
            self._outline()
        self._ended.record(self._stream)

    def wait(self) -> None:
        """Waits for stage 2."""
        self._ended.synchronize()

    def _enqueue_stage1(self, stream: Any) -> None:
        self._stage1.enqueue(stream)
        self._gpu.download(self._host_distance, self._distance, stream)

    def _enqueue_stage2(self, stream: Any) -> None:
        self._stage2.enqueue(stream)
        self._gpu.download(self._host_probability, self._probability, stream)


def _bytes(shape: tuple[int, ...]) -> int:
    return int(np.prod(shape))


def _floats(shape: tuple[int, ...]) -> int:
    return _bytes(shape) * 4
