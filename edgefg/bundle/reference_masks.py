"""Three pairs in a bundle, with the probabilities of its FP32 networks: what an engine checks itself against.

They are kept as a NumPy archive, so that a device needs no image decoder to compile a bundle.
"""

import io
import zipfile
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ..errors import BundleError
from .bundle import Bundle

if TYPE_CHECKING:
    from ..engines.protocol import Engine

FILE = "verification.npz"
LEAST_IOU = 0.95
"""Of an engine's masks and those of FP32. Good INT8 networks reach 0.99, wrongly computed ones stay under 0.9."""

# What NumPy and zipfile raise at a file that is not theirs, is damaged inside, or claims to hold more than memory does.
_DAMAGE = (OSError, EOFError, ValueError, LookupError, RuntimeError, MemoryError, zipfile.BadZipFile, zlib.error)


@dataclass(frozen=True)
class Verification:
    """Pairs of one background with several frames, and what FP32 makes of them.

    Attributes:
        background: (H, W, 3) uint8 BGR at the networks' input size.
        frames: (N, H, W, 3) uint8 BGR.
        probabilities: (N, H, W) uint8.
    """

    background: npt.NDArray[np.uint8]
    frames: npt.NDArray[np.uint8]
    probabilities: npt.NDArray[np.uint8]

    def to_bytes(self) -> bytes:
        """As the file in a bundle."""
        buffer = io.BytesIO()
        arrays = {"background": self.background, "frames": self.frames, "probabilities": self.probabilities}
        np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]  # NumPy's annotation takes a flag for an array.
        return buffer.getvalue()

    def agreement(self, engine: "Engine", threshold: float) -> float:
        """IoU of an engine's masks with those of FP32, pooled over the pairs; 1 where both are empty.

        Raises:
            EngineError: The engine failed.
        """
        level = threshold * 255
        common = either = 0
        features = engine.embed(self.background)
        for frame, expected in zip(self.frames, self.probabilities, strict=True):
            probability = engine.run(frame, features).probability
            assert probability is not None  # Only a map that is asked about can be quiet.
            ours, reference = probability >= level, expected >= level
            common += int(np.count_nonzero(ours & reference))
            either += int(np.count_nonzero(ours | reference))
        return common / either if either else 1.0


def read_verification(bundle: Bundle) -> Verification | None:
    """The pairs of a bundle, None if it has none.

    Raises:
        BundleError: Its file is no such archive.
    """
    path = bundle.path / FILE
    if FILE not in bundle.manifest["files"]:
        return None
    width, height = bundle.input_size
    try:
        # Opened here: NumPy leaves a file open that turns out to be no archive.
        with path.open("rb") as file:
            archive = np.load(file, allow_pickle=False)
            arrays = [np.asarray(archive[name]) for name in ("background", "frames", "probabilities")]
    except _DAMAGE as error:
        raise BundleError(f"{path}: expected an archive of verification pairs: {error}") from error
    found = Verification(*arrays)
    count = len(found.frames) if found.frames.ndim else 0
    expected = [(height, width, 3), (count, height, width, 3), (count, height, width)]
    shapes = [array.shape for array in arrays]
    if not count or shapes != expected or any(array.dtype != np.uint8 for array in arrays):
        raise BundleError(f"{path}: expected uint8 pairs of {width}x{height}, found arrays of {shapes}")
    return found
