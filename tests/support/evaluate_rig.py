"""Labelled data of which some frames are nearly still.

Test modules import its fixture as itself (``dataset as dataset``): only pytest uses the name.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from edgefg.datasets.sequences import Dataset, open_dataset

Writer = Callable[..., Path]


@pytest.fixture
def dataset(tmp_path: Path, write_sequence: Writer, write_set: Writer, make_scene: Any) -> Dataset:
    """A sequence of ten frames with a bright box, in two of which it is dim; and a set of three."""
    scene = write_sequence(tmp_path / "data/baseline/highway")
    for number in (3, 7):
        file = scene / f"input/in{number:06d}.png"
        image = cv2.imread(str(file))
        assert image is not None
        clean = make_scene()
        cv2.imwrite(str(file), np.where(image > 200, clean + 100, clean).astype(np.uint8))
    write_set(tmp_path / "data/indoor/set1")
    return open_dataset(tmp_path / "data")
