"""``edgefg run`` on the command line."""

import json
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from edgefg.bundle.bundle import Bundle
from edgefg.media.reader import open_video

from ..support.videos import write_numbered

pytest.importorskip("typer")
pytest.importorskip("av")
Command = Callable[..., Any]


@pytest.fixture
def video(write_video: Callable[..., Path], tmp_path: Path) -> Path:
    return write_video(tmp_path / "in.mp4", frames=6)


class TestRun:
    def test_reports_on_stdout(self, edgefg: Command, video: Path, tiny_bundle: Bundle, tmp_path: Path) -> None:
        ended = edgefg("run", video, "--bundle", tiny_bundle.path, "--mask", tmp_path / "mask.mp4")
        assert (ended.code, ended.err) == (0, "")
        assert "6 frames of 64x48" in ended.out
        assert str(tmp_path / "mask.mp4") in ended.out

    def test_every_option_is_passed_on(self, edgefg: Command, video: Path, tiny_bundle: Bundle, tmp_path: Path) -> None:
        words = ["--background", "first", "--threshold", "0.25", "--engine", "openvino", "--threads", "1"]
        ended = edgefg("run", video, "--bundle", tiny_bundle.path, *words, "--json", tmp_path / "a.jsonl")
        assert ended.code == 0
        assert "the first frame" in ended.out
        assert "threshold 0.25" in ended.out
        assert json.loads((tmp_path / "a.jsonl").read_text().splitlines()[0])["threshold"] == 0.25

    def test_stage_1_alone_on_demand(self, edgefg: Command, video: Path, tiny_bundle: Bundle) -> None:
        ended = edgefg("run", video, "--bundle", tiny_bundle.path, "--mode", "map")
        assert (ended.code, ended.err) == (0, "")
        assert "mode map" in ended.out
        assert "mode full" in edgefg("run", video, "--bundle", tiny_bundle.path).out

    def test_a_truncated_video_is_kept_and_fails(
        self, edgefg: Command, write_video: Callable[..., Path], tiny_bundle: Bundle, tmp_path: Path
    ) -> None:
        source = write_video(tmp_path / "cut.mp4", frames=60)
        source.write_bytes(source.read_bytes()[:-500])
        ended = edgefg("run", source, "--bundle", tiny_bundle.path, "--mask", tmp_path / "mask.mp4")
        assert ended.code == 2
        assert ended.err.count("\n") == 1
        assert "cut short or damaged" in ended.err
        assert (tmp_path / "mask.mp4").exists()


