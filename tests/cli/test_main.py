"""The command line: exit codes, and one line for whatever goes wrong."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from edgefg import __version__
from edgefg.bundle.bundle import Bundle
from edgefg.bundle.manifest import ENGINES

pytest.importorskip("typer")
pytest.importorskip("av")
Command = Callable[..., Any]


@pytest.fixture
def video(write_video: Callable[..., Path], tmp_path: Path) -> Path:
    return write_video(tmp_path / "in.mp4", frames=6)


class TestHelp:
    def test_no_command_shows_help(self, edgefg: Command) -> None:
        ended = edgefg()
        assert ended.code == 0
        assert "Usage: edgefg" in ended.out

    @pytest.mark.parametrize("command", ["demo", "run", "evaluate", "doctor"])
    def test_each_command_explains_itself(self, edgefg: Command, command: str) -> None:
        ended = edgefg(command, "--help")
        assert (ended.code, ended.err) == (0, "")
        assert f"Usage: edgefg {command}" in ended.out

    def test_version(self, edgefg: Command) -> None:
        assert edgefg("--version").out == f"edgefg {__version__}\n"

    def test_help_names_every_engine(self, edgefg: Command) -> None:
        # As words: the table breaks its lines where the terminal ends.
        words = set(re.findall(r"[\w-]+", edgefg("run", "--help").out))
        assert words >= {"auto", *ENGINES}


class TestUsageErrors:
    @pytest.mark.parametrize(
        ("words", "said"),
        [
            (["fly"], "fly"),
            (["run"], "SOURCE"),
            (["run", "a.mp4", "--fly"], "--fly"),
            (["run", "a.mp4", "--threads", "two"], "--threads"),
            (["run", "a.mp4", "--threads", "0"], "--threads"),
            (["run", "a.mp4", "b.mp4"], "b.mp4"),
            (["evaluate"], "DATA"),
        ],
    )
    def test_one_line_and_exit_code_2(self, edgefg: Command, words: list[str], said: str) -> None:
        ended = edgefg(*words)
        assert (ended.code, ended.out) == (2, "")
        assert ended.err.startswith("error: ")
        assert ended.err.count("\n") == 1
        assert said in ended.err
        assert "--help" in ended.err


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
            ("empty.mp4", "the file is empty"),
            ("text.mp4", "expected a video"),
            ("folder", "expected images"),
            ("*.jpg", "no file matches"),
            ("small.png --background first", "at least 16 px"),
            ("in.mp4 --background none.png", "expected median, first, an image file or a STATE.npz"),
            ("in.mp4 --background square.png", "expected the frames' shape"),
            ("in.mp4 --background text.mp4", "expected an image"),
            ("in.mp4 --threshold 2", "threshold"),
            ("in.mp4 --threshold nan", "threshold"),
            ("in.mp4 --engine magic", "engine must be one of auto"),
            ("in.mp4 --mode fast", "mode must be one of auto, full, map, fused"),
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


class TestEvaluate:
    @pytest.fixture
    def data(self, write_sequence: Callable[..., Path], tmp_path: Path) -> Path:
        write_sequence(tmp_path / "data" / "baseline" / "box")
        return tmp_path / "data"

    def test_prints_a_table_and_writes_json(
        self, edgefg: Command, data: Path, tiny_bundle: Bundle, tmp_path: Path
    ) -> None:
        scores = tmp_path / "f.json"
        words = ["--bundle", tiny_bundle.path, "--method", "edgefg", "--method", "mog2", "--json", scores]
        ended = edgefg("evaluate", data, *words)
        assert (ended.code, ended.err) == (0, "")
        assert "temporal median" in ended.out
        methods = json.loads(scores.read_text())["method"]
        assert set(methods) == {"edgefg", "mog2"}
        assert methods["edgefg"]["sequences"]["baseline/box"]["f"] > 0.5

    def test_scores_edgefg_unless_told_otherwise(
        self, edgefg: Command, data: Path, tiny_bundle: Bundle, tmp_path: Path
    ) -> None:
        edgefg("evaluate", data, "--bundle", tiny_bundle.path, "--json", tmp_path / "f.json")
        assert list(json.loads((tmp_path / "f.json").read_text())["method"]) == ["edgefg", "edgefg-map"]

    def test_writes_csv_curve_and_montage(self, edgefg: Command, data: Path, tiny_bundle: Bundle) -> None:
        pytest.importorskip("matplotlib")
        files = {option: data / f"f{option}.png" for option in ("--csv", "--curve", "--montage")}
        words = [word for pair in files.items() for word in pair]
        ended = edgefg("evaluate", data, "--bundle", tiny_bundle.path, *words)
        assert (ended.code, ended.err) == (0, "")
        assert all(file.stat().st_size > 100 for file in files.values())

    def test_several_categories_have_a_table_of_their_own(
        self, edgefg: Command, data: Path, write_sequence: Callable[..., Path]
    ) -> None:
        assert "F-measure by category" not in edgefg("evaluate", data, "--method", "mog2").out
        write_sequence(data / "shadow" / "box")
        assert "F-measure by category" in edgefg("evaluate", data, "--method", "mog2").out

    def test_published_figures_are_printed_on_demand(self, edgefg: Command, data: Path) -> None:
        assert "FgSegNet" not in edgefg("evaluate", data, "--method", "mog2").out
        ended = edgefg("evaluate", data, "--method", "mog2", "--published")
        assert (ended.code, ended.err) == (0, "")
        assert "FgSegNet" in ended.out
        assert "Ours is not beside them" in ended.out

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            ("--method vibe", "--method vibe: expected one of edgefg, edgefg-full, edgefg-map, mog2"),
            ("--curve f.jpg", "expected a name that ends in .png"),
            ("--montage none/f.png", "its folder does not exist"),
            ("--csv f.png --montage f.png", "this one is also --csv"),
            ("--csv data/baseline/box/f.csv", "expected a file of its own"),
        ],
    )
    def test_bad_options_are_one_line_and_leave_no_file(
        self, edgefg: Command, data: Path, tmp_path: Path, words: str, said: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        before = sorted(tmp_path.rglob("*"))
        method = [] if "--method" in words else ["--method", "mog2"]
        ended = edgefg("evaluate", data, *method, *words.split())
        assert (ended.code, ended.out, ended.err.count("\n")) == (2, "", 1)
        assert said in ended.err
        assert sorted(tmp_path.rglob("*")) == before

    def test_a_library_that_is_missing_is_one_line(
        self, edgefg: Command, data: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, "pybgs", None)
        ended = edgefg("evaluate", data, "--method", "subsense")
        assert (ended.code, ended.err.count("\n")) == (2, 1)
        assert "pip install pybgs" in ended.err

    def test_bad_data_leaves_no_json(self, edgefg: Command, tmp_path: Path) -> None:
        ended = edgefg("evaluate", tmp_path / "none", "--json", tmp_path / "f.json")
        assert (ended.code, ended.err.count("\n")) == (2, 1)
        assert list(tmp_path.iterdir()) == []

    def test_json_must_not_replace_the_data(self, edgefg: Command, data: Path, tmp_path: Path) -> None:
        parts = tmp_path / "parts.json"
        parts.write_text('{"all": ["data/baseline/box"]}')
        ended = edgefg("evaluate", parts, "--json", parts)
        assert ended.code == 2
        assert "is also DATA" in ended.err
        assert parts.read_text().startswith('{"all"')

    @pytest.mark.parametrize("name", ["ROI.bmp", "new.json", "input/new.json"])
    def test_json_must_not_lie_among_the_data(self, edgefg: Command, data: Path, name: str) -> None:
        sequence = data / "baseline" / "box"
        before = (sequence / "ROI.bmp").read_bytes()
        ended = edgefg("evaluate", sequence, "--method", "mog2", "--json", sequence / name)
        assert (ended.code, ended.err.count("\n")) == (2, 1)
        assert "expected a file of its own" in ended.err
        assert (sequence / "ROI.bmp").read_bytes() == before
        assert not (sequence / "new.json").exists()

    def test_json_may_lie_beside_the_sequences(self, edgefg: Command, data: Path) -> None:
        assert edgefg("evaluate", data, "--method", "mog2", "--json", data / "f.json").code == 0

    def test_a_write_protected_file_is_not_replaced(self, edgefg: Command, data: Path, tmp_path: Path) -> None:
        kept = tmp_path / "f.json"
        kept.write_text("kept")
        kept.chmod(0o444)
        ended = edgefg("evaluate", data, "--method", "mog2", "--json", kept)
        assert ended.code == 2
        assert "write-protected" in ended.err
        assert kept.read_text() == "kept"


class TestEntryPoint:
    """In a process of its own, as a user starts it."""

    def test_a_name_that_the_terminal_cannot_show(self, write_video: Callable[..., Path], tiny_bundle: Bundle) -> None:
        pytest.importorskip("av")
        folder = tiny_bundle.path.parent
        video = write_video(folder / "日.mp4", frames=2)
        ended = subprocess.run(
            [sys.executable, "-m", "edgefg", "run", str(video), "--bundle", str(tiny_bundle.path)],
            env=os.environ | {"PYTHONIOENCODING": "latin-1"},
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert (ended.returncode, ended.stderr) == (0, "")
        assert "2 frames" in ended.stdout

    def test_module(self) -> None:
        ended = subprocess.run(
            [sys.executable, "-m", "edgefg", "--version"], capture_output=True, text=True, timeout=60
        )
        assert (ended.returncode, ended.stdout) == (0, f"edgefg {__version__}\n")

    def test_without_the_cli_extra(self, video: Path) -> None:
        code = "import sys; sys.modules['typer'] = None; from edgefg.__main__ import main; main()"
        ended = subprocess.run([sys.executable, "-c", code, "run", video], capture_output=True, text=True, timeout=60)
        assert ended.returncode == 2
        assert ended.stderr.count("\n") == 1
        assert 'pip install "edgefg[cli]"' in ended.stderr

    def test_without_cv2(self, video: Path) -> None:
        code = "import sys; sys.modules['cv2'] = None; from edgefg.__main__ import main; main()"
        ended = subprocess.run([sys.executable, "-c", code, "run", video], capture_output=True, text=True, timeout=60)
        assert ended.returncode == 2
        assert ended.stderr.count("\n") == 1
        assert "cv2" in ended.stderr
        assert "edgefg doctor" in ended.stderr
