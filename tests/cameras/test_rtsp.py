"""Cameras on a real RTSP server, and what goes wrong with them: each fault once. All at once: test_camera_chaos.py."""

import logging
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from edgefg.cameras.camera import Camera, CameraOptions, open_camera
from edgefg.cameras.state import CameraFrame, CameraState

from ..support import rtsp

pytest.importorskip("av")
pytestmark = pytest.mark.rtsp

Serve = Callable[..., rtsp.RtspServer]
# Pauses as short as the tests': a busy machine only makes them longer.
QUICK = CameraOptions(stall_s=0.6, read_timeout_s=2.0, frozen_s=1.0, min_delay_s=0.1, max_delay_s=0.5)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if reason := rtsp.missing():
        pytest.skip(reason)
    return rtsp.write_clip(tmp_path_factory.mktemp("clips") / "320x240.mp4")


@pytest.fixture
def serve(clip: Path) -> Iterator[Serve]:
    """Starts servers, and ends those that still run."""
    servers = []

    def start(clip: Path = clip, **how: object) -> rtsp.RtspServer:
        servers.append(rtsp.RtspServer(clip, **how))  # type: ignore[arg-type]
        return servers[-1]

    yield start
    for server in servers:
        server.close()


def read_until(camera: Camera, enough: Callable[[CameraFrame | None], bool], limit_s: float = 30) -> list[CameraFrame]:
    """Reads until a frame, or a while without one, is enough; gives all frames up to then."""
    frames = []
    deadline_s = time.monotonic() + limit_s
    while time.monotonic() < deadline_s:
        frame = camera.read(timeout_s=0.05)
        if frame is not None:
            frames.append(frame)
        if enough(frame):
            return frames
    raise AssertionError(f"not within {limit_s} s: {camera.state}, {camera.error}, {camera.statistics}")


def read_frames(camera: Camera, count: int) -> list[CameraFrame]:
    frames: list[CameraFrame] = []
    while len(frames) < count:
        frames += read_until(camera, lambda frame: frame is not None)
    return frames


def is_live(camera: Camera) -> Callable[[CameraFrame | None], bool]:
    return lambda frame: frame is not None and camera.state is CameraState.LIVE


def is_state(camera: Camera, state: CameraState) -> Callable[[CameraFrame | None], bool]:
    return lambda _: camera.state is state


def reasons(camera: Camera) -> list[str]:
    return [f"{change.state.value}: {change.reason}" for change in camera.take_changes()]


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_frames_come_from_the_first_on_and_in_time(serve: Serve, transport: str) -> None:
    """The first one is the key frame that the camera starts with: nothing is thrown away while FFmpeg looks at it."""
    server = serve()
    with open_camera(server.url, options=CameraOptions(transport=transport)) as camera:
        frames = read_frames(camera, 40)
        delays = [frame.captured_s - server.sent_s(rtsp.number_in(frame.image)) for frame in frames]
    assert rtsp.number_in(frames[0].image) == frames[0].sequence < 10
    assert [rtsp.number_in(frame.image) for frame in frames] == [frame.sequence for frame in frames]
    assert np.median(delays) < 0.1
    assert camera.state is CameraState.LIVE


def test_frames_look_as_they_were_made(serve: Serve) -> None:
    with open_camera(serve().url) as camera:
        assert not [frame.sequence for frame in read_frames(camera, 5) if rtsp.looks_wrong(frame.image)]


