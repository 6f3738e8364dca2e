"""A calibration sample: the pairs of a background and a frame that set the ranges of INT8 networks.

Frames alone are not enough: stage 2 sees distances, which come from pairs.
"""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from edgefg.bundle.calibration_record import sample_digest
from edgefg.errors import DataError
from edgefg.imaging.io import Image

from .quality import check_frames, check_some_change

MIN_PAIRS = 32
"""With fewer pairs, the ranges depend on accidents of a few scenes."""

DEFAULT_PAIRS = 256


@dataclass(frozen=True)
class SampledFrame:
    """The origin of one frame in a sample.

    Attributes:
        file: Its file, relative to the data.
        sha256: SHA-256 of that file, in hex.
        index: Its number among the frames drawn from a video; None for an image file.
    """

    file: str
    sha256: str
    index: int | None = None

    def to_json(self) -> dict[str, Any]:
        """Returns the frame as the record of a sample holds it."""
        plain: dict[str, Any] = {"file": self.file, "sha256": self.sha256}
        return plain if self.index is None else {**plain, "index": self.index}


@dataclass(frozen=True)
class Pair:
    """A background and a frame of one camera.

    Attributes:
        category: Its category in the stratification.
        background: Origin of the background.
        frame: Origin of the frame.
        images: Background and frame, (H, W, 3) uint8 BGR at the networks' input size.
    """

    category: str
    background: SampledFrame
    frame: SampledFrame
    images: tuple[Image, Image] = field(repr=False, compare=False)


@dataclass(frozen=True)
class Sample:
    """Pairs that are fit for calibration.

    Attributes:
        seed: The seed that chose them.
        source: Name of the data.
        pairs: The pairs, in an order that depends only on the data and the seed.
    """

    seed: int
    source: str
    pairs: tuple[Pair, ...]

    @property
    def digest(self) -> str:
        """The digest that names the sample; see `edgefg.bundle.calibration_record.sample_digest`."""
        return sample_digest(self.seed, self._pairs_to_json())

    @property
    def pixels(self) -> str:
        """SHA-256, in hex, of the pixels that the networks see; unlike the digest, it changes with the ROI."""
        digest = hashlib.sha256()
        for pair in self.pairs:
            for image in pair.images:
                digest.update(repr(image.shape).encode())
                digest.update(np.ascontiguousarray(image).data)
        return digest.hexdigest()

    def to_json(self) -> dict[str, Any]:
        """Returns the record of the sample; see `edgefg.bundle.calibration_record`."""
        return {
            "seed": self.seed,
            "source": self.source,
            "digest": self.digest,
            "categories": dict(sorted(Counter(pair.category for pair in self.pairs).items())),
            "pairs": self._pairs_to_json(),
        }

    def _pairs_to_json(self) -> list[dict[str, Any]]:
        return [{"background": pair.background.to_json(), "frame": pair.frame.to_json()} for pair in self.pairs]


def checked_sample(seed: int, source: str, pairs: Sequence[Pair]) -> Sample:
    """Returns a sample, unless its pairs would make a calibration worthless.

    Raises:
        DataError: There are fewer than 32 pairs, frames are constant or noise, or nothing has changed in any pair.
    """
    if len(pairs) < MIN_PAIRS:
        raise DataError(f"{source}: expected {MIN_PAIRS} pairs or more to calibrate on, found {len(pairs)}")
    check_frames(source, [(pair.frame.file, pair.images[1]) for pair in pairs])
    check_some_change(source, [pair.images for pair in pairs])
    return Sample(seed, source, tuple(pairs))


def draw_order(seed: int, *names: str) -> bytes:
    """Returns a sort key that shuffles by seed: a hash, as a random generator's draws differ between its releases."""
    return hashlib.sha256("/".join((str(seed), *names)).encode()).digest()


def file_sha256(path: Path) -> str:
    """Returns the SHA-256 of a file, in hex.

    Raises:
        DataError: The file cannot be read.
    """
    try:
        with path.open("rb") as file:
            digest = hashlib.sha256()
            while chunk := file.read(1 << 20):
                digest.update(chunk)
    except OSError as error:
        raise DataError(f"{path}: expected a file to calibrate on, cannot read it: {error.strerror}") from error
    return digest.hexdigest()
