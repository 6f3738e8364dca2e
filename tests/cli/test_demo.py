"""``edgefg demo`` on the command line."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edgefg.bundle.bundle import Bundle
from edgefg.media.reader import open_video
from edgefg.utils.resources import CLIP

pytest.importorskip("av")
pytest.importorskip("typer")
Command = Callable[..., Any]


@pytest.fixture(autouse=True)
def inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


class TestDemo:
    def test_writes_two_videos_in_the_current_folder(self, edgefg: Command, tiny_bundle: Bundle) -> None:
        ended = edgefg("demo", "--bundle", tiny_bundle.path)
        assert (ended.code, ended.err) == (0, "")
        written = {path.name: open_video(path) for path in Path("edgefg-demo").iterdir()}
        assert set(written) == {"overlay.mp4", "mask.mp4"}
        assert {(video.count, video.size) for video in written.values()} == {(open_video(CLIP).count, (384, 288))}

    def test_prints_what_it_did_and_how_fast(self, edgefg: Command, tiny_bundle: Bundle) -> None:
        out = edgefg("demo", "--bundle", tiny_bundle.path).out
        assert f"{open_video(CLIP).count} frames of 384x288" in out
        assert "median of" in out
        assert "on openvino" in out
        assert "frames a second" in out
        assert "edgefg-demo/overlay.mp4" in out

    def test_may_run_twice(self, edgefg: Command, tiny_bundle: Bundle) -> None:
        assert [edgefg("demo", "--bundle", tiny_bundle.path).code for _ in range(2)] == [0, 0]

    @pytest.mark.parametrize("words", [("--bundle", "none"), ("--engine", "none")])
    def test_bad_input_leaves_no_folder(self, words: tuple[str, str], edgefg: Command) -> None:
        ended = edgefg("demo", *words)
        assert (ended.code, ended.err.count("\n")) == (2, 1)
        assert list(Path().iterdir()) == []

    def test_a_file_in_the_place_of_the_folder(self, edgefg: Command, tiny_bundle: Bundle) -> None:
        Path("edgefg-demo").touch()
        ended = edgefg("demo", "--bundle", tiny_bundle.path)
        assert (ended.code, ended.err.count("\n")) == (2, 1)
        assert "cannot make this folder" in ended.err
