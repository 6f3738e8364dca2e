"""Options and data for ``edgefg build``; import it only where torch is installed.

Test modules import its fixtures under their own names (``data as data``), as only pytest uses them.
"""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from edgefg.build.options import BuildOptions

SIZE = (64, 48)


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEFG_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory, write_sequence: Any) -> Path:
    """A JSON file with a part to calibrate on and one that judges."""
    root = tmp_path_factory.mktemp("data")
    write_sequence(root / "baseline" / "street", range(1, 41))
    write_sequence(root / "baseline" / "yard", range(101, 111))
    for path in (root / "baseline" / "yard" / "input").iterdir():
        cv2.imwrite(str(path), cv2.flip(np.asarray(cv2.imread(str(path))), 0))  # Frames of its own.
    for path in (root / "baseline" / "yard" / "groundtruth").iterdir():
        cv2.imwrite(str(path), cv2.flip(np.asarray(cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)), 0))
    (root / "splits.json").write_text('{"train": ["baseline/street"], "validate": ["baseline/yard"]}')
    return root / "splits.json"


def options(tmp_path: Path, data: Path | None = None, **changes: Any) -> BuildOptions:
    given: dict[str, Any] = {"out": tmp_path / "bundle", "size": "lite", "input_size": SIZE, "samples": 32}
    if data is not None:
        given |= {"calibrate": str(data), "part": "train"}
    return BuildOptions(**(given | changes))
