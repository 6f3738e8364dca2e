"""Files and folders as cameras, options, addresses that no camera can have."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from edgefg.cameras.camera import _OPEN, Camera, CameraOptions, open_camera
from edgefg.cameras.source import DecodedFrames, Waits
from edgefg.cameras.state import CameraState
from edgefg.errors import (
    CameraError,
    ClosedError,
    MissingDependencyError,
    MissingFileError,
    OptionError,
    StreamEndedError,
)

from ..support.rtsp import silent_port

pytest.importorskip("av")

FAST = CameraOptions(paced=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Five images whose level is their number."""
    for level in range(5):
        cv2.imwrite(str(tmp_path / f"{level}.png"), np.full((48, 64, 3), level, np.uint8))
    return tmp_path


class TestFile:
    def test_unpaced_gives_every_frame_in_order(self, write_video: Callable[..., Path], tmp_path: Path) -> None:
        with open_camera(write_video(tmp_path / "a.mp4", frames=30), options=FAST) as camera:
            frames = list(camera)
            assert [frame.sequence for frame in frames] == list(range(30))
            assert all(frame.image.shape == (48, 64, 3) and frame.dropped == 0 for frame in frames)
            assert (camera.state, camera.statistics.received) == (CameraState.ENDED, 30)

    def test_a_slow_reader_of_an_unpaced_file_loses_nothing(self, folder: Path) -> None:
        with open_camera(folder, options=FAST) as camera:
            levels = []
            for frame in camera:
                time.sleep(0.03)
                levels.append(int(frame.image[0, 0, 0]))
        assert levels == [0, 1, 2, 3, 4]

    def test_paced_takes_its_time(self, write_video: Callable[..., Path], tmp_path: Path) -> None:
        with open_camera(write_video(tmp_path / "a.mp4", frames=10, fps=20)) as camera:
            frames = list(camera)
            assert frames[-1].captured_s - frames[0].captured_s >= 9 / 20 - 0.01
            assert frames[-1].pts_s == pytest.approx(9 / 20)

    def test_a_slow_reader_of_a_paced_file_gets_the_newest(
        self, write_video: Callable[..., Path], tmp_path: Path
    ) -> None:
        with open_camera(write_video(tmp_path / "a.mp4", frames=60, fps=100)) as camera:
            read, last = 0, None
            for frame in camera:
                time.sleep(0.05)
                read, last = read + 1, frame
            assert last is not None
            assert last.sequence == 59  # the last frame is never lost
            assert read < 60
            assert camera.statistics.dropped == 60 - read

    def test_a_frame_knows_how_many_were_dropped_before_it(self, folder: Path) -> None:
        with open_camera(folder, options=CameraOptions(fps=1000)) as camera:
            while camera.state is not CameraState.ENDED:
                time.sleep(0.01)
            frame = camera.read()
            assert frame is not None
            assert (frame.sequence, frame.dropped) == (4, 4)

    def test_loop_begins_anew(self, folder: Path) -> None:
        with open_camera(folder, options=CameraOptions(paced=False, loop=True)) as camera:
            levels = [int(next(iter(camera)).image[0, 0, 0]) for _ in range(12)]
        assert levels == [0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 1]

    def test_a_folder_and_a_glob_and_an_image(self, folder: Path) -> None:
        for source, count in ((folder, 5), (folder / "[1-3].png", 3), (folder / "2.png", 1)):
            with open_camera(source, options=FAST) as camera:
                assert len(list(camera)) == count

    def test_the_image_is_the_readers_own(self, folder: Path) -> None:
        with open_camera(folder, options=CameraOptions(paced=False, loop=True)) as camera:
            for _ in range(7):
                frame = camera.read()
                assert frame is not None
                assert frame.image.max() <= 4
                frame.image[:] = 255

    def test_a_damaged_file_gives_what_decodes_and_says_why_it_ended(
        self, write_video: Callable[..., Path], tmp_path: Path
    ) -> None:
        path = write_video(tmp_path / "cut.mp4", frames=60)
        path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
        with open_camera(path, options=FAST) as camera:
            assert 5 < len(list(camera)) < 60
            with pytest.raises(StreamEndedError, match=r"cut\.mp4: the file is cut short or damaged"):
                camera.read()

    def test_a_file_that_is_no_video_ends_with_that(self, tmp_path: Path) -> None:
        (tmp_path / "a.mp4").write_text("not a video")
        with (
            open_camera(tmp_path / "a.mp4") as camera,
            pytest.raises(StreamEndedError, match=r"a\.mp4: expected a video"),
        ):
            camera.read(timeout_s=30)


