"""The live page: what it serves and to whom, and that no viewer, however slow, rude or gone, holds anything up."""

import contextlib
import http.client
import json
import os
import re
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest

pytest.importorskip("uvicorn")

from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from edgefg.bundle import Bundle
from edgefg.errors import OutputError
from edgefg.watch import Listen, Watch, WatchedCamera, WatchOptions
from edgefg.watch.guard import LARGEST_BODY_BYTES
from edgefg.watch.viewer import LARGEST_MESSAGE_BYTES, MOST_VIEWERS

from .scripted_camera import ScriptedCamera

TOKEN = "a-token-of-some-length"
EMPTY = np.full((48, 64, 3), 20, np.uint8)


class Served:
    """A watch with a page, and ways to ask it."""

    def __init__(self, watch: Watch, camera: ScriptedCamera) -> None:
        assert watch.url is not None
        self.watch = watch
        self.camera = camera
        self.port = int(watch.url.rstrip("/").rpartition(":")[2])
        self.origin = f"http://127.0.0.1:{self.port}"

    def ask(self, path: str, method: str = "GET", body: bytes | None = None, **headers: str) -> "Answer":
        """Sends a request whose path nobody tidies up."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.putrequest(method, path, skip_host="host" in headers)
            for name, value in headers.items():
                connection.putheader(name.replace("_", "-"), value)
            if body is not None:
                connection.putheader("content-length", str(len(body)))
            connection.endheaders(body)
            answer = connection.getresponse()
            return Answer(answer.status, {key.lower(): value for key, value in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def post(self, path: str, **headers: str) -> "Answer":
        return self.ask(path, "POST", b"", **headers)

    def live(self, origin: str | None = "", path: str = "/live", **headers: str) -> ClientConnection:
        """Opens the WebSocket, as a page of this origin would; the page's own if none is said."""
        return connect(
            f"ws://127.0.0.1:{self.port}{path}",
            origin=(origin or self.origin) if origin is not None else None,  # type: ignore[arg-type]
            additional_headers={name.replace("_", "-"): value for name, value in headers.items()},
            max_size=None,
        )


