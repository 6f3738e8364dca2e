"""Data and options for short trainings; import it only where torch is installed.

Test modules import its fixtures under their own names (``options as options``), as only pytest uses them.
"""

import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from edgefg.build.training import pairs
from edgefg.build.training.options import TrainOptions
from edgefg.build.training.presets import PRESETS

BLINK = 0.01
"""Minutes: a step or two a stage."""


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two small crops a step."""
    for name, preset in PRESETS.items():
        monkeypatch.setitem(PRESETS, name, replace(preset, batch=2, joint_batch=2))
    for recipe in ("UNSEEN", "SCENE"):
        monkeypatch.setattr(pairs, recipe, replace(getattr(pairs, recipe), crop=(96, 128)))


@pytest.fixture
def parts(tmp_path: Path, write_sequence: Callable[..., Path], write_set: Callable[..., Path]) -> Path:
    write_sequence(tmp_path / "data" / "baseline" / "boxes")
    write_set(tmp_path / "data" / "pairs" / "set1")
    write_sequence(tmp_path / "data" / "baseline" / "unseen", numbers=range(1, 5))
    file = tmp_path / "data" / "splits.json"
    file.write_text(json.dumps({"train": ["baseline/boxes", "pairs/set1"], "validate": ["baseline/unseen"]}))
    return file


@pytest.fixture
def options(parts: Path, tmp_path: Path) -> TrainOptions:
    return TrainOptions(parts, tmp_path / "out", part="train", size="vgg-lite", minutes=BLINK, device="cpu", workers=0)


def quiet() -> Console:
    return Console(file=io.StringIO())
