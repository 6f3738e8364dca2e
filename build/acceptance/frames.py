"""Scenes that candidates are compared on, without the frames of the calibration sample."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgefg.calibration.recording import draw_frames
from edgefg.calibration.sample import Sample, SampledFrame, file_sha256
from edgefg.datasets.backgrounds import offline_background
from edgefg.datasets.sequences import Dataset, LabelledSequence
from edgefg.errors import DataError
from edgefg.imaging.io import Image
from edgefg.imaging.median import temporal_median

MAX_FRAMES = 400
"""Enough for a figure with three digits, and few enough that a build does not take an hour."""

MAX_SIDE_PX = 640


# eq=False: scenes are dictionary keys, and arrays have no hash.
@dataclass(frozen=True, eq=False)
class ComparisonScene:
    """Frames of one camera with a background.

    Attributes:
        name: The scene's name.
        category: The category whose mean the scene enters.
        pooled: Whether the sets of its category are counted together.
        background: (H, W, 3) uint8 BGR.
        frames: Returns each frame's name, the frame, and its truth: (H, W) uint8 of CDnet2014's levels, or None.
        count: Number of frames.
    """

    name: str
    category: str
    pooled: bool
    background: Image
    frames: Callable[[], Iterator[tuple[str, Image, NDArray[np.uint8] | None]]]
    count: int


def scenes_from_dataset(dataset: Dataset, sample: Sample | None, *, skip_used: bool) -> list[ComparisonScene]:
    """Returns scenes of labelled sequences, each with the sequence's own background or median.

    Args:
        dataset: The sequences.
        sample: The calibration sample; None without calibration.
        skip_used: Leaves out frames and backgrounds of the sample, instead of refusing them.

    Raises:
        DataError: A frame of the data was calibrated on, or none is left.
    """
    used = {sha256 for sha256, _ in _used(sample)}
    free: dict[str, list[Path]] = {}
    for sequence in dataset.sequences:
        free[sequence.name] = []
        for path in sequence.labelled:
            if not used or file_sha256(path) not in used:
                free[sequence.name].append(path)
            elif not skip_used:
                raise DataError(
                    f"{path}: expected frames to verify on that were not calibrated on, found this one in both; "
                    "pass other data as verify=, or another part of it"
                )
    total = sum(map(len, free.values()))
    if not total:
        raise DataError(f"{dataset.source}: all its frames were calibrated on; pass others as verify=")
    step = -(-total // MAX_FRAMES)
    return [
        _scene(sequence, free[sequence.name][::step]) for sequence in dataset.sequences if free[sequence.name][::step]
    ]


def scenes_from_recording(recording: str, sample: Sample | None, pairs: int) -> list[ComparisonScene]:
    """Returns one scene of unlabelled frames with their median, without the frames of the sample.

    Args:
        recording: A video file, a folder of images or a glob, as `edgefg.open_video` takes it.
        sample: The calibration sample; None without calibration.
        pairs: Number of pairs that a sample of the recording has, or would have: the same frames are drawn again.

    Raises:
        MissingFileError, MediaError: The recording cannot be read.
        DataError: All its frames were calibrated on.
    """
    used = _used(sample)
    drawn = draw_frames(recording, pairs, MAX_SIDE_PX)
    free = [(shot, image) for shot, image in drawn if (shot.sha256, shot.index) not in used]
    if not free:
        raise DataError(f"{recording}: all its frames were calibrated on; pass others as verify=")
    kept = free[:: -(-len(free) // MAX_FRAMES)]
    background = temporal_median([image for _, image in drawn])

    def frames() -> Iterator[tuple[str, Image, None]]:
        return ((_frame_name(shot), image, None) for shot, image in kept)

    return [ComparisonScene(Path(recording).name, "recording", False, background, frames, len(kept))]


def _used(sample: Sample | None) -> set[tuple[str, int | None]]:
    """Returns all frames of a sample: ranges come from its backgrounds as much as from its frames."""
    pairs = () if sample is None else sample.pairs
    return {(shot.sha256, shot.index) for pair in pairs for shot in (pair.background, pair.frame)}


def _frame_name(shot: SampledFrame) -> str:
    return shot.file if shot.index is None else f"frame {shot.index}"


def _scene(sequence: LabelledSequence, files: list[Path]) -> ComparisonScene:
    background = offline_background(sequence)

    def frames() -> Iterator[tuple[str, Image, NDArray[np.uint8]]]:
        return ((path.name, sequence.frame(path), sequence.truth(path)) for path in files)

    pooled = sequence.layout == "pairs"
    return ComparisonScene(sequence.name, sequence.category, pooled, background, frames, len(files))
