"""The protocol that every inference engine implements."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from ..bundle.bundle import Variant
from ..imaging.device import DeviceFrame
from ..imaging.io import Image

EarlyExit = Callable[[npt.NDArray[np.float32]], bool]
"""Function that returns, for a distance map, ``(h, w) float32``, whether nothing changed and stage 2 can be skipped."""


class Comparison(NamedTuple):
    """The input of both stages for one frame.

    Attributes:
        frame: ``(H, W, 3) uint8 BGR``, contiguous, at the bundle's input size. For a `DeviceEngine` it may be a
            `edgefg.imaging.device.DeviceFrame`.
        features: Features of the background that the frame is compared with, from the engine's ``embed``.
    """

    frame: Any
    features: Any


@dataclass(frozen=True, eq=False)
class Outcome:
    """The output of both stages for one frame. The caller owns its arrays.

    Attributes:
        distance: ``(H/4, W/4) float32``.
        probability: ``(H, W) uint8``, 255 is certain foreground; None if stage 2 was skipped.
        stage1_ms: Time of stage 1 in milliseconds, for all frames that were computed together.
        stage2_ms: The same of stage 2; 0 if it was skipped.
    """

    distance: npt.NDArray[np.float32]
    probability: Image | None
    stage1_ms: float
    stage2_ms: float


class Engine(Protocol):
    """Both stages of one bundle, loaded. Frames are ``(H, W, 3) uint8 BGR``, contiguous, at the bundle's input size.

    Any thread may call any method. As many calls as there are slots run at the same time; further calls wait. The
    caller owns the returned arrays, and no later call overwrites them. Every method except ``close`` raises EngineError
    if the library fails, and ClosedError after ``close``.

    Attributes:
        name: Name of the engine, as `edgefg.engines.open.open_engine` takes it.
        version: Version of the library.
        machine: Kind of the CPU, or name of the GPU, that computes.
        variant: Variant of the bundle that the engine runs.
        slots: Number of calls that the engine processes at once.
        max_batch: Number of frames that the engine computes together; 1 where that saves nothing.
    """

    name: str
    version: str
    machine: str
    variant: Variant
    slots: int
    max_batch: int

    def embed(self, frame: Image) -> Any:
        """Computes the features of a background, which you pass to ``run`` unchanged."""

    def run(self, frame: Image, features: Any, early_exit: EarlyExit | None = None) -> Outcome:
        """Compares a frame with a background's features: stage 1, then stage 2 unless ``early_exit`` skips it."""

    def run_batch(self, batch: Sequence[Comparison], early_exit: EarlyExit | None = None) -> list[Outcome]:
        """Does what ``run`` does for any number of frames, ``max_batch`` of them together. An error is that of all."""

    def close(self) -> None:
        """Frees the networks. Closing twice is fine."""


@runtime_checkable
class DeviceEngine(Protocol):
    """An engine that also compares frames on the GPU, of any size, as `edgefg.imaging.device.DeviceFrame`."""

    def receive(self, frame: DeviceFrame) -> DeviceFrame:
        """Marks when a frame is finished, for all other methods. Call it in the thread that has the frame."""

    def to_host(self, frame: DeviceFrame) -> Image:
        """Copies a frame from the GPU to the host, ``(H, W, 3) uint8 BGR`` at the bundle's input size."""
