"""A camera in a forked process, where its thread is not: an error at once, never a wait for a frame."""

import pickle
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edgefg.cameras.camera import Camera, open_camera
from edgefg.errors import OtherProcessError

from ..conftest import VideoMaker
from ..support.forking import in_fork

FORKED = (
    "OtherProcessError: this Camera was made before a fork, which its threads do not survive; make it in the process"
)


@pytest.fixture
def camera(tmp_path: Path, write_video: VideoMaker) -> Iterator[Camera]:
    with open_camera(write_video(tmp_path / "door.mp4", 100)) as camera:
        assert camera.read(timeout_s=30) is not None
        yield camera


@pytest.mark.parametrize(
    "use",
    [
        lambda camera: camera.read(60),
        lambda camera: next(iter(camera)),
        lambda camera: camera.state,
        lambda camera: camera.take_changes(),
    ],
    ids=["read", "iterate", "state", "changes"],
)
def test_says_so_at_once(camera: Camera, use: Callable[[Camera], object]) -> None:
    assert in_fork(lambda: use(camera)).startswith(FORKED)


def test_closing_it_does_nothing(camera: Camera) -> None:
    assert in_fork(camera.close) == "None"
    assert camera.read(timeout_s=30) is not None


def test_it_cannot_be_pickled(camera: Camera) -> None:
    with pytest.raises(OtherProcessError, match="a Camera cannot be pickled or copied"):
        pickle.dumps(camera)