class TestOddSources:
    def test_a_name_with_a_colon(self, edgefg: Command, video: Path, tiny_bundle: Bundle, tmp_path: Path) -> None:
        named = video.rename(tmp_path / "2026-11-30T12:30:05.mp4")
        ended = edgefg("run", named, "--bundle", tiny_bundle.path, "--mask", tmp_path / "cam1: mask.mp4")
        assert (ended.code, ended.err) == (0, "")
        assert (tmp_path / "cam1: mask.mp4").exists()

    def test_thermal_counts(self, edgefg: Command, tiny_bundle: Bundle, tmp_path: Path) -> None:
        for step in range(6):
            frame = (np.linspace(7000, 7080, 64) + np.zeros((48, 1))).astype(np.uint16)
            frame[:16, 8 * step : 8 * step + 16] = 7400
            cv2.imwrite(str(tmp_path / f"{step}.png"), frame)
        words = ("run", tmp_path / "*.png", "--bundle", tiny_bundle.path)
        plain = edgefg(*words)
        assert (plain.code, plain.err) == (0, "")
        assert "foreground  0.0% of the pixels" in plain.out
        assert "hint        its 16-bit levels lie between 7000 and 7400" in plain.out
        assert "--range auto" in plain.out
        ranged = edgefg(*words, "--range", "7000:7400")
        assert (ranged.code, ranged.err) == (0, "")
        assert "levels      7000 becomes 0, 7400 becomes 255" in ranged.out
        assert "foreground  0.0%" not in ranged.out
        assert "hint" not in ranged.out

    def test_a_constant_rate(self, edgefg: Command, video: Path, tiny_bundle: Bundle, tmp_path: Path) -> None:
        words = ("run", video, "--bundle", tiny_bundle.path, "--mask", tmp_path / "mask.mp4", "--output-fps", "30")
        assert edgefg(*words).code == 0
        assert open_video(tmp_path / "mask.mp4").count == 16

    def test_a_damaged_tiff_is_one_line(self, tiny_bundle: Bundle, tmp_path: Path) -> None:
        """In a process of its own, in which OpenCV has not been loaded: it would write lines of its own."""
        cv2.imwrite(str(tmp_path / "a.tif"), np.zeros((48, 64), np.uint8), [cv2.IMWRITE_TIFF_COMPRESSION, 1])
        data = bytearray((tmp_path / "a.tif").read_bytes())
        strips_at = data.rindex(struct.pack("<HH", 273, 4))
        data[strips_at + 4 : strips_at + 12] = struct.pack("<II", 1, 10**9)
        (tmp_path / "a.tif").write_bytes(data)
        command = [sys.executable, "-m", "edgefg", "run", str(tmp_path / "a.tif"), "--bundle", str(tiny_bundle.path)]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert ended.returncode == 2
        assert ended.stderr.startswith(f"error: {tmp_path / 'a.tif'}: OpenCV cannot decode this image")
        assert ended.stderr.count("\n") == 1

    def test_a_recording_that_begins_between_key_frames(
        self, edgefg: Command, tiny_bundle: Bundle, tmp_path: Path
    ) -> None:
        source = write_numbered(tmp_path / "a.avi", "mpeg4", 40, 12, lost=range(5))
        ended = edgefg("run", source, "--bundle", tiny_bundle.path, "--mask", tmp_path / "mask.mp4")
        assert ended.code == 2
        assert ended.err.count("\n") == 1
        assert "begins between two key frames: its first 7 frames are skipped" in ended.err
        assert len(list(open_video(tmp_path / "mask.mp4"))) == 28


