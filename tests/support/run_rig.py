"""A video and other fixtures that tests of ``edgefg run`` share.

Test modules import its fixtures under their own names (``video as video``), as only pytest uses them.
"""

from collections.abc import Callable
from pathlib import Path

import pytest


def no_progress(what: str, done: int, total: int | None) -> None:
    pass


@pytest.fixture
def video(write_video: Callable[..., Path], tmp_path: Path) -> Path:
    return write_video(tmp_path / "in.mp4", frames=12)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}
