"""``edgefg demo``: the clip that comes with the package."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgefg.media.reader import open_video
from edgefg.utils.resources import CLIP

av = pytest.importorskip("av")
pytest.importorskip("typer")
Command = Callable[..., Any]


@pytest.fixture(autouse=True)
def inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


class TestClip:
    def test_is_small_h264_of_10_to_15_seconds(self) -> None:
        assert CLIP.stat().st_size < 500_000
        with av.open(str(CLIP)) as container:
            stream = container.streams.video[0]
            assert stream.codec_context.name == "h264"
            assert (stream.width, stream.height) == (384, 288)
            assert 10 <= float(stream.duration * stream.time_base) <= 15

    def test_has_no_sound_and_says_nothing_of_its_maker(self) -> None:
        with av.open(str(CLIP)) as container:
            assert len(container.streams) == 1
            assert set(container.metadata) <= {"major_brand", "minor_version", "compatible_brands"}

    def test_people_walk_in_it(self) -> None:
        first, last = (frame.astype(int) for frame in open_video(CLIP).sample(limit=2, long_side=384)[:2])
        assert (np.abs(first - last).max(axis=2) > 60).mean() > 0.005
