"""Cameras at /dev/video*. There is none here: OpenCV's capture is a fake, the checks before it are real."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgefg.cameras.source import DecodedFrame, Waits
from edgefg.cameras.v4l2 import V4l2Source
from edgefg.errors import CameraError

WAITS = Waits(10, 5)


class FakeCapture:
    """Stands for cv2.VideoCapture: a number of frames, then the cable is pulled."""

    opens = True
    frames = 3
    released = 0

    def __init__(self, path: str, api: int) -> None:
        self.given = 0

    def isOpened(self) -> bool:
        return self.opens

    def set(self, key: int, value: float) -> bool:
        return True

    def get(self, key: int) -> float:
        return 1000.0 * self.given

    def read(self) -> tuple[bool, Any]:
        self.given += 1
        return (True, np.full((48, 64, 3), self.given, np.uint8)) if self.given <= self.frames else (False, None)

    def release(self) -> None:
        type(self).released += 1


@pytest.fixture
def capture(monkeypatch: pytest.MonkeyPatch) -> type[FakeCapture]:
    class Capture(FakeCapture):
        pass

    monkeypatch.setattr("edgefg.cameras.v4l2.cv2.VideoCapture", Capture)
    return Capture


@pytest.fixture
def device(tmp_path: Path) -> Path:
    path = tmp_path / "video0"
    path.touch()
    return path


def test_gives_frames_until_the_cable_is_pulled(capture: type[FakeCapture], device: Path) -> None:
    pictures = []
    with (
        pytest.raises(CameraError, match="the device returns no frame; check the cable"),
        V4l2Source(str(device)).connect(WAITS) as source,
    ):
        for picture in source:
            assert isinstance(picture, DecodedFrame)
            pictures.append(picture)
    assert [int(picture.to_bgr()[0, 0, 0]) for picture in pictures] == [1, 2, 3]
    assert [picture.pts_s for picture in pictures] == [1, 2, 3]
    assert capture.released == 1


def test_one_that_another_program_uses_says_so(capture: type[FakeCapture], device: Path) -> None:
    capture.opens = False
    with pytest.raises(CameraError, match="no other program uses it"), V4l2Source(str(device)).connect(WAITS):
        pass
    assert capture.released == 1


def test_one_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(CameraError, match="no such device"), V4l2Source(str(tmp_path / "video9")).connect(WAITS):
        pass


def test_one_without_permission_says_what_to_do(device: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(CameraError, match=r"sudo usermod -aG video \$USER"), V4l2Source(str(device)).connect(WAITS):
        pass
