"""``edgefg bench`` on the command line."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from edgefg.bench.benchmark import BenchOptions, benchmark
from edgefg.bundle.bundle import Bundle
from edgefg.errors import MissingFileError

pytest.importorskip("typer")
pytest.importorskip("openvino")
Command = Callable[..., Any]


class TestBench:
    def test_writes_figures_and_a_picture_and_prints_them(
        self, tiny_bundle: Bundle, edgefg: Command, tmp_path: Path
    ) -> None:
        pytest.importorskip("matplotlib")
        files = "--json", tmp_path / "b.json", "--plot", tmp_path / "b.png"
        ended = edgefg("bench", "--bundle", tiny_bundle.path, "--frames", 10, "--cameras", 2, *files)
        assert (ended.code, ended.err) == (0, "")
        assert "of the best bare loop" in ended.out
        assert max(map(len, ended.out.splitlines())) <= 80
        figures = json.loads((tmp_path / "b.json").read_text())
        assert figures["pipeline_to_raw"] > 0
        picture = cv2.imread(str(tmp_path / "b.png"))
        assert picture is not None
        assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 10

    def test_without_matplotlib_says_so_before_the_work(
        self, edgefg: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in ("matplotlib", "matplotlib.axes", "matplotlib.figure"):
            monkeypatch.setitem(sys.modules, name, None)
        monkeypatch.delitem(sys.modules, "edgefg.bench.plot", raising=False)
        ended = edgefg("bench", "--json", tmp_path / "b.json", "--plot", tmp_path / "b.png")
        assert ended.code == 2
        assert 'pip install "edgefg[plot]"' in ended.err
        assert not list(tmp_path.iterdir())

    @pytest.mark.parametrize("option", ["--json", "--plot"])
    def test_where_a_file_cannot_be_written_says_so_before_the_work(
        self, option: str, edgefg: Command, tmp_path: Path
    ) -> None:
        pytest.importorskip("matplotlib")
        ended = edgefg("bench", option, tmp_path / "none" / "b.png")
        assert ended.code == 2
        assert "mkdir -p" in ended.err

    def test_never_writes_over_what_it_reads(
        self, tiny_bundle: Bundle, edgefg: Command, tmp_path: Path, write_video: Any
    ) -> None:
        pytest.importorskip("matplotlib")
        video = write_video(tmp_path / "camera.mp4")
        before = video.read_bytes()
        for words, says in (
            (("--json", video), "this one is also the source"),
            (("--plot", tmp_path / "." / "camera.mp4"), "this one is also the source"),
            (("--json", tmp_path / "b", "--plot", tmp_path / "b"), "this one is also --json"),
            (("--json", tiny_bundle.path / "manifest.json"), "is in, the bundle"),
        ):
            ended = edgefg("bench", "--bundle", tiny_bundle.path, "--source", video, *words)
            assert ended.code == 2
            assert says in ended.err
        assert video.read_bytes() == before

    def test_without_its_source_leaves_no_file(self, tiny_bundle: Bundle, edgefg: Command, tmp_path: Path) -> None:
        with pytest.raises(MissingFileError):
            benchmark(BenchOptions(bundle=tiny_bundle.path, source=str(tmp_path / "none.mp4")))
        ended = edgefg("bench", "--source", tmp_path / "none.mp4", "--json", tmp_path / "b.json")
        assert ended.code == 2
        assert not list(tmp_path.iterdir())