class TestLogin:
    def test_the_right_one_opens(self, serve: Serve) -> None:
        server = serve(login="guard:hunter2")
        with open_camera(f"rtsp://guard:hunter2@127.0.0.1:{server.port}/camera") as camera:
            assert read_frames(camera, 1)

    @pytest.mark.parametrize("login", ["", "guard:wr0ng@"])
    def test_a_wrong_one_says_so(self, serve: Serve, login: str) -> None:
        server = serve(login="guard:hunter2")
        with open_camera(f"rtsp://{login}127.0.0.1:{server.port}/camera") as camera:
            read_until(camera, lambda _: bool(camera.error))
            assert camera.error.startswith("login refused (401)")
            assert camera.state is CameraState.CONNECTING

    def test_it_shows_nowhere(
        self, serve: Serve, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
    ) -> None:
        """Neither while all is well, nor refused, nor when the server dies, nor when it is gone."""
        caplog.set_level(logging.DEBUG)
        shown = []
        server = serve(login="guard:hunter2")
        for login in ("guard:wr0ng", "guard:hunter2"):
            with open_camera(f"rtsp://{login}@127.0.0.1:{server.port}/camera?token=s3cret", options=QUICK) as camera:
                read_until(camera, lambda _: camera.error != "" or camera.state is CameraState.LIVE)
                if login == "guard:hunter2":
                    server.close()
                    read_until(camera, lambda _: "refused" in camera.error)
                shown += [camera.name, camera.error, repr(camera), repr(camera.take_changes())]
                shown.append(repr(camera.statistics))
                thread = vars(camera)["_thread"]
                shown.append(repr(thread))
            with pytest.raises(RuntimeError) as raised:
                camera.read()
            shown.append(str(raised.value))
        shown += [*capfd.readouterr(), caplog.text]
        text = "\n".join(shown)
        assert "127.0.0.1" in text
        assert not [secret for secret in ("guard", "hunter2", "wr0ng", "s3cret") if secret in text]


def test_a_wrong_path_says_so(serve: Serve) -> None:
    with open_camera(serve().url + "s") as camera:
        read_until(camera, lambda _: bool(camera.error))
        assert camera.error == "no such stream (404); check the path in the address"


def test_a_camera_that_sends_only_sound_says_so(serve: Serve) -> None:
    with open_camera(serve(more=("--sound",)).url, options=QUICK) as camera:
        # GStreamer's server sometimes answers the first viewer of a live source with an error of its own.
        read_until(camera, lambda _: bool(camera.error) and "5XX" not in camera.error)
        assert camera.error == "expected a video stream, found only sound; check the path in the address"


def test_a_slow_camera_goes_live_and_stays_so(serve: Serve) -> None:
    """All times are a twentieth of the real ones: a frame in 0.5 s stands for one in 10 s."""
    server = serve(fps=2.0)
    options = CameraOptions(
        connect_timeout_s=0.5, stall_s=0.1, read_timeout_s=0.25, max_lag_s=0.15, min_delay_s=0.05, max_delay_s=0.1
    )
    with open_camera(server.url, options=options) as camera:
        read_until(camera, lambda _: camera.statistics.received >= 4)
        camera.take_changes()
        reconnects = camera.statistics.reconnects
        frames = read_frames(camera, 4)
        assert [change for change in reasons(camera) if change != "live: "] == []
        assert camera.statistics.reconnects == reconnects <= 3
    assert [frame.sequence - frames[0].sequence for frame in frames] == list(range(4))


def test_a_server_that_never_answers_is_given_up_and_tried_again() -> None:
    options = CameraOptions(connect_timeout_s=0.3, min_delay_s=0.1, max_delay_s=0.2)
    with rtsp.silent_port() as port, open_camera(f"rtsp://127.0.0.1:{port}/camera", options=options) as camera:
        read_until(camera, lambda _: bool(camera.error))
        assert camera.error == "no answer within 0.3 s"
        assert camera.state is CameraState.CONNECTING


def test_closing_does_not_wait_for_a_server_that_never_answers() -> None:
    with rtsp.silent_port() as port:
        camera = open_camera(f"rtsp://127.0.0.1:{port}/camera", options=CameraOptions(connect_timeout_s=3))
        assert camera.read(timeout_s=0.3) is None
        started_s = time.monotonic()
        camera.close(wait_s=0.1)
        assert time.monotonic() - started_s < 2.5
        thread = vars(camera)["_thread"]
        thread.join(30)
        assert not thread.is_alive()


@pytest.mark.parametrize(("size", "codec"), [((640, 360), "h264"), ((320, 240), "h265")], ids=["size", "codec"])
def test_a_camera_that_comes_back_different_goes_on(
    serve: Serve, tmp_path: Path, size: tuple[int, int], codec: str
) -> None:
    server = serve()
    with open_camera(server.url, options=QUICK) as camera:
        read_until(camera, is_live(camera))
        server.close()
        read_until(camera, is_state(camera, CameraState.RECONNECTING))
        serve(rtsp.write_clip(tmp_path / "other.mp4", 50, size, codec), port=server.port, codec=codec)
        frames = read_until(camera, is_live(camera))
        assert frames[-1].image.shape == (size[1], size[0], 3)
        assert camera.statistics.reconnects == 1
        told = reasons(camera)
    assert told[0] == "live: "
    assert told[1].startswith("reconnecting: ")
    assert told[-1] == "live: "


