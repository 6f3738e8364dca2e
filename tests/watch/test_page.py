"""The live page: what it serves, and that this is no file from disk."""

import contextlib
import http.client
import json
import re
import time

import cv2
import numpy as np
import pytest

pytest.importorskip("uvicorn")

from edgefg.bundle.bundle import Bundle
from edgefg.errors import OutputError
from edgefg.watch import Listen, Watch, WatchedCamera, WatchOptions
from edgefg.watch.state import WatchState
from edgefg.watch.web.server import PageServer

from ..support.watch_rig import EMPTY, wait_until
from ..support.watched_page import Served, feeding, next_picture
from ..support.watched_page import page as page
from ..support.watched_page import steady as steady


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
            wait_until(lambda: page.watch.state.cameras["door"].status.frames > 3)
            status = page.ask("/api/status").json()
        (door,) = status["cameras"]
        assert (status["health"], door["name"], door["state"]) == ("ok", "door", "live")
        assert door["newest_age_ms"] < 1000

    def test_health(self, page: Served) -> None:
        assert (page.ask("/healthz").status, page.ask("/healthz").json()) == (200, {"status": "ok"})
        page.camera.end()
        wait_until(lambda: page.ask("/healthz").status == 503)

    def test_the_state_is_all_it_needs(self) -> None:
        with PageServer(WatchState(max_age_ms=1000.0), Listen("127.0.0.1", 0)) as page:
            page.start()
            connection = http.client.HTTPConnection("127.0.0.1", int(page.url.rstrip("/").rpartition(":")[2]))
            with contextlib.closing(connection):
                connection.request("GET", "/healthz")
                answer = connection.getresponse()
                assert (answer.status, json.loads(answer.read())) == (503, {"status": "failing"})

    def test_metrics_are_what_prometheus_reads(self, page: Served) -> None:
        from prometheus_client.parser import text_string_to_metric_families

        with feeding(page.camera):
            wait_until(lambda: page.watch.state.cameras["door"].status.frames > 3)
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
        wait_until(lambda: page.watch.state.latest.newest("door") is not None)
        page.camera.put(EMPTY)
        assert page.post("/api/cameras/door/background", origin=page.origin).status == 200
        assert page.watch.state.cameras["door"].background.id == 2

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
        wait_until(lambda: page.watch.state.viewers == 0)

    def test_what_one_viewer_wants_another_need_not(self, page: Served) -> None:
        with feeding(page.camera), page.live() as one, page.live() as other:
            one.send('{"views": {"door": "mask"}}')
            other.send('{"views": {"door": "distance"}}')
            assert next_picture(one)[0]["view"] == "mask"
            assert next_picture(other)[0]["view"] == "distance"
