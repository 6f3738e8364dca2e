"""Reference masks: a few frames in a bundle with the masks of its FP32 networks, for engines to check themselves.

They are kept as a NumPy archive, so that a device needs no image decoder to compile a bundle.
"""

import io
import zipfile
import zlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..errors import BundleError
from .bundle import Bundle

FILE = "reference_masks.npz"

# Errors of NumPy and zipfile for a file of another kind, a damaged one, or one that claims to exceed memory.
_DAMAGE = (OSError, EOFError, ValueError, LookupError, RuntimeError, MemoryError, zipfile.BadZipFile, zlib.error)


@dataclass(frozen=True)
class ReferenceMasks:
    """One background, several frames, and their FP32 masks as probabilities.

    Attributes:
        background: (H, W, 3) uint8 BGR at the networks' input size.
        frames: (N, H, W, 3) uint8 BGR.
        probabilities: (N, H, W) uint8.
    """

    background: npt.NDArray[np.uint8]
    frames: npt.NDArray[np.uint8]
    probabilities: npt.NDArray[np.uint8]

    def to_bytes(self) -> bytes:
        """Returns the contents of the file in a bundle."""
        buffer = io.BytesIO()
        arrays = {"background": self.background, "frames": self.frames, "probabilities": self.probabilities}
        np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]  # NumPy's annotation takes a flag for an array.
        return buffer.getvalue()


def read_reference_masks(bundle: Bundle) -> ReferenceMasks | None:
    """Returns the reference masks of a bundle; None if it has none.

    Raises:
        BundleError: The file is not such an archive.
    """
    path = bundle.path / FILE
    if FILE not in bundle.manifest["files"]:
        return None
    width, height = bundle.input_size
    try:
        # Opened here: NumPy would leave a file open that turns out not to be an archive.
        with path.open("rb") as file:
            archive = np.load(file, allow_pickle=False)
            arrays = [np.asarray(archive[name]) for name in ("background", "frames", "probabilities")]
    except _DAMAGE as error:
        raise BundleError(f"{path}: expected an archive of reference masks: {error}") from error
    found = ReferenceMasks(*arrays)
    count = len(found.frames) if found.frames.ndim else 0
    expected = [(height, width, 3), (count, height, width, 3), (count, height, width)]
    shapes = [array.shape for array in arrays]
    if not count or shapes != expected or any(array.dtype != np.uint8 for array in arrays):
        raise BundleError(f"{path}: expected uint8 frames and masks of {width}x{height}, found arrays of {shapes}")
    return found
