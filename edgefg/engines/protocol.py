"""What every engine can do."""

from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from ..images import Image


class Engine(Protocol):
    """Both stages of one bundle, loaded. Frames are ``(H, W, 3) uint8 BGR``, contiguous, at the bundle's input size.

    Any thread may call any method. What a method returns is the caller's: no later call overwrites it. Every method
    but ``close`` raises EngineError if the library fails, and ClosedError after ``close``.

    Attributes:
        name: What `edgefg.engines.open_engine` calls it.
        version: Version of the library.
    """

    name: str
    version: str

    def embed(self, frame: Image) -> Any:
        """Computes the features of a background, to be handed to ``compare`` as they are."""

    def compare(self, frame: Image, features: Any) -> npt.NDArray[np.float32]:
        """Computes the ``(H/4, W/4) float32`` distance of a frame from the background with these features."""

    def probability(self, frame: Image, distance: npt.NDArray[np.float32]) -> Image:
        """Computes the ``(H, W) uint8`` probability of foreground; 255 is certain."""

    def close(self) -> None:
        """Frees the networks. Closing twice is fine."""
