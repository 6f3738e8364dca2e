"""What a training run reads, and what judges it."""

from dataclasses import dataclass
from pathlib import Path

from edgefg.datasets.sequences import Dataset, LabelledSequence, open_dataset, read_parts

from .scenes import Material, load_material


@dataclass(frozen=True)
class TrainingData:
    """The data of a run.

    Attributes:
        dataset: The sequences to train on.
        material: What pairs are made of.
        judges: The sequences that validate; none where a protocol ``unseen`` has no part ``validate``.
    """

    dataset: Dataset
    material: Material
    judges: tuple[LabelledSequence, ...]


def load_training_data(data: Path, part: str | None, protocol: str, seed: int) -> TrainingData:
    """Read a data set's scenes, and the composites' folders beside it, without the scenes of its other parts.

    Raises:
        DataError: The data cannot be read, or hold nothing to train on.
        OptionError: The part does not say what to train on.
    """
    dataset = open_dataset(data, part)
    # The composites must not show the scenes of other parts, and the part `validate` judges the result.
    parts = read_parts(data) if data.is_file() else {}
    others = {name: folders for name, folders in parts.items() if name != dataset.part}
    judges = dataset.sequences
    if protocol == "unseen":
        judges = open_dataset(data, "validate").sequences if "validate" in others else ()
    hidden = [folder for folders in others.values() for folder in folders]
    return TrainingData(dataset, load_material(dataset, protocol, seed, excluded=hidden), judges)