class TestBackground:
    def test_is_refreshed_in_the_time_of_the_source_and_saved(
        self,
        edgefg: Command,
        tiny_bundle: Bundle,
        write_video: Callable[..., Path],
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        video, state = write_video(tmp_path / "street.mp4", frames=30), tmp_path / "state.npz"
        words = ("run", video, "--bundle", tiny_bundle.path, "--save-background", state)
        ended = edgefg(*words, "--background", "first", "--refresh", "selective")
        assert ended.code == 0
        assert "the first frame, then selective" in ended.out
        again = edgefg(*words, "--background", state)
        assert again.code == 0
        assert f"background  {state}" in again.out
        monkeypatch.chdir(tmp_path)
        assert edgefg(*words, "--background", "./state.npz").code == 0

    def test_is_shown_in_the_overlay(
        self, edgefg: Command, tiny_bundle: Bundle, write_video: Callable[..., Path], tmp_path: Path
    ) -> None:
        video = write_video(tmp_path / "street.mp4")
        words = ("run", video, "--bundle", tiny_bundle.path, "--overlay", tmp_path / "overlay.mp4")
        assert edgefg(*words, "--inset").code == 0
        assert (tmp_path / "overlay.mp4").stat().st_size

    @pytest.mark.parametrize(
        ("words", "says"),
        [
            (("--refresh", "sometimes"), "--refresh must be"),
            (("--save-background", "state.txt"), "ends in .npz"),
            (("--save-background", "no/such/state.npz"), "does not exist"),
            (("--background", "nowhere.npz"), "no such file"),
            (("--inset",), "--inset shows the background in the overlay; pass --overlay OUT.mp4 as well"),
        ],
    )
    def test_bad_options_are_one_line(
        self,
        words: tuple[str, ...],
        says: str,
        edgefg: Command,
        tiny_bundle: Bundle,
        write_video: Callable[..., Path],
        tmp_path: Path,
    ) -> None:
        ended = edgefg("run", write_video(tmp_path / "street.mp4"), "--bundle", tiny_bundle.path, *words)
        assert ended.code == 2
        assert says in ended.err
        assert ended.err.count("\n") == 1


class TestBadInput:
    """One line on stderr, exit code 2, and no new file."""

    @pytest.fixture(autouse=True)
    def inputs(self, video: Path, bundle_copy: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        Path("empty.mp4").touch()
        Path("text.mp4").write_text("These are words.\n")
        cv2.imwrite("square.png", np.zeros((64, 64, 3), np.uint8))
        Path("folder").mkdir()
        cv2.imwrite("small.png", np.zeros((8, 8, 3), np.uint8))

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            ("none.mp4", "none.mp4: no such file or folder"),
            ("empty.mp4", "found an empty file"),
            ("text.mp4", "expected a video"),
            ("folder", "expected images"),
            ("*.jpg", "no file matches"),
            ("small.png --background first", "at least 16 px"),
            (
                "in.mp4 --background none.png",
                "--background none.png: expected median, first, an image file or a STATE.npz",
            ),
            ("in.mp4 --background square.png", "expected the frames' shape"),
            ("in.mp4 --background text.mp4", "cannot decode this image"),
            ("in.mp4 --range 40:20", "--range 40:20: expected LOW:HIGH with LOW below HIGH"),
            ("in.mp4 --range warm", "--range warm: expected LOW:HIGH"),
            ("in.mp4 --range 20:40", "expected levels of more than 8 bits, in.mp4 has uint8"),
            ("in.mp4 --range auto", "--range auto: expected levels of more"),
            ("in.mp4 --output-fps 0", "--output-fps must be a number above 0 and at most 1000"),
            ("in.mp4 --threshold 2", "--threshold must be a number above 0 and at most 1"),
            ("in.mp4 --threshold nan", "--threshold must be"),
            ("in.mp4 --skip-below 0", "--skip-below must be a number above 0"),
            ("in.mp4 --mode map --skip-below 1", "--skip-below skips stage 2, which the mode map never runs"),
            ("in.mp4 --skip-below low", "--skip-below low: expected a number of map units, auto or never"),
            ("in.mp4 --engine magic", "--engine must be one of auto, tensorrt"),
            ("in.mp4 --mode fast", "--mode must be one of auto, full, map, fused"),
            ("in.mp4 --bundle none", "expected a bundle at none"),
            ("in.mp4 --bundle folder", "expected a bundle"),
            ("in.mp4 --mask none/mask.mp4", "its folder does not exist"),
            ("in.mp4 --mask folder", "ends in .mp4"),
            ("in.mp4 --mask in.mp4", "also the source"),
            ("in.mp4 --mask a.mp4 --overlay a.mp4", "also --mask"),
            ("in.mp4 --json folder", "found a folder or a device"),
            ("in.mp4 --json /dev/full", "found a folder or a device"),
        ],
    )
    def test_run(self, edgefg: Command, words: str, said: str) -> None:
        before = sorted(Path().rglob("*"))
        ended = edgefg("run", "--bundle", "copy", "--overlay", "overlay.mp4", *words.split())
        assert (ended.code, ended.out) == (2, "")
        assert ended.err.startswith("error: ")
        assert ended.err.count("\n") == 1
        assert said in ended.err
        assert sorted(Path().rglob("*")) == before

    @pytest.mark.parametrize("damage", ["missing", "altered", "foreign"])
    def test_damaged_bundle(self, edgefg: Command, bundle_copy: Bundle, damage: str) -> None:
        if damage == "missing":
            bundle_copy.variants[0].stage1.unlink()
        elif damage == "altered":
            bundle_copy.variants[0].stage1.write_bytes(bundle_copy.variants[0].stage1.read_bytes() + b"\0")
        else:
            (bundle_copy.path / "foreign.txt").touch()
        ended = edgefg("run", "in.mp4", "--bundle", "copy", "--overlay", "overlay.mp4")
        assert ended.code == 2
        assert ended.err.count("\n") == 1
        assert ("foreign.txt" if damage == "foreign" else bundle_copy.variants[0].stage1.name) in ended.err
        assert not Path("overlay.mp4").exists()

    def test_folder_that_may_not_be_written(self, edgefg: Command) -> None:
        ended = edgefg("run", "in.mp4", "--bundle", "copy", "--mask", "/proc/mask.mp4")
        assert ended.code == 2
        assert ended.err.startswith("error: /proc/mask.mp4: cannot write: ")
        assert ended.err.count("\n") == 1
