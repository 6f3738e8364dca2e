"""Files as cameras: their own times, odd names, and pictures before a key frame."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from edgefg.cameras.camera import open_camera
from edgefg.cameras.options import CameraOptions
from edgefg.errors import OptionError, StreamEndedError

from ..support.images import tiff
from ..support.rtsp import number_in
from ..support.videos import write_numbered

pytest.importorskip("av")


def test_times_are_those_of_the_file(tmp_path: Path) -> None:
    stamps = [0, 40, 80, 5000, 65_000]
    path = write_numbered(tmp_path / "a.mkv", frames=5, stamps=stamps, tick_s=Fraction(1, 1000))
    with open_camera(path, options=CameraOptions(paced=False)) as camera:
        assert [frame.pts_s for frame in camera] == pytest.approx([stamp / 1000 for stamp in stamps])


def test_a_rate_of_your_own_replaces_them(tmp_path: Path) -> None:
    path = write_numbered(tmp_path / "a.mkv", frames=3, stamps=[0, 40, 65_000], tick_s=Fraction(1, 1000))
    with open_camera(path, options=CameraOptions(paced=False, fps=10)) as camera:
        assert [frame.pts_s for frame in camera] == pytest.approx([0, 0.1, 0.2])


def test_times_go_on_when_the_file_starts_again(tmp_path: Path) -> None:
    path = write_numbered(tmp_path / "a.mp4", frames=3)
    with open_camera(path, options=CameraOptions(paced=False, loop=True)) as camera:
        times_s = [camera.read().pts_s for _ in range(7)]  # type: ignore[union-attr]
    assert times_s == pytest.approx([number / 25 for number in range(7)])


@pytest.mark.parametrize("name", ["2026-11-30T12:30:05.mp4", "rtsp:door.mp4", "a ! b.mp4", "7"])
def test_any_name_of_a_file_is_a_file(
    name: str, write_video: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_video(tmp_path / "a.mp4", frames=3).rename(name)
    with open_camera(name, options=CameraOptions(paced=False)) as camera:
        assert len(list(camera)) == 3


def test_thermal_counts_have_a_range(tmp_path: Path) -> None:
    (tmp_path / "a.tif").write_bytes(tiff([np.full((48, 64), level, np.uint16) for level in (7000, 7200, 7400)]))
    with open_camera(tmp_path / "a.tif", options=CameraOptions(paced=False, value_range=(7000, 7400))) as camera:
        assert [int(frame.image[0, 0, 0]) for frame in camera] == [0, 128, 255]


def test_a_range_that_makes_no_sense() -> None:
    with pytest.raises(OptionError, match="value_range must be two finite numbers"):
        CameraOptions(value_range=(2, 1))


def test_frames_before_the_first_key_frame_are_never_shown(tmp_path: Path) -> None:
    path = write_numbered(tmp_path / "a.avi", "mpeg4", 30, 12, lost=range(5))
    with open_camera(path, options=CameraOptions(paced=False)) as camera:
        assert [number_in(frame.image) for frame in camera] == list(range(12, 30))
        with pytest.raises(StreamEndedError, match="begins between two key frames"):
            camera.read()
