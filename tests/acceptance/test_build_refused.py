"""`edgefg build`: what it refuses before any work, and what it leaves when it cannot end."""

import os
import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("onnxruntime")
pytest.importorskip("openvino")

from edgefg.build.build_bundle import build_bundle
from edgefg.bundle.bundle import Bundle, open_bundle
from edgefg.errors import DataError, MissingFileError, OptionError, OutputError

from ..support.build_rig import data as data
from ..support.build_rig import narrow_size as narrow_size
from ..support.build_rig import no_picture as no_picture
from ..support.build_rig import options
from ..support.build_rig import own_cache as own_cache


class TestRefused:
    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"target": "tpu"}, "target must be one of cpu, onnx"),
            ({"precision": "int4"}, "precision must be one of auto"),
            ({"precision": "fp16"}, "target='cpu', which computes it as fp32"),
            ({"precision": "int8"}, "needs calibrate=DATA"),
            ({"input_size": (321, 240)}, "321x240"),
            ({"samples": 31}, "samples must be a whole number of 32 or more"),
            ({"max_batch": 0}, "max_batch must be a whole number above 0"),
            ({"max_f_drop": -0.1}, "max_f_drop must be a number of 0 or more and at most 1"),
            ({"max_f_drop": float("nan")}, "max_f_drop must be a number of 0 or more and at most 1"),
            ({"seed": -1}, "seed must be a whole number of 0 or more"),
            ({"part": "train"}, "part='train' needs calibrate=DATA"),
            ({"verify_part": "train"}, "verify_part='train' needs verify=DATA"),
            ({"weights": Path("w.safetensors"), "size": "lite"}, "weights= and size= exclude each other"),
            ({"weights": None}, "weights= and size= exclude each other"),
            ({"size": "huge"}, "edgefg train"),
        ],
    )
    def test_options_that_make_no_sense(self, tmp_path: Path, change: dict[str, Any], message: str) -> None:
        with pytest.raises(OptionError, match=message):
            build_bundle(options(tmp_path, **change))

    def test_missing_weights(self, tmp_path: Path) -> None:
        with pytest.raises(MissingFileError, match="edgefg train"):
            build_bundle(options(tmp_path, weights=tmp_path / "none.safetensors"))

    def test_data_that_are_both_calibrated_and_judged_on(self, data: Path, tmp_path: Path) -> None:
        with pytest.raises(DataError, match="found this one in both"):
            build_bundle(options(tmp_path, data, verify=str(data), verify_part="train"))

    def test_random_noise(self, tmp_path: Path) -> None:
        (tmp_path / "noise").mkdir()
        rng = np.random.default_rng(0)
        for index in range(64):
            noise = rng.integers(0, 256, (48, 64, 3), dtype=np.uint8)
            cv2.imwrite(str(tmp_path / f"noise/{index}.png"), noise)
        with pytest.raises(DataError, match="it is noise"):
            build_bundle(options(tmp_path, calibrate=str(tmp_path / "noise")))

    def test_a_folder_that_is_no_bundle_is_refused_before_any_work(self, tmp_path: Path) -> None:
        (tmp_path / "bundle").mkdir()
        (tmp_path / "bundle" / "notes.txt").write_text("keep me")
        said: list[str] = []
        with pytest.raises(OutputError, match="not a bundle"):
            build_bundle(options(tmp_path), said.append)
        assert said == []

    @pytest.mark.parametrize("place", ["bundle", "bundle/report", "other", "file/report"])
    def test_a_report_that_would_spoil_a_bundle_is_refused_before_any_work(
        self, tiny_bundle: Bundle, tmp_path: Path, place: str
    ) -> None:
        (tmp_path / "file").write_text("")
        shutil.copytree(tiny_bundle.path, tmp_path / "other")
        said: list[str] = []
        with pytest.raises(OutputError, match="pass another report="):
            build_bundle(options(tmp_path, report=tmp_path / place), said.append)
        assert said == []
        open_bundle(tmp_path / "other")

    @pytest.mark.parametrize("words", ["the bundle", "the report"])
    def test_a_place_that_may_not_be_written_is_noticed_before_any_work(
        self, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A stand-in for the answer of the system, which lets root write nearly everywhere."""
        (tmp_path / "locked").mkdir()
        monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != tmp_path / "locked")
        place = tmp_path / "locked" / "new"
        said: list[str] = []
        with pytest.raises(OutputError, match=f"cannot write {words} .*is not writable"):
            build_bundle(options(tmp_path, **{"out" if words == "the bundle" else "report": place}), said.append)
        assert said == []

    def test_the_root_of_all_folders_is_no_place_for_a_bundle(self, tmp_path: Path) -> None:
        with pytest.raises(OutputError, match="not a bundle"):
            build_bundle(options(tmp_path, out=Path("/")))

    def test_a_file_in_the_way_of_the_folder_is_noticed_before_any_work(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        said: list[str] = []
        with pytest.raises(OutputError, match="is not a folder; pass another out="):
            build_bundle(options(tmp_path, out=tmp_path / "file" / "bundle"), said.append)
        assert said == []

    def test_ctrl_c_leaves_the_bundle_before(self, data: Path, tiny_bundle: Bundle, tmp_path: Path) -> None:
        shutil.copytree(tiny_bundle.path, tmp_path / "bundle")

        def interrupt(what: str, done: int, total: int | None) -> None:
            if what.startswith("comparing"):
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            build_bundle(options(tmp_path, data), progress=interrupt)
        assert open_bundle(tmp_path / "bundle").manifest == tiny_bundle.manifest
        assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith("bundle")) == ["bundle"]

    def test_a_full_disk_leaves_the_bundle_before(
        self, tiny_bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A stand-in: the file system is told to be full where the new bundle's files are written."""
        shutil.copytree(tiny_bundle.path, tmp_path / "bundle")
        write = Path.write_bytes

        def full(path: Path, content: Any) -> int:
            if path.suffix == ".onnx":
                write(path, content[: len(content) // 2])
                raise OSError(28, "No space left on device", str(path))
            return write(path, content)

        monkeypatch.setattr(Path, "write_bytes", full)
        with pytest.raises(OutputError, match="No space left on device"):
            build_bundle(options(tmp_path, precision="fp32"))
        monkeypatch.undo()
        assert open_bundle(tmp_path / "bundle").manifest == tiny_bundle.manifest
        assert [path.name for path in tmp_path.iterdir() if path.name.startswith((".", "bundle"))] == ["bundle"]
