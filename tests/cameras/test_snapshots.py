"""Snapshot addresses, from a server in this process: asked at a rate, with a login, and without a reconnection."""

import http.server
import logging
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import cv2
import pytest

from edgefg.cameras.camera import Camera, open_camera
from edgefg.cameras.options import CameraOptions
from edgefg.cameras.snapshot_address import SnapshotAddress
from edgefg.cameras.state import CameraState
from edgefg.errors import CameraError

from ..support.rtsp import number_in, numbered
from ..support.snapshot_camera import SnapshotCamera, jpeg_of

pytest.importorskip("av")

QUICK = CameraOptions(
    poll_s=0.02, connect_timeout_s=2.0, stall_s=0.5, read_timeout_s=0.8, min_delay_s=0.05, max_delay_s=0.1
)
Request = http.server.BaseHTTPRequestHandler


@pytest.fixture
def server() -> Iterator[SnapshotCamera]:
    with SnapshotCamera() as server:
        yield server


def wait_until(camera: Camera, done: Callable[[], bool], limit_s: float = 20) -> None:
    deadline_s = time.monotonic() + limit_s
    while not done():
        assert time.monotonic() < deadline_s, (camera.state, camera.error, camera.statistics)
        camera.read(timeout_s=0.02)


def read(camera: Camera, count: int) -> list[int]:
    """The numbers of the next pictures."""
    return [number_in(frame.image) for _, frame in zip(range(count), camera, strict=False)]


def states(camera: Camera) -> list[str]:
    return [f"{change.state.value}: {change.reason}".rstrip(": ") for change in camera.take_changes()]


class TestPolling:
    def test_pictures_come_in_order_and_nothing_is_connected_anew(self, server: SnapshotCamera) -> None:
        with open_camera(server.url, options=QUICK) as camera:
            assert read(camera, 8) == list(range(8))
            assert states(camera) == ["live"]
            assert (camera.statistics.reconnects, camera.error) == (0, "")

    def test_at_the_rate_that_is_asked_for(self, server: SnapshotCamera) -> None:
        options = CameraOptions(poll_s=0.2)
        with open_camera(server.url, options=options) as camera:
            read(camera, 5)
        gaps_s = [later - earlier for earlier, later in pairwise(server.asked)]
        assert min(gaps_s) > 0.15
        assert len(server.asked) <= 6

    def test_a_slow_rate_is_no_stall(self, server: SnapshotCamera) -> None:
        options = CameraOptions(poll_s=0.8, stall_s=0.2, read_timeout_s=0.4)
        with open_camera(server.url, options=options) as camera:
            assert read(camera, 3) == [0, 1, 2]
            assert states(camera) == ["live"]

    def test_closing_does_not_wait_for_the_next_poll(self, server: SnapshotCamera) -> None:
        with open_camera(server.url, options=CameraOptions(poll_s=3600)) as camera:
            read(camera, 1)
            started_s = time.monotonic()
            camera.close(wait_s=5)
            assert time.monotonic() - started_s < 1
            assert not vars(camera)["_thread"].is_alive()

    @pytest.mark.parametrize("conditional", [True, False])
    def test_a_picture_that_stays_the_same_is_given_once(self, server: SnapshotCamera, conditional: bool) -> None:
        server.changes_every, server.conditional = 4, conditional
        with open_camera(server.url, options=QUICK) as camera:
            assert read(camera, 3) == [0, 1, 2]
            assert states(camera) == ["live"]
            assert camera.statistics.repeated >= 6
        assert (304 in server.answered) is conditional

    def test_a_picture_that_stays_the_same_for_long_is_frozen(self, server: SnapshotCamera) -> None:
        server.changes_every = 10**6
        with open_camera(server.url, options=CameraOptions(poll_s=0.02, frozen_s=0.2)) as camera:
            wait_until(camera, lambda: camera.frozen)
            assert camera.state is CameraState.LIVE

    @pytest.mark.parametrize("suffix", [".png", ".webp", ".bmp"])
    def test_other_formats(self, server: SnapshotCamera, suffix: str) -> None:
        data = cv2.imencode(suffix, numbered(5))[1].tobytes()
        server.kind = f"image/{suffix[1:]}"
        server.mood = lambda request: send(request, data, server.kind)
        with open_camera(server.url, options=QUICK) as camera:
            assert read(camera, 1) == [5]

    @pytest.mark.parametrize("kind", ["application/octet-stream", "text/plain"])
    def test_a_wrong_type(self, server: SnapshotCamera, kind: str) -> None:
        server.kind = kind
        with open_camera(server.url, options=QUICK) as camera:
            assert read(camera, 3) == [0, 1, 2]

    def test_an_address_with_spaces_and_umlauts(self, server: SnapshotCamera) -> None:
        with open_camera(f"http://{server.host}/snap shot/Tür.jpg?channel=1&q=ä b", options=QUICK) as camera:
            assert read(camera, 2) == [0, 1]

    def test_https_with_a_certificate_of_the_cameras_own(self, tmp_path: Path) -> None:
        certificate = own_certificate(tmp_path)
        with SnapshotCamera(certificate) as server, open_camera(f"https://{server.host}/a", options=QUICK) as camera:
            assert read(camera, 2) == [0, 1]


