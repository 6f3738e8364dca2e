"""The background of a labelled sequence: its own, or the median of all its frames."""

from pathlib import Path
from typing import Any

import numpy as np

from edgefg.datasets.backgrounds import offline_background
from edgefg.datasets.sequences import open_dataset
from edgefg.imaging.io import read_image
from edgefg.imaging.median import temporal_median


def test_is_the_median_of_all_frames(write_sequence: Any, tmp_path: Path) -> None:
    (sequence,) = open_dataset(write_sequence(tmp_path / "baseline" / "street", range(1, 12))).sequences
    expected = temporal_median(map(sequence.frame, sequence.inputs))
    np.testing.assert_array_equal(offline_background(sequence), expected)


def test_is_a_sets_own(write_set: Any, tmp_path: Path) -> None:
    folder = write_set(tmp_path / "indoor" / "set01")
    (sequence,) = open_dataset(folder).sequences
    np.testing.assert_array_equal(offline_background(sequence), read_image(folder / "background.png"))