class Answer:
    def __init__(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.status, self.headers, self.body = status, headers, body

    def json(self) -> Any:
        return json.loads(self.body)


@contextlib.contextmanager
def served(bundle: Bundle, token: str | None = None) -> Iterator[Served]:
    """A watch of a scripted camera called door, with a page."""
    camera = ScriptedCamera()
    door = WatchedCamera(url="rtsp://viewer:geheim@nowhere.invalid/1", name="door")
    options = WatchOptions((door,), bundle=bundle.path, listen=Listen("127.0.0.1", 0, token), threads=1, policy="fixed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("edgefg.watch.watched.open_camera", lambda *_: camera)
        watch = Watch(options)
    with watch:
        yield Served(watch, camera)


@pytest.fixture
def page(tiny_bundle: Bundle) -> Iterator[Served]:
    with served(tiny_bundle) as one:
        yield one


@pytest.fixture(scope="module")
def steady(tiny_bundle: Bundle) -> Iterator[Served]:
    """One for all tests that leave no trace."""
    with served(tiny_bundle) as one:
        yield one


@pytest.fixture(scope="module")
def guarded(tiny_bundle: Bundle) -> Iterator[Served]:
    """And one with a token."""
    with served(tiny_bundle, TOKEN) as one:
        yield one


@contextlib.contextmanager
def feeding(camera: ScriptedCamera, image: npt.NDArray[np.uint8] = EMPTY, fps: float = 20) -> Iterator[list[int]]:
    """Gives a camera frames all the time; the list's one number says how many."""
    count, stop = [0], threading.Event()

    def feed() -> None:
        while not stop.wait(1 / fps):
            camera.put(image)
            count[0] += 1

    thread = threading.Thread(target=feed)
    thread.start()
    try:
        yield count
    finally:
        stop.set()
        thread.join()


def wait_until(holds: Callable[[], bool], timeout_s: float = 30) -> None:
    until_s = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < until_s, "it did not come about"
        time.sleep(0.02)


def next_picture(socket: ClientConnection) -> tuple[dict[str, Any], npt.NDArray[np.uint8]]:
    while True:
        message = socket.recv(timeout=20)
        if isinstance(message, bytes):
            (length,) = struct.unpack(">I", message[:4])
            image = cv2.imdecode(np.frombuffer(message[4 + length :], np.uint8), cv2.IMREAD_COLOR)
            return json.loads(message[4 : 4 + length]), np.asarray(image, np.uint8)


class TestServing:
    @pytest.mark.parametrize("path", ["/", "/page.js", "/page.css", "/icon.svg", "/api/status", "/metrics"])
    def test_each_answer_has_the_strict_headers(self, steady: Served, path: str) -> None:
        answer = steady.ask(path)
        assert answer.status == 200
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cache-control"] == "no-store"
        assert "server" not in answer.headers

    def test_nothing_comes_from_elsewhere(self, steady: Served) -> None:
        for path in ("/", "/page.js", "/page.css"):
            text = steady.ask(path).body.decode()
            assert not re.findall(r"(?:src|href)=[\"']?(?:https?:)?//|url\(|@import|<script>|style=|\son\w+=\"", text)

    def test_status(self, page: Served) -> None:
        with feeding(page.camera):
            wait_until(lambda: page.watch.cameras["door"].status.frames > 3)
            status = page.ask("/api/status").json()
        (door,) = status["cameras"]
        assert (status["health"], door["name"], door["state"]) == ("ok", "door", "live")
        assert door["newest_age_ms"] < 1000

    def test_health(self, page: Served) -> None:
        assert (page.ask("/healthz").status, page.ask("/healthz").json()) == (200, {"status": "ok"})
        page.camera.end()
        wait_until(lambda: page.ask("/healthz").status == 503)

    def test_metrics_are_what_prometheus_reads(self, page: Served) -> None:
        from prometheus_client.parser import text_string_to_metric_families

        with feeding(page.camera):
            wait_until(lambda: page.watch.cameras["door"].status.frames > 3)
        families = {one.name: one for one in text_string_to_metric_families(page.ask("/metrics").body.decode())}
        assert families["edgefg_frames"].samples[0].value > 3
        assert {sample.labels["state"]: sample.value for sample in families["edgefg_camera_state"].samples}["live"] == 1
        ages = families["edgefg_frame_age_seconds"].samples
        counts = [sample.value for sample in ages if sample.name.endswith("_bucket")]
        assert counts == sorted(counts)
        assert counts[-1] == next(sample.value for sample in ages if sample.name.endswith("_count"))

    def test_setting_the_background(self, page: Served) -> None:
        assert page.post("/api/cameras/door/background", origin=page.origin).status == 409
        page.camera.put(EMPTY)
        wait_until(lambda: page.watch.live.newest("door") is not None)
        page.camera.put(EMPTY)
        assert page.post("/api/cameras/door/background", origin=page.origin).status == 200
        assert page.watch.cameras["door"].background.id == 2

    @pytest.mark.parametrize("path", ["/api/cameras/window/background", "/api/cameras/door/explode", "/api/cameras"])
    def test_unknown_actions(self, steady: Served, path: str) -> None:
        assert steady.post(path, origin=steady.origin).status == 404

    @pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "TRACE", "FLY"])
    @pytest.mark.parametrize("path", ["/", "/api/status", "/api/cameras/door/background"])
    def test_other_methods(self, steady: Served, method: str, path: str) -> None:
        assert steady.ask(path, method, origin=steady.origin).status == 405

    def test_a_taken_address(self, page: Served, tiny_bundle: Bundle) -> None:
        door = WatchedCamera(url="rtsp://nowhere.invalid/1", name="door")
        with pytest.raises(OutputError, match=r"choose another port"):
            Watch(WatchOptions((door,), bundle=tiny_bundle.path, listen=Listen("127.0.0.1", page.port)))

    def test_no_credentials_anywhere(self, page: Served) -> None:
        with feeding(page.camera), page.live() as live:
            live.send('{"views": {"door": "mask"}}')
            said = [live.recv(timeout=10) for _ in range(10)]
        pages = [page.ask(path).body for path in ("/", "/page.js", "/api/status", "/metrics", "/healthz")]
        everything = b"".join([*pages, *(one.encode() if isinstance(one, str) else one for one in said)])
        assert b"geheim" not in everything
        assert b"viewer:" not in everything


class TestPaths:
    """No file is served from disk by path."""

    @pytest.mark.parametrize(
        "path",
        [
            "/../../../../etc/passwd",
            "/..%2f..%2f..%2fetc/passwd",
            "/%2e%2e/%2e%2e/etc/passwd",
            "/page.js/../../service.py",
            "/page.js%00.css",
            "/static/page.js",
            "/service.py",
            "/mjpeg/../../etc/passwd",
            "/mjpeg/..%2f..%2fetc%2fpasswd",
            "/mjpeg/door?view=../../etc/passwd",
            "//etc/passwd",
            "/\\..\\..\\etc\\passwd",
            "/" + "a" * 8000,
            "/etc/passwd",
            "/.git/config",
        ],
    )
    def test_there_is_nothing(self, steady: Served, path: str) -> None:
        answer = steady.ask(path)
        assert answer.status in (400, 404)
        assert b"root:" not in answer.body


