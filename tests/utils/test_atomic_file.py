"""Files that appear under their names whole or not at all, and leave nothing behind on a full disk."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgefg.background.persistence import BackgroundState, write_state
from edgefg.errors import OutputError
from edgefg.utils.atomic_file import atomic_file


def test_a_file_appears_once_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "scores.json"
    path.write_text("old")
    with atomic_file(path) as part:
        part.write_text("new")
        assert path.read_text() == "old"
        assert part.suffix == ".json"
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [OSError("No space left on device"), KeyboardInterrupt()], ids=["full", "Ctrl-C"])
def test_after_an_error_the_old_one_stays_and_nothing_else(error: BaseException, tmp_path: Path) -> None:
    path = tmp_path / "scores.json"
    path.write_text("old")
    with pytest.raises(type(error)), atomic_file(path, shared=True) as part:
        part.write_text("ne")
        raise error
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_stays_one(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    link = tmp_path / "scores.json"
    link.symlink_to(tmp_path / "real" / "scores.json")
    with atomic_file(link) as part:
        part.write_text("new")
    assert link.is_symlink()
    assert (tmp_path / "real" / "scores.json").read_text() == "new"


def test_a_file_of_several_writers_has_a_name_for_each(tmp_path: Path) -> None:
    with atomic_file(tmp_path / "a.json", shared=True) as part:
        assert str(os.getpid()) in part.name
        part.write_text("")


def background(folder: Path) -> None:
    write_state(folder / "yard.npz", BackgroundState("yard", np.zeros((48, 64, 3), np.uint8), (64, 48), 0.0))


def weights(folder: Path) -> None:
    pytest.importorskip("torch")
    from edgefg.build.networks.weights import save_weights

    save_weights(folder / "weights.safetensors", {}, {}, {"size": "lite"})


def checkpoint(folder: Path) -> None:
    pytest.importorskip("torch")
    from edgefg.build.training.checkpoint import Checkpoint, save_checkpoint

    save_checkpoint(folder / "checkpoint.pt", Checkpoint({}, 1, 0, 0.0, {}, {}, {}, None))


def report(folder: Path) -> None:
    pytest.importorskip("torch")
    from edgefg.build.acceptance.report import write_report

    write_report(folder, "lite", [])


@pytest.mark.parametrize("write", [background, weights, checkpoint, report])
def test_a_full_disk_is_an_error_that_leaves_no_part(
    write: Callable[[Path], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(file: Any) -> None:
        Path(file).touch()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", lambda path, content: fails(path))
    if write is checkpoint:
        monkeypatch.setattr("torch.save", lambda content, path: fails(path))
    with pytest.raises(OutputError, match="No space left on device"):
        write(tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_cache_on_a_full_disk_leaves_no_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnxruntime")
    from edgefg.calibration.ranges import cached_ranges

    def fails(path: Path, text: str) -> None:
        path.touch()
        raise OSError(28, "No space left on device")

    monkeypatch.setenv("EDGEFG_CACHE", str(tmp_path))
    monkeypatch.setattr(Path, "write_text", fails)
    assert cached_ranges(("key",), lambda: {"a": (0.0, 1.0)}) == {"a": (0.0, 1.0)}
    assert not list(tmp_path.iterdir())
