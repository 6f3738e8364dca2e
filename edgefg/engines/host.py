"""The engine made of any library that maps host arrays to host arrays, one stage a call."""

from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from ..bundle import Bundle
from ..images import Image


class Stage(Protocol):
    """One loaded network."""

    def run(self, output: str, **inputs: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Computes one output, in memory that no later run touches. Any thread may call it."""

    def close(self) -> None:
        """Frees the network. Closing twice is fine."""


class HostEngine:
    """Two stages as one `edgefg.engines.protocol.Engine`."""

    def __init__(self, name: str, version: str, bundle: Bundle, stage1: Stage, stage2: Stage) -> None:
        self.name = name
        self.version = version
        self._stage1 = stage1
        self._stage2 = stage2
        width, height = bundle.input_size
        # Zeros stand for the background while a background itself is embedded.
        self._no_background = np.zeros((1, bundle.feature_channels, height // 4, width // 4), np.float32)

    def embed(self, frame: Image) -> npt.NDArray[np.float32]:
        return self._stage1.run("features", frame=frame[None], background_features=self._no_background)

    def compare(self, frame: Image, features: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        distance: npt.NDArray[np.float32] = self._stage1.run(
            "distance", frame=frame[None], background_features=features
        )
        return distance.reshape(distance.shape[-2:])

    def probability(self, frame: Image, distance: npt.NDArray[np.float32]) -> Image:
        probability: Image = self._stage2.run("probability", frame=frame[None], distance=distance[None])
        return probability.reshape(probability.shape[-2:])

    def close(self) -> None:
        self._stage1.close()
        self._stage2.close()