class TestToken:
    PATHS = ("/", "/page.js", "/icon.svg", "/api/status", "/metrics", "/mjpeg/door", "/none")

    @pytest.mark.parametrize("path", PATHS)
    @pytest.mark.parametrize(
        "headers",
        [
            {},
            {"authorization": "Bearer wrong"},
            {"authorization": "Bearer "},
            {"authorization": f"Basic {TOKEN}"},
            {"authorization": f"Bearer {TOKEN}x"},
            {"authorization": "Bearer \xe9\xff"},
            {"cookie": "edgefg_0=x"},
        ],
    )
    def test_without_it_there_is_nothing(self, guarded: Served, path: str, headers: dict[str, str]) -> None:
        answer = guarded.ask(path, **headers)
        assert answer.status == 401
        assert b"door" not in answer.body

    def test_the_token_is_no_cookie(self, guarded: Served) -> None:
        for value in (TOKEN, "", "x"):
            assert guarded.ask("/", cookie=f"edgefg_{guarded.port}={value}").status == 401

    @pytest.mark.parametrize("query", ["token=wrong", "token=", "token=%ff", f"token=x&token={TOKEN}", f"tok={TOKEN}"])
    def test_a_wrong_one_in_the_address(self, guarded: Served, query: str) -> None:
        answer = guarded.ask(f"/?{query}")
        assert answer.status == 401
        assert "set-cookie" not in answer.headers

    def test_the_right_one_becomes_a_cookie(self, guarded: Served) -> None:
        answer = guarded.ask(f"/?token={TOKEN}")
        assert (answer.status, answer.headers["location"]) == (303, "/")
        cookie, *rules = answer.headers["set-cookie"].split("; ")
        assert TOKEN not in cookie
        assert {"HttpOnly", "SameSite=lax", "Path=/"} <= set(rules)
        assert guarded.ask("/", cookie=cookie).status == 200
        assert guarded.ask("/api/status", cookie=cookie).status == 200
        assert guarded.ask("/", cookie=cookie + "x").status == 401

    def test_or_goes_in_a_header(self, guarded: Served) -> None:
        assert guarded.ask("/metrics", authorization=f"Bearer {TOKEN}").status == 200

    def test_health_says_one_word_to_everybody(self, guarded: Served) -> None:
        assert guarded.ask("/healthz").json() == {"status": "ok"}

    def test_the_socket_needs_it_too(self, guarded: Served) -> None:
        for headers in ({}, {"authorization": "Bearer wrong"}, {"cookie": f"edgefg_{guarded.port}=wrong"}):
            with pytest.raises(InvalidStatus) as refused, guarded.live(**headers):
                pass
            assert refused.value.response.status_code == 403
        with guarded.live(authorization=f"Bearer {TOKEN}") as live:
            assert "status" in json.loads(live.recv(timeout=10))

    def test_actions_need_it_too(self, guarded: Served) -> None:
        assert guarded.post("/api/cameras/door/background", origin=guarded.origin).status == 401
        assert guarded.post("/api/cameras/door/background", authorization=f"Bearer {TOKEN}").status == 409

    def test_behind_a_name_of_its_own(self, guarded: Served) -> None:
        """With a token the page may be reached under any name."""
        assert guarded.ask("/", host="cameras.example.org", authorization=f"Bearer {TOKEN}").status == 200


