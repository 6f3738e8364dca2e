"""What every engine can do."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from ..bundle.bundle import Variant
from ..imaging.device import DeviceFrame
from ..imaging.io import Image

EarlyExit = Callable[[npt.NDArray[np.float32]], bool]
"""Decides by a distance map, ``(h, w) float32``, whether nothing has changed, so that stage 2 need not run."""


@dataclass(frozen=True, eq=False)
class Outcome:
    """What both stages made of one frame; its arrays are the caller's.

    Attributes:
        distance: ``(H/4, W/4) float32``.
        probability: ``(H, W) uint8``, 255 is certain foreground; None where the map was quiet and stage 2 did not run.
        stage1_ms: Time of stage 1 in milliseconds.
        stage2_ms: Time of stage 2; 0 where it did not run.
    """

    distance: npt.NDArray[np.float32]
    probability: Image | None
    stage1_ms: float
    stage2_ms: float


class Engine(Protocol):
    """Both stages of one bundle, loaded. Frames are ``(H, W, 3) uint8 BGR``, contiguous, at the bundle's input size.

    Any thread may call any method; as many calls as there are slots run at the same time, further ones wait. What a
    method returns is the caller's: no later call overwrites it. Every method but ``close`` raises EngineError if the
    library fails, and ClosedError after ``close``.

    Attributes:
        name: What `edgefg.engines.open.open_engine` calls it.
        version: Version of the library.
        machine: What computes: the kind of CPU, or the GPU.
        variant: Which of the bundle's forms it runs.
        slots: How many frames it works on at once.
    """

    name: str
    version: str
    machine: str
    variant: Variant
    slots: int

    def embed(self, frame: Image) -> Any:
        """Computes the features of a background, to be handed to ``run`` as they are."""

    def run(self, frame: Image, features: Any, early_exit: EarlyExit | None = None) -> Outcome:
        """Compares a frame with the background of these features: stage 1, then stage 2 unless the map is quiet."""

    def close(self) -> None:
        """Frees the networks. Closing twice is fine."""


@runtime_checkable
class DeviceEngine(Protocol):
    """An engine whose ``run`` also takes frames on the GPU, as `edgefg.imaging.device.DeviceFrame`."""

    def to_host(self, frame: DeviceFrame) -> Image:
        """Copies a frame from the GPU."""