class TestLogin:
    @pytest.mark.parametrize("login", ["basic", "digest", "digest SHA-256", "both"])
    def test_the_right_one_opens(self, server: SnapshotCamera, login: str) -> None:
        server.login = login
        with open_camera(server.url_with_login, options=QUICK) as camera:
            assert read(camera, 3) == [0, 1, 2]
            assert states(camera) == ["live"]

    @pytest.mark.parametrize("login", ["basic", "digest", "digest SHA-256", "both"])
    def test_it_is_refused_once_and_not_at_each_picture(self, server: SnapshotCamera, login: str) -> None:
        server.login = login
        with open_camera(server.url_with_login, options=QUICK) as camera:
            read(camera, 5)
        assert server.answered.count(401) == 1

    def test_the_cameras_number_may_change(self, server: SnapshotCamera) -> None:
        server.login = "digest"
        with open_camera(server.url_with_login, options=QUICK) as camera:
            read(camera, 2)
            server.nonce = "fedcba"
            assert read(camera, 3)[-1] >= 4
            assert states(camera) == ["live"]
        assert server.answered.count(401) == 2

    @pytest.mark.parametrize("login", ["basic", "digest"])
    def test_another_host_never_gets_it(self, server: SnapshotCamera, login: str) -> None:
        with SnapshotCamera() as other:
            got: list[str | None] = []

            def note(request: Request) -> bool:
                got.append(request.headers.get("Authorization"))
                return False

            def redirect(request: Request) -> bool:
                if len(server.asked) < 4:
                    return False
                request.send_response(302)
                request.send_header("Location", other.url)
                request.end_headers()
                return True

            other.mood, server.mood, server.login, other.login = note, redirect, login, login
            with open_camera(server.url_with_login, options=QUICK) as camera:
                wait_until(camera, lambda: len(got) >= 2)
        assert set(got) == {None}

    @pytest.mark.parametrize("login", ["basic", "digest"])
    @pytest.mark.parametrize("given", ["", "guard:wr0ng@"])
    def test_a_wrong_one_says_so(self, server: SnapshotCamera, login: str, given: str) -> None:
        server.login = login
        with open_camera(f"http://{given}{server.host}/snap.jpg", options=QUICK) as camera:
            wait_until(camera, lambda: bool(camera.error))
            assert camera.error == "login refused (401); write USER:PASSWORD and an @ before the host"

    def test_a_wrong_one_is_not_tried_again_and_again(self, server: SnapshotCamera) -> None:
        """Cameras lock viewers out after a few tries."""
        server.login = "digest"
        with pytest.raises(CameraError, match=r"login refused \(401\)"):
            SnapshotAddress(f"http://guard:wr0ng@{server.host}/snap.jpg").fetch(5)
        assert len(server.asked) == 2

    def test_a_password_of_odd_characters(self, server: SnapshotCamera, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("tests.support.snapshot_camera.PASSWORD", "p@ss:w%rd")
        server.login = "digest"
        with open_camera(f"http://guard:p%40ss:w%25rd@{server.host}/snap.jpg", options=QUICK) as camera:
            assert read(camera, 1) == [0]

    def test_it_shows_nowhere(
        self, server: SnapshotCamera, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        server.login = "digest"
        shown = []
        for login in ("guard:wr0ng", "guard:hunter2"):
            url = f"http://{login}@{server.host}/snap.jpg?token=s3cret"
            with open_camera(url, options=QUICK) as camera:
                wait_until(camera, lambda camera=camera: bool(camera.error) or camera.state is CameraState.LIVE)
                shown += [camera.name, camera.error, repr(camera), repr(camera.take_changes())]
                shown += [repr(vars(camera)["_thread"])]
        shown += [*capfd.readouterr(), caplog.text]
        text = "\n".join(shown)
        assert "127.0.0.1" in text
        assert not [secret for secret in ("guard", "hunter2", "wr0ng", "s3cret") if secret in text]


class TestTrouble:
    def test_one_refusal_changes_nothing(self, server: SnapshotCamera) -> None:
        server.mood = lambda request: len(server.asked) % 3 == 2 and send(request, b"busy", "text/plain", 503)
        with open_camera(server.url, options=QUICK) as camera:
            assert read(camera, 6) == list(range(6))
            assert states(camera) == ["live"]

    def test_a_camera_that_goes_away_says_why_and_comes_back(self, server: SnapshotCamera) -> None:
        with open_camera(server.url, options=QUICK) as camera:
            read(camera, 2)
            server.mood = lambda request: send(request, b"", "text/plain", 404)
            wait_until(camera, lambda: camera.state is CameraState.RECONNECTING)
            assert "404" in camera.error
            server.mood = lambda _: False
            wait_until(camera, lambda: camera.state is CameraState.LIVE)
            assert camera.statistics.reconnects == 1

    def test_a_hanging_camera_is_given_up(self, server: SnapshotCamera) -> None:
        def hang(_: Request) -> bool:
            time.sleep(1.5)
            return True

        with open_camera(server.url, options=QUICK) as camera:
            read(camera, 1)
            server.mood = hang
            wait_until(camera, lambda: camera.state is CameraState.RECONNECTING)
            assert camera.error == "no answer within 0.8 s"

    def test_one_that_sends_byte_by_byte_is_given_up(self, server: SnapshotCamera) -> None:
        def trickle(request: Request) -> bool:
            request.send_response(200)
            request.send_header("Content-Type", "image/jpeg")
            request.end_headers()
            for _ in range(200):
                request.wfile.write(b"\xff")
                time.sleep(0.02)
            return True

        server.mood = trickle
        options = CameraOptions(connect_timeout_s=0.4, read_timeout_s=5)
        with open_camera(server.url, options=options) as camera:
            wait_until(camera, lambda: bool(camera.error))
            assert camera.error == "no answer within 0.4 s"

    @pytest.mark.parametrize(
        "spoil",
        [
            lambda data: data[: len(data) // 2],
            lambda data: b"",
            lambda data: b"\xff\xd8\xff\xd9",
            lambda data: data[:2] + bytes(len(data)),
            lambda data: b"<html>Please log in</html>",
        ],
        ids=["cut", "empty", "no picture", "zeros", "page"],
    )
    def test_a_damaged_picture_is_left_out(self, server: SnapshotCamera, spoil: Callable[[bytes], bytes]) -> None:
        server.mood = lambda request: len(server.asked) % 2 == 0 and send(request, spoil(jpeg_of(999)), "image/jpeg")
        with open_camera(server.url, options=QUICK) as camera:
            assert read(camera, 4) == [0, 1, 2, 3]
            assert states(camera) == ["live"]

    def test_a_picture_shorter_than_announced_is_left_out(self, server: SnapshotCamera) -> None:
        def short(request: Request) -> bool:
            if len(server.asked) % 2:
                return False
            request.send_response(200)
            request.send_header("Content-Type", "image/jpeg")
            request.send_header("Content-Length", "100000")
            request.end_headers()
            request.wfile.write(jpeg_of(999))
            return True

        server.mood = short
        with open_camera(server.url, options=QUICK) as camera:
            assert read(camera, 4) == [0, 1, 2, 3]

    def test_nothing_but_damage_is_no_camera(self, server: SnapshotCamera) -> None:
        server.mood = lambda request: send(request, b"no picture", "image/jpeg")
        options = CameraOptions(poll_s=0.05, connect_timeout_s=0.4, min_delay_s=0.05, max_delay_s=0.1)
        with open_camera(server.url, options=options) as camera:
            wait_until(camera, lambda: bool(camera.error))
            assert camera.error == "no picture that can be decoded for 0.4 s"
            assert camera.state is CameraState.CONNECTING

    @pytest.mark.parametrize("url", ["http://[::1/snap.jpg", "http://guard:hunter2@[::1/snap.jpg"])
    def test_an_address_that_cannot_be_read(self, url: str) -> None:
        with pytest.raises(CameraError) as raised:
            open_camera(url)
        assert "hunter2" not in str(raised.value)

    def test_a_port_that_is_closed(self) -> None:
        with open_camera("http://127.0.0.1:9/snap.jpg", options=QUICK) as camera:
            wait_until(camera, lambda: bool(camera.error))
            assert camera.error.startswith("connection refused")


def send(request: Request, data: bytes, kind: str, status: int = 200) -> bool:
    request.send_response(status)
    request.send_header("Content-Type", kind)
    request.send_header("Content-Length", str(len(data)))
    request.end_headers()
    request.wfile.write(data)
    return True


def own_certificate(folder: Path) -> Path:
    """A certificate that no authority has signed, with its key."""
    import shutil
    import subprocess

    if shutil.which("openssl") is None:
        pytest.skip("needs openssl")
    file = folder / "own.pem"
    words = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=camera", "-days", "2"]
    subprocess.run(
        [*words, "-keyout", folder / "key.pem", "-out", folder / "cert.pem"], check=True, capture_output=True
    )
    file.write_bytes((folder / "key.pem").read_bytes() + (folder / "cert.pem").read_bytes())
    return file