class TestOrigin:
    OTHERS = ("https://evil.example", "http://127.0.0.1:1", "http://localhost.evil.example", "null", "file://", "")

    @pytest.mark.parametrize("origin", [*OTHERS[:-1], None])
    def test_a_socket_from_another_page_is_refused(self, steady: Served, origin: str | None) -> None:
        with pytest.raises(InvalidStatus) as refused, steady.live(origin=origin):
            pass
        assert refused.value.response.status_code == 403

    @pytest.mark.parametrize("origin", OTHERS)
    def test_so_is_an_action(self, steady: Served, origin: str) -> None:
        assert steady.post("/api/cameras/door/background", origin=origin).status == 403
        assert steady.watch.cameras["door"].background.id == 0

    def test_and_one_that_names_no_page(self, steady: Served) -> None:
        assert steady.post("/api/cameras/door/background").status == 403

    def test_a_cookie_alone_does_not_help_another_page(self, guarded: Served) -> None:
        cookie = guarded.ask(f"/?token={TOKEN}").headers["set-cookie"].partition(";")[0]
        path = "/api/cameras/door/background"
        assert guarded.post(path, origin="https://evil.example", cookie=cookie).status == 403
        assert guarded.post(path, origin=guarded.origin, cookie=cookie).status == 409
        with pytest.raises(InvalidStatus), guarded.live(origin="https://evil.example", cookie=cookie):
            pass

    @pytest.mark.parametrize(
        "host", ["evil.example", "127.0.0.1.evil.example", "", "127.0.0.2", "[::2]", "@", "[", "a:b"]
    )
    def test_a_name_that_points_here_opens_nothing(self, steady: Served, host: str) -> None:
        """DNS rebinding: a page of theirs, whose name now leads to this machine."""
        assert steady.ask("/api/status", host=host).status in (400, 421)

    def test_a_tunnel_may_have_another_port(self, steady: Served) -> None:
        assert steady.ask("/", host="localhost:9999").status == 200


class TestMessages:
    @pytest.mark.parametrize(
        "message",
        [
            "",
            "x",
            "{",
            "[]",
            "null",
            "1",
            '"views"',
            "{}",
            '{"views": []}',
            '{"views": {"window": "mask"}}',
            '{"views": {"door": "etc"}}',
            '{"views": {"door": ["mask"]}}',
            '{"views": {"door": {}}}',
            '{"seen": "window"}',
            '{"seen": []}',
            '{"seen": "door", "views": {}}',
            '{"fly": 1}',
            "[" * 15_000,
            b"\x00\x01",
            b"",
        ],
        ids=range(20),
    )
    def test_nonsense_ends_the_connection_and_nothing_else(self, steady: Served, message: str | bytes) -> None:
        with steady.live() as live:
            live.send(message)
            with pytest.raises(ConnectionClosed) as closed:
                while True:
                    live.recv(timeout=10)
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 1008
        assert steady.ask("/healthz").status == 200

    def test_a_message_that_is_too_large(self, steady: Served) -> None:
        with steady.live() as live:
            live.send("x" * (LARGEST_MESSAGE_BYTES + 1))
            with pytest.raises(ConnectionClosed) as closed:
                while True:
                    live.recv(timeout=10)
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 1009

    def test_many_messages(self, page: Served) -> None:
        with feeding(page.camera), page.live() as live:
            live.send('{"views": {"door": "mask"}}')
            for _ in range(5000):
                live.send('{"seen": "door"}')
            assert next_picture(live)
        assert page.ask("/healthz").status == 200

    def test_a_body_that_is_too_large(self, steady: Served) -> None:
        answer = steady.ask("/api/cameras/door/background", "POST", bytes(LARGEST_BODY_BYTES + 1), origin=steady.origin)
        assert answer.status == 413

    @pytest.mark.parametrize(
        "raw",
        [
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
            b"GET / HTTP/9.9\r\n\r\n",
            b"GET /\r\n\r\n",
            b"GET / HTTP/1.1\r\nhost: 127.0.0.1\r\nx: " + b"a" * 1_000_000 + b"\r\n\r\n",
            b"POST / HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: -1\r\n\r\n",
            b"POST / HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: x\r\n\r\n",
            b"POST / HTTP/1.1\r\nhost: 127.0.0.1\r\ntransfer-encoding: chunked\r\n\r\nffffffff\r\n",
            b"\0" * 5000,
        ],
        ids=range(8),
    )
    def test_bytes_that_are_no_request(self, steady: Served, raw: bytes) -> None:
        rude = socket.create_connection(("127.0.0.1", steady.port), timeout=10)
        with rude, contextlib.suppress(ConnectionError):
            rude.sendall(raw)
            answer = rude.recv(200)
            assert answer == b"" or answer.startswith((b"HTTP/1.1 4", b"HTTP/1.1 5"))
        assert steady.ask("/healthz").status == 200