class TestClose:
    def test_twice_is_fine_and_ends_the_thread(self, folder: Path) -> None:
        before = threading.active_count()
        camera = open_camera(folder, options=CameraOptions(loop=True))
        camera.close()
        camera.close()
        assert threading.active_count() == before

    def test_ends_one_that_waits_for_its_reader(self, folder: Path) -> None:
        before = threading.active_count()
        with open_camera(folder, options=FAST) as camera:
            assert camera.read() is not None
        assert threading.active_count() == before

    def test_one_that_ends_after_it_was_closed_is_forgotten(self) -> None:
        """Its thread is inside a try to connect meanwhile."""
        trying, go_on = threading.Event(), threading.Event()

        class Slow:
            live = True

            @contextmanager
            def connect(self, waits: Waits) -> Iterator[DecodedFrames]:
                trying.set()
                go_on.wait(30)
                yield iter(())

        camera = Camera(Slow(), "door", CameraOptions())
        assert trying.wait(30)
        camera.close(wait_s=0)
        assert camera in _OPEN
        go_on.set()
        camera._thread.join(30)
        assert camera not in _OPEN

    def test_use_after_it_says_so(self, folder: Path) -> None:
        camera = open_camera(folder, name="door")
        camera.close()
        with pytest.raises(ClosedError, match="door: this camera was closed; open it again"):
            camera.read()
        assert list(camera) == []

    def test_wakes_a_reader(self, folder: Path) -> None:
        camera = open_camera(folder, options=CameraOptions(fps=0.01))
        assert camera.read() is not None
        threading.Timer(0.1, camera.close).start()
        with pytest.raises(ClosedError):
            camera.read(timeout_s=60)

    def test_a_program_ends_without_it(self, folder: Path) -> None:
        code = (
            "import sys; from edgefg import CameraOptions, open_camera; "
            "cameras = [open_camera(sys.argv[1], options=CameraOptions(loop=True)) for _ in range(4)]; "
            "print(all(camera.read(30) is not None for camera in cameras))"
        )
        ended = subprocess.run([sys.executable, "-c", code, str(folder)], capture_output=True, text=True, timeout=60)
        assert (ended.returncode, ended.stdout, ended.stderr) == (0, "True\n", "")

    def test_a_program_ends_though_its_cameras_hang(self) -> None:
        code = (
            "import sys, time; from edgefg import open_camera; "
            "cameras = [open_camera(sys.argv[1]) for _ in range(8)]; time.sleep(0.5); "
            "print(*{camera.state.value for camera in cameras})"
        )
        with silent_port() as port:
            words = [sys.executable, "-c", code, f"rtsp://guard:hunter2@127.0.0.1:{port}/camera"]
            ended = subprocess.run(words, capture_output=True, text=True, timeout=60)
        assert (ended.returncode, ended.stdout, ended.stderr) == (0, "connecting\n", "")


class TestOpening:
    def test_never_waits(self) -> None:
        """A host that does not exist, by an address that is reserved for documentation."""
        started = time.monotonic()
        camera = open_camera("rtsp://192.0.2.1/stream")
        assert time.monotonic() - started < 5
        assert camera.state is CameraState.CONNECTING
        camera.close(wait_s=0)

    @pytest.mark.parametrize("url", ["ftp://a/b", "gopher://x", "rtsp://", "http:///", "file:///etc/passwd", "x://y"])
    def test_an_address_that_is_none_is_refused_with_what_is_possible(self, url: str) -> None:
        with pytest.raises(CameraError, match=r"expected a stream \(rtsp://.* a device \(/dev/video0\), a video file"):
            open_camera(url)

    def test_an_empty_address_is_refused(self) -> None:
        with pytest.raises(CameraError, match="got an empty address"):
            open_camera("")

    @pytest.mark.parametrize("path", ["missing.mp4", "missing/", "*.nothing", "99"])
    def test_a_file_that_is_missing_is_refused_at_once(self, path: str, tmp_path: Path) -> None:
        with pytest.raises(MissingFileError, match=r"no such file or folder|no file matches"):
            open_camera(tmp_path / path)

    def test_a_refused_address_keeps_its_secrets(self) -> None:
        with pytest.raises(CameraError) as raised:
            open_camera("ftp://admin:hunter2@a/b")
        assert "hunter2" not in str(raised.value)

    def test_the_name_has_no_credentials(self) -> None:
        camera = open_camera("rtsp://admin:hunter2@127.0.0.1:9/stream")
        camera.close()
        assert camera.name == "rtsp://***@127.0.0.1:9/stream"
        assert "hunter2" not in repr(vars(camera)["_thread"])

    def test_a_device_that_is_not_there_is_waited_for(self) -> None:
        with open_camera("/dev/video987") as camera:
            wait_for_error(camera)
            assert camera.state is CameraState.CONNECTING
            assert camera.error == "no such device; check that the camera is plugged in"

    def test_without_pyav_it_says_what_to_install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "av", None)
        with pytest.raises(MissingDependencyError, match="pip install av"):
            open_camera("rtsp://127.0.0.1/stream")

    def test_without_gstreamer_it_says_what_to_install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("edgefg.cameras.gstreamer.find_spec", lambda name: None)
        with pytest.raises(MissingDependencyError, match="sudo apt-get install python3-gi"):
            open_camera("videotestsrc ! video/x-raw,width=320")


def wait_for_error(camera: Any) -> None:
    deadline = time.monotonic() + 30
    while not camera.error and time.monotonic() < deadline:
        time.sleep(0.01)


class TestOptions:
    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"transport": "carrier pigeon"}, "transport must be one of tcp, udp; got 'carrier pigeon'"),
            ({"fps": 0}, "fps must be a number above 0; got 0"),
            ({"fps": float("nan")}, "fps must be a number above 0; got nan"),
            ({"stall_s": -1}, "stall_s must be a number above 0; got -1"),
            ({"connect_timeout_s": None}, "connect_timeout_s must be a number above 0; got None"),
            ({"frozen_s": float("inf")}, "frozen_s must be a number above 0; got inf"),
            ({"max_lag_s": True}, "max_lag_s must be a number above 0; got True"),
            ({"decode_threads": 0}, "decode_threads must be a whole number above 0; got 0"),
            ({"decode_threads": 1.5}, "decode_threads must be a whole number above 0; got 1.5"),
            ({"stall_s": 9}, "stall_s must not be above read_timeout_s; got 9 and 5.0"),
            ({"min_delay_s": 60}, "min_delay_s must not be above max_delay_s; got 60 and 30.0"),
        ],
    )
    def test_that_make_no_sense_are_refused(self, options: dict[str, Any], message: str) -> None:
        with pytest.raises(OptionError) as raised:
            CameraOptions(**options)
        assert str(raised.value) == message
