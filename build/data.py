"""The footage that a build calibrates on and compares on: labelled sequences, or a camera's recording."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgefg.calibration.recording import sample_recording
from edgefg.calibration.sample import DEFAULT_PAIRS, Sample
from edgefg.calibration.sequences import sample_sequences
from edgefg.datasets.layouts import frames_folder, natural_images
from edgefg.datasets.sequences import Dataset, open_dataset, read_parts
from edgefg.errors import DataError, OptionError
from edgefg.utils.resources import CLIP

from .acceptance.frames import ComparisonScene, scenes_from_dataset, scenes_from_recording
from .options import BuildOptions

VALIDATION = "validate"
"""The part of a JSON file that candidates are compared on by default."""


@dataclass(frozen=True)
class Footage:
    """Frames of cameras, labelled or not.

    Attributes:
        dataset: The labelled sequences; None for a recording.
        recording: A video file, a folder of images or a glob; None for labelled sequences.
    """

    dataset: Dataset | None = None
    recording: str | None = None


def open_footage(data: str, part: str | None = None) -> Footage:
    """Opens labelled sequences, or a recording, whichever `data` names.

    Raises:
        DataError: The data are sequences, but broken.
        OptionError: The part is missing or unknown, or `data` is not a JSON file.
    """
    path = Path(data)
    if part is not None and path.suffix.lower() != ".json":
        raise OptionError(f"part={part!r}: expected a JSON file of parts, got {data}")
    if path.suffix.lower() == ".json":
        return Footage(dataset=open_dataset(path, part))
    if path.is_dir():
        try:
            return Footage(dataset=open_dataset(path))
        except DataError:
            # A broken sequence must not pass as a recording: its labels would be lost silently.
            if frames_folder(path) != path or not natural_images(path):
                raise
    return Footage(recording=data)


def draw_sample(footage: Footage, options: BuildOptions, card: dict[str, Any]) -> Sample:
    """Draws the calibration sample.

    Weights of the protocol ``scene`` are calibrated on their training frames, never on test frames.
    Sequences that candidates are also compared on keep a quarter of their frames for the comparison.

    Raises:
        DataError, MediaError, MissingFileError: The footage cannot be read, or is unfit.
    """
    dataset, pairs = footage.dataset, options.samples
    if dataset is not None:
        split_seed = int(card.get("seed", 0)) if card.get("protocol") == "scene" else None
        if options.verify is None and _validation_part(dataset) is None:
            pairs = min(pairs, sum(len(sequence.labelled) for sequence in dataset.sequences) * 3 // 4)
        return sample_sequences(dataset, options.input_size, pairs, options.seed, split_seed)
    return sample_recording(str(footage.recording), options.input_size, options.samples, options.seed)


def choose_scenes(
    verify: Footage | None, calibrate: Footage | None, sample: Sample | None, pairs: int = DEFAULT_PAIRS
) -> list[ComparisonScene]:
    """Chooses the scenes that candidates are compared on.

    These are the footage of `verify`; without it the part ``validate``, the frames that calibration left, or the clip.

    Raises:
        DataError, MediaError, MissingFileError: They cannot be read, or the sample holds a frame of `verify`.
    """
    if verify is not None:
        if verify.dataset is not None:
            return scenes_from_dataset(verify.dataset, sample, skip_used=False)
        return scenes_from_recording(str(verify.recording), sample, pairs)
    if calibrate is not None and calibrate.dataset is not None:
        validation = _validation_part(calibrate.dataset)
        if validation is not None:
            return scenes_from_dataset(validation, sample, skip_used=False)
        return scenes_from_dataset(calibrate.dataset, sample, skip_used=True)
    if calibrate is not None:
        return scenes_from_recording(str(calibrate.recording), sample, pairs)
    return scenes_from_recording(str(CLIP), None, pairs)


def _validation_part(dataset: Dataset) -> Dataset | None:
    if not dataset.source.is_file() or dataset.part == VALIDATION:
        return None
    return open_dataset(dataset.source, VALIDATION) if VALIDATION in read_parts(dataset.source) else None
