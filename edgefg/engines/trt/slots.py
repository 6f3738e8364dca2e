"""GPU memory and work for one frame in both stages."""

from collections.abc import Callable
from typing import Any

import numpy as np

from ...imaging.device import DeviceFrame
from ...imaging.io import Image
from ..protocol import EarlyExit, Outcome
from .cuda import Gpu
from .embedder import Features
from .plan import PlanContext
from .shapes import Shapes, float32_bytes, uint8_bytes


class Slot:
    """The resources that take one frame through both stages."""

    def __init__(
        self, gpu: Gpu, contexts: tuple[PlanContext, PlanContext], shapes: Shapes, blank: Features, graphs: bool
    ) -> None:
        self._gpu = gpu
        self._stage1, self._stage2 = contexts
        self._stream = gpu.stream()
        self._began, self._compared, self._ended = (gpu.event() for _ in range(3))
        self._frame = gpu.allocate(uint8_bytes(shapes.frame))
        self._background = gpu.allocate(float32_bytes(shapes.features))
        handed = {name: gpu.allocate(float32_bytes(shape)) for name, shape in shapes.handed_on.items()}
        self._distance = handed["distance"]
        self._probability = gpu.allocate(uint8_bytes(shapes.probability))
        self._host_frame = gpu.pinned(shapes.frame, np.uint8)
        self._host_distance = gpu.pinned(shapes.distance, np.float32)
        self._host_probability = gpu.pinned(shapes.probability, np.uint8)
        features = gpu.allocate(float32_bytes(shapes.features))
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
    def pcieuint8_bytes(self) -> dict[str, int]:
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
            self._gpu.copy(self._frame, frame.address, stream)
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