class TestSilence:
    """Connections that say nothing, or not enough."""

    @pytest.fixture
    def few(self, monkeypatch: pytest.MonkeyPatch) -> int:
        monkeypatch.setattr("edgefg.watch.connections.MOST_CONNECTIONS", 20)
        return 20

    @pytest.fixture
    def impatient(self, monkeypatch: pytest.MonkeyPatch) -> float:
        monkeypatch.setattr("edgefg.watch.connections._REQUEST_S", 0.3)
        return 0.3

    def test_many_keep_nobody_out(self, page: Served, few: int) -> None:
        with contextlib.ExitStack() as stack:
            silent = [stack.enter_context(connected(page)) for _ in range(3 * few)]
            assert page.ask("/healthz").status == 200
            with page.live() as live:
                assert live.recv(timeout=10)
            # The oldest have gone, the newest are still there.
            assert is_closed(silent[0])
            silent[-1].sendall(b"GET /healthz HTTP/1.0\r\nhost: 127.0.0.1\r\n\r\n")
            assert silent[-1].recv(12) == b"HTTP/1.1 200"

    def test_those_who_look_keep_their_place(self, page: Served, few: int) -> None:
        with contextlib.ExitStack() as stack:
            for _ in range(few):
                stack.enter_context(never_reads(page, websocket(page)))
            wait_until(lambda: page.watch.viewers == few)
            assert is_closed(stack.enter_context(connected(page)))
            assert page.watch.viewers == few

    @pytest.mark.parametrize("said", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nhost: 127.0.0.1\r\n"])
    def test_none_stays(self, page: Served, impatient: float, said: bytes) -> None:
        with connected(page) as silent:
            silent.sendall(said)
            assert is_closed(silent)

    def test_nor_after_an_answer(self, page: Served, impatient: float) -> None:
        with connected(page) as silent:
            silent.sendall(b"GET /healthz HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\nGET")
            assert silent.recv(12) == b"HTTP/1.1 200"
            assert is_closed(silent)

    def test_who_looks_may_be_silent(self, page: Served, impatient: float) -> None:
        mjpeg = http.client.HTTPConnection("127.0.0.1", page.port, timeout=10)
        with feeding(page.camera), page.live() as live, contextlib.closing(mjpeg):
            mjpeg.request("GET", "/mjpeg/door?view=frame")
            answer = mjpeg.getresponse()
            until_s = time.monotonic() + 3 * impatient
            while time.monotonic() < until_s:
                assert live.recv(timeout=10)
                assert answer.read1(65536)


class TestPictures:
    @pytest.mark.parametrize("view", ["mask", "frame", "distance", "background"])
    def test_each_view_comes(self, page: Served, view: str) -> None:
        with feeding(page.camera), page.live() as live:
            live.send(json.dumps({"views": {"door": view}}))
            header, image = next_picture(live)
        assert (header["camera"], header["view"]) == ("door", view)
        assert header["age_ms"] < 5000
        assert image.shape == (48, 64, 3)

    def test_without_word_that_they_arrive_two_come(self, page: Served) -> None:
        with feeding(page.camera), page.live() as live:
            live.send('{"views": {"door": "frame"}}')
            numbers = [next_picture(live)[0]["number"] for _ in range(2)]
            until_s = time.monotonic() + 1.5
            while time.monotonic() < until_s:
                assert isinstance(live.recv(timeout=5), str)  # status goes on
            live.send('{"seen": "door"}')
            newest = next_picture(live)[0]["number"]
        # Not the third: the newest.
        assert newest > numbers[1] + 5

    def test_only_what_was_asked_for(self, page: Served) -> None:
        with feeding(page.camera), page.live() as live:
            for _ in range(4):
                assert isinstance(live.recv(timeout=10), str)

    def test_mjpeg(self, page: Served) -> None:
        with feeding(page.camera):
            connection = http.client.HTTPConnection("127.0.0.1", page.port, timeout=10)
            connection.request("GET", "/mjpeg/door?view=frame")
            answer = connection.getresponse()
            assert answer.headers["content-type"] == "multipart/x-mixed-replace; boundary=edgefg-frame"
            data = b""
            while data.count(b"--edgefg-frame") < 4:
                data += answer.read1(65536)
            connection.close()
        for part in data.split(b"--edgefg-frame\r\n")[1:4]:
            head, _, picture = part.partition(b"\r\n\r\n")
            length = int(re.findall(rb"Content-Length: (\d+)", head)[0])
            assert cv2.imdecode(np.frombuffer(picture[:length], np.uint8), cv2.IMREAD_COLOR) is not None
        wait_until(lambda: page.watch.viewers == 0)

    def test_what_one_viewer_wants_another_need_not(self, page: Served) -> None:
        with feeding(page.camera), page.live() as one, page.live() as other:
            one.send('{"views": {"door": "mask"}}')
            other.send('{"views": {"door": "distance"}}')
            assert next_picture(one)[0]["view"] == "mask"
            assert next_picture(other)[0]["view"] == "distance"


class TestSlowViewers:
    @pytest.fixture
    def noise(self) -> npt.NDArray[np.uint8]:
        """What a JPEG cannot make small: some 300 kB each, so that buffers are full soon."""
        return np.random.default_rng(1).integers(0, 255, (480, 640, 3), np.uint8)

    def test_two_hundred_hold_up_nobody(self, page: Served, noise: npt.NDArray[np.uint8]) -> None:
        status = page.watch.cameras["door"].status
        with feeding(page.camera, noise, fps=5) as fed, contextlib.ExitStack() as stack:
            wait_until(lambda: status.frames > 5)
            memory = resident_mb()
            for number in range(200):
                stack.enter_context(
                    never_reads(page, websocket(page) if number % 4 else b"GET /mjpeg/door?view=frame HTTP/1.1")
                )
            wait_until(lambda: page.watch.viewers >= 200)
            before, fed_before = counted(status), fed[0]
            with page.live() as live:
                live.send('{"views": {"door": "frame"}}')
                ages = []
                for _ in range(25):
                    header, _ = next_picture(live)
                    live.send('{"seen": "door"}')
                    ages.append(header["age_ms"])
            done, given = counted(status) - before, fed[0] - fed_before
            assert done >= given - 5  # all that came was worked on, but what is in work
            assert status.drops.stale == 0
            assert max(ages) < 1000
            assert page.ask("/healthz").status == 200
            assert resident_mb() - memory < 400
        wait_until(lambda: page.watch.viewers == 0)

    def test_one_too_many_is_turned_away(self, page: Served) -> None:
        with contextlib.ExitStack() as stack:
            for _ in range(MOST_VIEWERS):
                stack.enter_context(never_reads(page, websocket(page)))
            wait_until(lambda: page.watch.viewers == MOST_VIEWERS)
            with pytest.raises(InvalidStatus), page.live():
                pass
            assert page.ask("/mjpeg/door").status == 503
        wait_until(lambda: page.watch.viewers == 0)
        with page.live() as live:
            assert live.recv(timeout=10)

    def test_one_who_vanishes_is_forgotten(self, page: Served) -> None:
        with feeding(page.camera):
            with never_reads(page, websocket(page)):
                wait_until(lambda: page.watch.viewers == 1)
            wait_until(lambda: page.watch.viewers == 0)

    def test_closing_does_not_wait_for_them(
        self, page: Served, noise: npt.NDArray[np.uint8], caplog: pytest.LogCaptureFixture
    ) -> None:
        with feeding(page.camera, noise, fps=5), contextlib.ExitStack() as stack:
            for number in range(20):
                request = websocket(page) if number % 2 else b"GET /mjpeg/door?view=frame HTTP/1.1"
                stack.enter_context(never_reads(page, request))
            wait_until(lambda: page.watch.viewers == 20)
            started_s = time.monotonic()
            page.watch.close()
            assert time.monotonic() - started_s < 20
        assert caplog.text == ""


def counted(status: Any) -> int:
    """Frames that came out of the pipeline, or that it dropped."""
    return int(status.frames + status.drops.pipeline + status.drops.stale)


def resident_mb() -> float:
    with open("/proc/self/statm") as file:  # noqa: PTH123
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def websocket(page: Served) -> bytes:
    return (
        b"GET /live HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: " + page.origin.encode()
    )


def connected(page: Served) -> socket.socket:
    return socket.create_connection(("127.0.0.1", page.port), timeout=10)


def is_closed(connection: socket.socket) -> bool:
    """Waits for the other side to end it, past what it has sent before."""
    try:
        while connection.recv(65536):
            pass
    except ConnectionError:
        return True
    except TimeoutError:
        return False
    return True


@contextlib.contextmanager
def never_reads(page: Served, request: bytes) -> Iterator[None]:
    """Asks for pictures and then reads none of them."""
    with socket.socket() as viewer:
        viewer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        viewer.settimeout(30)
        viewer.connect(("127.0.0.1", page.port))
        viewer.sendall(request + f"\r\nHost: 127.0.0.1:{page.port}\r\n\r\n".encode())
        if b"websocket" in request:
            assert viewer.recv(12) == b"HTTP/1.1 101"
            wish = b'{"views": {"door": "frame"}}'
            viewer.sendall(b"\x81" + bytes([0x80 | len(wish)]) + bytes(4) + wish)  # masked with zeros
        yield
