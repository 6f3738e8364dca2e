"""The engine for libraries that compute on host arrays, with one call per stage."""

import time
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from ..bundle.bundle import Bundle, Variant
from ..imaging.io import Image
from ..utils.cpu import cpu_kind
from .io_spec import blank_features, handed_on
from .protocol import Comparison, EarlyExit, Outcome


class HostStage(Protocol):
    """One loaded network."""

    def run(self, outputs: Sequence[str], **inputs: npt.NDArray[Any]) -> list[npt.NDArray[Any]]:
        """Computes some outputs, in memory that no later run overwrites. Any thread may call it."""

    def close(self) -> None:
        """Frees the network. Closing twice is fine."""


class HostEngine:
    """Combines two stages into an `edgefg.engines.protocol.Engine`."""

    max_batch = 1  # On a CPU several frames in one call save nothing: see docs/benchmarks.md.

    def __init__(
        self,
        name: str,
        version: str,
        bundle: Bundle,
        variant: Variant,
        slots: int,
        stage1: HostStage,
        stage2: HostStage,
    ) -> None:
        self.name = name
        self.version = version
        self.machine = cpu_kind()
        self.variant = variant
        self.slots = slots
        self._stage1 = stage1
        self._stage2 = stage2
        # Zeros stand for the background while a background itself is embedded.
        self._no_background = blank_features(bundle)
        self._handed_on = tuple(handed_on(bundle))

    def embed(self, frame: Image) -> npt.NDArray[np.float32]:
        return self._stage1.run(["features"], frame=frame[None], background_features=self._no_background)[0]

    def run(self, frame: Image, features: npt.NDArray[np.float32], early_exit: EarlyExit | None = None) -> Outcome:
        started = time.perf_counter()
        found = self._stage1.run(self._handed_on, frame=frame[None], background_features=features)
        handed = dict(zip(self._handed_on, found, strict=True))
        distance: npt.NDArray[np.float32] = handed["distance"]
        compared = time.perf_counter()
        stage1_ms = (compared - started) * 1e3
        if early_exit is not None and early_exit(distance[0]):
            return Outcome(distance[0], None, stage1_ms, 0.0)
        probability: Image
        (probability,) = self._stage2.run(["probability"], frame=frame[None], **handed)
        return Outcome(distance[0], probability[0], stage1_ms, (time.perf_counter() - compared) * 1e3)

    def run_batch(self, batch: Sequence[Comparison], early_exit: EarlyExit | None = None) -> list[Outcome]:
        return [self.run(frame, features, early_exit) for frame, features in batch]

    def close(self) -> None:
        self._stage1.close()
        self._stage2.close()
