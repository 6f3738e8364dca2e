"""MJPEG over HTTP, from a server in this process."""

import base64
import http.server
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

import cv2
import pytest

from edgefg.cameras.camera import Camera, CameraOptions, open_camera
from edgefg.cameras.state import CameraState

from ..support.rtsp import number_in, numbered

pytest.importorskip("av")

QUICK = CameraOptions(
    connect_timeout_s=1.0, stall_s=0.5, read_timeout_s=0.5, max_lag_s=0.5, min_delay_s=0.05, max_delay_s=0.1
)
LOGIN = b"Basic " + base64.b64encode(b"guard:hunter2")


class Handler(http.server.BaseHTTPRequestHandler):
    """Each path is a camera of its own kind."""

    def do_GET(self) -> None:
        with suppress(OSError):  # the reader left
            getattr(self, self.path.partition("?")[0].strip("/"), self.nothing)()

    def nothing(self) -> None:
        self.send_error(404)

    def camera(self, fps: float = 20.0, frames: int = 10**6, end: int | None = None) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        for number in range(frames):
            _, jpeg = cv2.imencode(".jpg", numbered(number))
            data = jpeg.tobytes()[:end]
            head = b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(data)
            self.wfile.write(head + data + b"\r\n")
            time.sleep(1 / fps)

    def sloppy(self) -> None:
        self.camera(fps=50, end=-100)

    def slow(self) -> None:
        self.camera(fps=5)

    def short(self) -> None:
        self.camera(fps=50, frames=10)

    def stalls(self) -> None:
        self.camera(fps=50, frames=10)
        time.sleep(5)

    def guarded(self) -> None:
        if self.headers.get("Authorization", "").encode() == LOGIN:
            self.camera()
        else:
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="camera"')
            self.end_headers()

    def page(self) -> None:
        page = b"<html><body>Please log in</body></html>\n" * 100
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    def trickle(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        for _ in range(200):
            self.wfile.write(b"-")
            time.sleep(0.05)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@pytest.fixture(scope="module")
def host() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join(10)


def wait_until(camera: Camera, done: Callable[[], bool], limit_s: float = 30) -> None:
    deadline_s = time.monotonic() + limit_s
    while not done():
        assert time.monotonic() < deadline_s, (camera.state, camera.error, camera.statistics)
        camera.read(timeout_s=0.02)


def test_frames_come_in_order_and_in_time(host: str) -> None:
    with open_camera(f"http://{host}/camera") as camera:
        frames = [frame for frame, _ in zip(camera, range(20), strict=False)]
    assert [number_in(frame.image) for frame in frames] == [frame.sequence for frame in frames]
    assert frames[0].pts_s is None  # FFmpeg's are made up


def test_a_slow_camera_is_not_taken_for_one_that_falls_behind(host: str) -> None:
    with open_camera(f"http://{host}/slow", options=QUICK) as camera:
        frames = [frame for frame, _ in zip(camera, range(12), strict=False)]
        assert (camera.statistics.reconnects, camera.error) == (0, "")
    assert number_in(frames[-1].image) >= 11


def test_a_stream_that_ends_is_connected_to_anew(host: str) -> None:
    with open_camera(f"http://{host}/short", options=QUICK) as camera:
        wait_until(camera, lambda: camera.statistics.reconnects >= 2)
        assert camera.error == "the connection failed or broke off"


def test_a_stream_that_stalls_is_connected_to_anew(host: str) -> None:
    with open_camera(f"http://{host}/stalls", options=QUICK) as camera:
        wait_until(camera, lambda: camera.statistics.reconnects >= 1)
        assert camera.error == "no data for 0.5 s"


def test_a_camera_whose_pictures_are_never_quite_right_is_read_all_the_same(host: str) -> None:
    """A strict decoder refuses each of them; one damaged picture among good ones stays refused."""
    with open_camera(f"http://{host}/sloppy", options=QUICK) as camera:
        wait_until(camera, lambda: camera.state is CameraState.LIVE)
        changes = camera.take_changes()
        assert "its packets deviate from their standard" in [change.reason for change in changes][-2]


def test_a_login_in_the_address_is_used_and_not_shown(host: str) -> None:
    with open_camera(f"http://guard:hunter2@{host}/guarded") as camera:
        wait_until(camera, lambda: camera.state is CameraState.LIVE)
        assert camera.name == f"http://***@{host}/guarded"


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("guarded", "login refused (401); write USER:PASSWORD and an @ before the host"),
        ("missing", "no such stream (404); check the path in the address"),
        ("page", "expected a video stream, found something else; check the path in the address"),
        ("trickle", "no answer within 1 s"),
    ],
)
def test_what_is_no_camera_says_what_is_wrong(host: str, path: str, reason: str) -> None:
    with open_camera(f"http://{host}/{path}", options=QUICK) as camera:
        wait_until(camera, lambda: camera.error != "")
        assert camera.error == reason
        assert camera.state is CameraState.CONNECTING
