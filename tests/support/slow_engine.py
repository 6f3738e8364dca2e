"""An engine for tests of the pipeline, whose frames take as long as a test needs."""

import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from edgefg.bundle.bundle import Bundle
from edgefg.engines.protocol import Comparison, Outcome
from edgefg.errors import EngineError


class SlowEngine:
    """A stand-in whose frames take as long as a test needs, to make threads meet where they are to meet."""

    name, version, slots, max_batch = "slow", "0", 2, 1

    def __init__(self, bundle: Bundle) -> None:
        self.variant = bundle.variants[0]
        self.go = threading.Event()
        self.started: list[int] = []
        self.batches: list[int] = []
        self.closed = False

    def embed(self, frame: npt.NDArray[np.uint8]) -> int:
        if frame[0, 0, 0] == 13:
            raise EngineError("the thirteenth")
        return int(frame[0, 0, 0])

    def run(self, frame: npt.NDArray[np.uint8], features: int, early_exit: Any = None) -> Outcome:
        self.started.append(int(frame[0, 0, 0]))
        assert self.go.wait(10)
        if frame[0, 0, 0] == 13:
            raise EngineError("the thirteenth")
        return Outcome(np.zeros((12, 16), np.float32), np.zeros((48, 64), np.uint8), 1.0, 1.0)

    def run_batch(self, batch: Sequence[Comparison], early_exit: Any = None) -> list[Outcome]:
        self.batches.append(len(batch))
        return [self.run(frame, features, early_exit) for frame, features in batch]

    def close(self) -> None:
        self.closed = True


def numbered(number: int) -> npt.NDArray[np.uint8]:
    """A frame that `SlowEngine` knows again."""
    return np.full((48, 64, 3), number, np.uint8)
