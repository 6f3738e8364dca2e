"""A calibration sample: the pairs of a background and a frame that set the ranges of INT8 networks.

Frames alone would not do: stage 2 sees distances, and those come from pairs.
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
"""With fewer, the ranges are those of a few scenes' accidents."""

DEFAULT_PAIRS = 256


@dataclass(frozen=True)
class SampledFrame:
    """One frame of a sample, by what it is and where it came from.

    Attributes:
        file: Its file, relative to the data.
        sha256: Of that file, in hex.
        index: Its number among the frames that were drawn from a video; None for an image file.
    """

    file: str
    sha256: str
    index: int | None = None

    def to_json(self) -> dict[str, Any]:
        """As the manifest of a sample holds it."""
        plain: dict[str, Any] = {"file": self.file, "sha256": self.sha256}
        return plain if self.index is None else {**plain, "index": self.index}


@dataclass(frozen=True)
class Pair:
    """A background and a frame of one camera.

    Attributes:
        category: What it counts for in the stratification.
        background: What the background is.
        frame: What the frame is.
        images: Background and frame, (H, W, 3) uint8 BGR at the networks' input size.
    """

    category: str
    background: SampledFrame
    frame: SampledFrame
    images: tuple[Image, Image] = field(repr=False, compare=False)


@dataclass(frozen=True)
class Sample:
    """Pairs that were found fit for calibration.

    Attributes:
        seed: What chose them.
        source: The data's own name.
        pairs: The pairs, in an order that only the data and the seed decide.
    """

    seed: int
    source: str
    pairs: tuple[Pair, ...]

    @property
    def digest(self) -> str:
        """What names the sample; see `edgefg.bundle.calibration_record.sample_digest`."""
        return sample_digest(self.seed, self._pairs_to_json())

    @property
    def pixels(self) -> str:
        """SHA-256 in hex of all that the networks see of it, which a region of interest changes, and the digest not."""
        digest = hashlib.sha256()
        for pair in self.pairs:
            for image in pair.images:
                digest.update(repr(image.shape).encode())
                digest.update(np.ascontiguousarray(image).data)
        return digest.hexdigest()

    def to_json(self) -> dict[str, Any]:
        """The record; see `edgefg.bundle.calibration_record`."""
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
    """A sample, after what would make a calibration worthless has been refused.

    Raises:
        DataError: Fewer than 32 pairs; frames that are constant or noise; no pair in which something changed.
    """
    if len(pairs) < MIN_PAIRS:
        raise DataError(f"{source}: expected {MIN_PAIRS} pairs or more to calibrate on, found {len(pairs)}")
    check_frames(source, [(pair.frame.file, pair.images[1]) for pair in pairs])
    check_some_change(source, [pair.images for pair in pairs])
    return Sample(seed, source, tuple(pairs))


def draw_order(seed: int, *names: str) -> bytes:
    """A sort key that shuffles by seed. A hash, because a random generator's draws differ between its releases."""
    return hashlib.sha256("/".join((str(seed), *names)).encode()).digest()


def file_sha256(path: Path) -> str:
    """SHA-256 of a file, in hex.

    Raises:
        DataError: It cannot be read.
    """
    try:
        with path.open("rb") as file:
            digest = hashlib.sha256()
            while chunk := file.read(1 << 20):
                digest.update(chunk)
    except OSError as error:
        raise DataError(f"{path}: expected a file to calibrate on, cannot read it: {error.strerror}") from error
    return digest.hexdigest()
