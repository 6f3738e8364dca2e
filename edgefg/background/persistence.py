"""Saving and loading of a background, so that a camera can continue after a restart."""

import hashlib
import io
import json
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import MissingFileError, OutputError, StateError
from ..imaging.io import Image
from ..utils.atomic_file import atomic_file

SCHEMA = 1
# Exceptions of NumPy, zipfile and json on damaged files.
# RuntimeError: a bit that says "encrypted", or an unknown compression.
_DAMAGE = (
    *(OSError, ValueError, KeyError, EOFError, TypeError, AttributeError, RuntimeError),
    *(zipfile.BadZipFile, zlib.error),
)
_ZIP_MAGIC = b"PK\x03\x04"
_NAMES = {"schema", "camera", "size", "source_size", "age_s", "sha256"}


@dataclass(frozen=True, eq=False)
class BackgroundState:
    """The saved state of a background.

    Attributes:
        camera: Name of the camera.
        image: ``(H, W, 3) uint8 BGR`` at the networks' size.
        source_size: Width and height of the camera's frames.
        age_s: Age of the background in seconds when it was saved.
    """

    camera: str
    image: Image
    source_size: tuple[int, int]
    age_s: float


def is_saved_background(path: str | Path) -> bool:
    """Returns whether a path names a saved background rather than an image: by its ending, or by what it holds."""
    path = Path(path)
    if path.suffix == ".npz":
        return True
    try:
        with path.open("rb") as file:
            return file.read(len(_ZIP_MAGIC)) == _ZIP_MAGIC
    except OSError:  # Whoever reads it says what is wrong.
        return False


def write_state(path: Path, state: BackgroundState) -> None:
    """Writes a state as ``.npz``, under a temporary name that is renamed at the end.

    Raises:
        OutputError: The file cannot be written.
    """
    header = {
        "schema": SCHEMA,
        "camera": state.camera,
        "size": [state.image.shape[1], state.image.shape[0]],
        "source_size": list(state.source_size),
        "age_s": state.age_s,
    }
    header["sha256"] = _checksum(header, state.image)
    packed = io.BytesIO()
    np.savez_compressed(packed, header=np.frombuffer(json.dumps(header).encode(), np.uint8), image=state.image)
    if path.is_dir():
        raise OutputError(f"{path}: expected a file's name for the background, found a folder of that name")
    try:
        with atomic_file(path) as part:
            part.write_bytes(packed.getvalue())
    except OSError as reason:
        raise OutputError(f"{path}: cannot write the background: {reason.strerror}") from reason


def read_state(path: Path) -> BackgroundState:
    """Reads a state.

    Raises:
        MissingFileError: The file does not exist.
        StateError: The file is not a saved background, or is truncated, altered or of another schema.
    """
    if not path.is_file():
        raise MissingFileError(f"{path}: no such file; expected a saved background")
    advice = "save it again"
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as packed:
            header: Any = json.loads(packed["header"].tobytes())
            image = packed["image"]
    except _DAMAGE as reason:
        # NumPy's own words advise to load untrusted objects.
        found = "it holds Python objects" if "pickle" in str(reason) else " ".join(str(reason).split())
        found = found or type(reason).__name__
        raise StateError(f"{path}: expected a saved background, cannot read this one ({found}); {advice}") from reason
    if not isinstance(header, dict) or "schema" not in header:
        raise StateError(f"{path}: expected a saved background with a header, found none; {advice}")
    if header["schema"] != SCHEMA:
        raise StateError(
            f"{path}: expected a background of schema {SCHEMA}, found schema {header['schema']!r}; {advice}"
        )
    if set(header) != _NAMES or image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise StateError(f"{path}: expected a saved background of schema {SCHEMA}, found other contents; {advice}")
    if header.pop("sha256") != _checksum(header, image):
        raise StateError(f"{path}: expected the background as it was saved, found altered contents; {advice}")
    width, height = header["source_size"]
    return BackgroundState(str(header["camera"]), image, (int(width), int(height)), float(header["age_s"]))


def _checksum(header: dict[str, Any], image: Image) -> str:
    words = json.dumps({name: header[name] for name in sorted(header)})
    return hashlib.sha256(words.encode() + image.tobytes()).hexdigest()
