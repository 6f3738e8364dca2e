"""GPU memory and work for a batch of frames in both stages."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ...imaging.device import DeviceFrame
from ..protocol import Comparison, EarlyExit, Outcome
from .cuda import Gpu
from .embedder import Features
from .launch import StageLaunch
from .plan import PlanContext
from .scaler import Scaler
from .shapes import Shapes, float32_bytes, uint8_bytes


class StageContexts(NamedTuple):
    """The contexts of both stages for one number of frames."""

    stage1: PlanContext
    stage2: PlanContext


class Slot:
    """The resources that take a batch of frames through both stages.

    Each frame has a row of every array. A batch takes the first rows, so fewer frames cost no more than their share.
    """

    def __init__(
        self,
        gpu: Gpu,
        contexts: Sequence[StageContexts],
        shapes: Shapes,
        scaler: Scaler,
        blank: Features,
        graphs: bool,
    ) -> None:
        """Allocates all memory, and runs batches of each size.

        Args:
            gpu: The GPU.
            contexts: Contexts for batches of one frame, of two, and so on.
            shapes: Shapes of the largest batch.
            scaler: What brings frames on the GPU to the networks' size.
            blank: Features to compare frames with in these first runs.
            graphs: Whether to launch each stage as a CUDA graph, where that is possible.
        """
        self._gpu = gpu
        self._scaler = scaler
        stream = self._stream = gpu.stream()
        self._began, self._compared, self._ended = (gpu.event() for _ in range(3))
        frame = gpu.allocate(uint8_bytes(shapes.frame))
        background = gpu.allocate(float32_bytes(shapes.features))
        handed = {name: gpu.allocate(float32_bytes(shape)) for name, shape in shapes.handed_on.items()}
        probability = gpu.allocate(uint8_bytes(shapes.probability))
        self._host_frame = gpu.pinned(shapes.frame, np.uint8)
        self._host_distance = gpu.pinned(shapes.distance, np.float32)
        self._host_probability = gpu.pinned(shapes.probability, np.uint8)
        features = gpu.allocate(float32_bytes(shapes.features))
        self._frame_rows = frame.split(shapes.batch)
        self._background_rows = background.split(shapes.batch)
        self._handed_rows = [buffer.split(shapes.batch) for buffer in handed.values()]
        self._holds = [0] * shapes.batch
        # By the number of frames, from one on.
        self._stage1: list[StageLaunch] = []
        self._stage2: list[StageLaunch] = []
        for count, (first, second) in enumerate(contexts, 1):
            distances, probabilities = self._host_distance[:count], self._host_probability[:count]
            inputs = {"frame": frame, "background_features": background, "features": features}
            # What stage 1 hands on stays where it is on the GPU.
            self._stage1.append(StageLaunch(gpu, first, handed["distance"], distances, stream, **inputs, **handed))
            outputs = {"frame": frame, "probability": probability}
            self._stage2.append(StageLaunch(gpu, second, probability, probabilities, stream, **outputs, **handed))
            self.run([Comparison(np.zeros(shapes.frame[1:], np.uint8), blank)] * count)
            if graphs:
                self._stage1[-1].record()
                self._stage2[-1].record()

    def let_go(self) -> None:
        """Drops all that the slot holds. Nothing works afterwards."""
        vars(self).clear()

    @property
    def has_graphs(self) -> bool:
        """Whether each stage is launched as a CUDA graph."""
        return all(launch.is_graph for launch in (*self._stage1, *self._stage2))

    @property
    def pcie_bytes(self) -> dict[str, int]:
        """Bytes that a frame on the host moves over the bus."""
        down = self._host_distance[0].nbytes + self._host_probability[0].nbytes
        return {"to_gpu": self._host_frame[0].nbytes, "from_gpu": down}

    def run(self, batch: Sequence[Comparison], early_exit: EarlyExit | None = None) -> list[Outcome]:
        """Takes a batch through both stages. Frames that ``early_exit`` finds quiet leave after stage 1."""
        self.start(batch)
        rows = list(range(len(batch)))
        if early_exit is not None:
            self._compared.synchronize()
            rows = [row for row in rows if not early_exit(self._host_distance[row])]
        stage2_ms = 0.0
        if rows:
            self.outline(rows)
            self.wait()
            stage2_ms = self._ended.time_since(self._compared)
        stage1_ms = self._compared.time_since(self._began)
        outcomes = [Outcome(distance.copy(), None, stage1_ms, 0.0) for distance in self._host_distance[: len(batch)]]
        for place, row in enumerate(rows):
            probability = self._host_probability[place].copy()
            outcomes[row] = Outcome(outcomes[row].distance, probability, stage1_ms, stage2_ms)
        return outcomes

    def start(self, batch: Sequence[Comparison]) -> None:
        """Enqueues stage 1."""
        stream = self._stream
        for row, (frame, _) in enumerate(batch):
            if not isinstance(frame, DeviceFrame):
                np.copyto(self._host_frame[row], frame)
            elif frame.ready is not None:
                frame.ready.delay(stream)
        self._began.record(stream)
        for row, (frame, features) in enumerate(batch):
            if isinstance(frame, DeviceFrame):
                self._scaler.put(frame, self._frame_rows[row], stream)
            else:
                self._gpu.upload(self._frame_rows[row], self._host_frame[row], stream)
            if self._holds[row] != features.number:
                # A copy within the GPU, needed only after a refresh or for another camera than the row's last.
                self._gpu.copy(self._background_rows[row], features.buffer.address, stream)
                self._holds[row] = features.number
        self._stage1[len(batch) - 1]()
        self._compared.record(stream)

    def outline(self, rows: Sequence[int]) -> None:
        """Enqueues stage 2 for some rows, in ascending order. What it finds is in the first rows."""
        for place, row in enumerate(rows):
            if place != row:
                # A copy within the GPU costs much less than stage 2 for the rows between. None is still needed there.
                for parts in (self._frame_rows, *self._handed_rows):
                    self._gpu.copy(parts[place], parts[row].address, self._stream)
        self._stage2[len(rows) - 1]()
        self._ended.record(self._stream)

    def wait(self) -> None:
        """Waits for stage 2."""
        self._ended.synchronize()