def test_a_short_stall_is_waited_out(serve: Serve) -> None:
    server = serve()
    with open_camera(server.url, options=CameraOptions(stall_s=0.6, read_timeout_s=30)) as camera:
        read_until(camera, is_live(camera))
        server.tell("hold")
        read_until(camera, is_state(camera, CameraState.STALLED))
        server.tell("release")
        read_until(camera, is_live(camera))
        assert [reason for reason in reasons(camera) if "stalled" in reason] == ["stalled: no new frame for 0.6 s"]
        assert camera.statistics.reconnects == 0


def test_a_long_stall_ends_in_a_new_connection(serve: Serve) -> None:
    """The process is stopped: the connection is there, and nothing comes."""
    server = serve()
    with open_camera(server.url, options=QUICK) as camera:
        read_until(camera, is_live(camera))
        server.process.send_signal(signal.SIGSTOP)
        read_until(camera, is_state(camera, CameraState.STALLED))
        read_until(camera, is_state(camera, CameraState.RECONNECTING))
        server.process.send_signal(signal.SIGCONT)
        frames = read_until(camera, is_live(camera))
        assert frames[-1].age_ms < 1000
        assert camera.statistics.reconnects == 1


def test_a_slow_start_is_waited_for(serve: Serve) -> None:
    server = serve(delay_s=2.5)
    with open_camera(server.url, options=QUICK) as camera:
        read_until(camera, is_live(camera))
        assert reasons(camera) == ["live: "]


def test_a_frozen_picture_is_flagged_until_it_moves(serve: Serve) -> None:
    server = serve()
    with open_camera(server.url, options=CameraOptions(stall_s=5, frozen_s=1)) as camera:
        read_until(camera, is_live(camera))
        server.tell("freeze")
        read_until(camera, lambda _: camera.frozen)
        assert camera.state is CameraState.LIVE
        server.tell("thaw")
        read_until(camera, lambda _: not camera.frozen)
        assert reasons(camera) == ["live: ", "live: the picture is frozen: every frame is the same", "live: "]
        assert camera.statistics.repeated >= 20


@pytest.mark.parametrize(("fault", "most"), [("cut 30", 0.0), ("lose 30", 0.0), ("corrupt 30", 0.1)])
def test_no_frame_shows_damage(serve: Serve, fault: str, most: float) -> None:
    """FFmpeg would paint over what is damaged, repeat what is missing, and build the next pictures on that.

    H.264 has no checksum: now and then wrong bytes are a picture, too. What carries it has one: TCP, UDP, WLAN.
    """
    server = serve()
    server.tell(fault)
    with open_camera(server.url) as camera:
        frames = read_until(camera, lambda _: camera.statistics.decode_errors >= 4)
        frames += read_until(camera, is_live(camera))
        assert camera.statistics.damaged >= 3
    assert len(frames) > 25
    assert sum(rtsp.looks_wrong(frame.image) for frame in frames) <= most * len(frames)


@pytest.mark.parametrize("jump_s", [3600, -3600])
def test_a_clock_that_jumps_makes_no_frame_old(serve: Serve, jump_s: int) -> None:
    server = serve()
    with open_camera(server.url) as camera:
        before = read_frames(camera, 10)
        server.tell(f"jump {jump_s}")
        frames = read_until(camera, lambda _: camera.statistics.clock_jumps > 0)
        frames += read_frames(camera, 10)
        assert (camera.statistics.clock_jumps, camera.statistics.reconnects) == (1, 0)
    # Stamps have 32 bits, so FFmpeg may take the one direction for the other.
    assert abs((frames[-1].pts_s or 0) - (before[-1].pts_s or 0)) > 1000
    assert np.median([frame.age_ms for frame in frames[-10:]]) < 2000
    sent_s = server.sent_s(rtsp.number_in(frames[-1].image))
    assert abs(frames[-1].captured_s - sent_s) < 1


def test_the_reader_gets_the_newest_frame_however_slow_it_is(serve: Serve) -> None:
    server = serve()
    with open_camera(server.url) as camera:
        read_until(camera, is_live(camera))
        for _ in range(5):
            time.sleep(0.4)
            frame = camera.read()
            assert frame is not None
            assert frame.dropped >= 5
            assert time.monotonic() - server.sent_s(rtsp.number_in(frame.image)) < 0.3
