"""The data of a training run: scenes to train on, and sequences to validate on."""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from edgefg.datasets.sequences import Dataset, LabelledSequence, open_dataset, read_parts
from edgefg.errors import DataError

from .scenes import Material, load_material


@dataclass(frozen=True)
class TrainingData:
    """The data of a run.

    Attributes:
        dataset: The sequences to train on.
        material: The material of training pairs.
        validation: The sequences to validate on; none where the protocol ``unseen`` has no part ``validate``.
    """

    dataset: Dataset
    material: Material
    validation: tuple[LabelledSequence, ...]


def load_training_data(data: Path, part: str | None, protocol: str, seed: int) -> TrainingData:
    """Reads a data set's scenes and the composites' folders next to it, without the scenes of its other parts.

    Raises:
        DataError: The data cannot be read, or hold nothing to train on.
        OptionError: The part is missing or unknown.
    """
    dataset = open_dataset(data, part)
    # Composites must not show the scenes of other parts, such as `validate`, which measures the result.
    parts = read_parts(data) if data.is_file() else {}
    others = {name: folders for name, folders in parts.items() if name != dataset.part}
    validation = dataset.sequences
    if protocol == "unseen":
        validation = open_dataset(data, "validate").sequences if "validate" in others else ()
    hidden = [folder for folders in others.values() for folder in folders]
    unseen: list[LabelledSequence] = []
    for name in others:
        with suppress(DataError):  # A part that is not on this machine.
            unseen += open_dataset(data, name).sequences
    material = load_material(dataset, protocol, seed, excluded=hidden, unseen=unseen)
    return TrainingData(dataset, material, validation)
