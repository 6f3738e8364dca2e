"""The live page: that no viewer, however slow, rude or gone, holds anything up."""

import contextlib
import http.client
import os
import socket
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

pytest.importorskip("uvicorn")

from websockets.exceptions import ConnectionClosed, InvalidStatus

from edgefg.watch.web.auth import MAX_BODY_BYTES
from edgefg.watch.web.hub import MAX_VIEWERS
from edgefg.watch.web.viewer import MAX_MESSAGE_BYTES

from ..support.watch_rig import wait_until
from ..support.watched_page import Served, feeding, next_picture
from ..support.watched_page import page as page
from ..support.watched_page import steady as steady


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
            live.send("x" * (MAX_MESSAGE_BYTES + 1))
            with pytest.raises(ConnectionClosed) as closed:
                while True:
                    live.recv(timeout=10)
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 1009

    def test_many_messages(self, page: Served) -> None:
        with feeding(page.camera), page.live() as live:
            live.send('{"views": {"door": "mask"}}')
            for _ in range(1000):
                live.send('{"seen": "door"}')
            assert next_picture(live)
        assert page.ask("/healthz").status == 200

    def test_a_body_that_is_too_large(self, steady: Served) -> None:
        answer = steady.ask("/api/cameras/door/background", "POST", bytes(MAX_BODY_BYTES + 1), origin=steady.origin)
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
        monkeypatch.setattr("edgefg.watch.web.connections.MAX_CONNECTIONS", 20)
        return 20

    @pytest.fixture
    def impatient(self, monkeypatch: pytest.MonkeyPatch) -> float:
        monkeypatch.setattr("edgefg.watch.web.connections._REQUEST_S", 0.3)
        return 0.3

    def test_many_lock_no_other_out(self, page: Served, few: int) -> None:
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
            wait_until(lambda: page.watch.state.viewers == few)
            assert is_closed(stack.enter_context(connected(page)))
            assert page.watch.state.viewers == few

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


class TestSlowViewers:
    @pytest.fixture
    def noise(self) -> npt.NDArray[np.uint8]:
        """What a JPEG cannot make small: some 300 kB each, so that buffers are full soon."""
        return np.random.default_rng(1).integers(0, 255, (480, 640, 3), np.uint8)

    def test_two_hundred_hold_up_nothing(self, page: Served, noise: npt.NDArray[np.uint8]) -> None:
        status = page.watch.state.cameras["door"].status
        with feeding(page.camera, noise, fps=5) as fed, contextlib.ExitStack() as stack:
            wait_until(lambda: status.frames > 5)
            memory = resident_mb()
            for number in range(200):
                stack.enter_context(
                    never_reads(page, websocket(page) if number % 4 else b"GET /mjpeg/door?view=frame HTTP/1.1")
                )
            wait_until(lambda: page.watch.state.viewers >= 200)
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
        wait_until(lambda: page.watch.state.viewers == 0)

    def test_one_too_many_is_turned_away(self, page: Served) -> None:
        with contextlib.ExitStack() as stack:
            for _ in range(MAX_VIEWERS):
                stack.enter_context(never_reads(page, websocket(page)))
            wait_until(lambda: page.watch.state.viewers == MAX_VIEWERS)
            with pytest.raises(InvalidStatus), page.live():
                pass
            assert page.ask("/mjpeg/door").status == 503
        wait_until(lambda: page.watch.state.viewers == 0)
        with page.live() as live:
            assert live.recv(timeout=10)

    def test_one_who_vanishes_is_forgotten(self, page: Served) -> None:
        with feeding(page.camera):
            with never_reads(page, websocket(page)):
                wait_until(lambda: page.watch.state.viewers == 1)
            wait_until(lambda: page.watch.state.viewers == 0)

    def test_closing_does_not_wait_for_them(
        self, page: Served, noise: npt.NDArray[np.uint8], caplog: pytest.LogCaptureFixture
    ) -> None:
        with feeding(page.camera, noise, fps=5), contextlib.ExitStack() as stack:
            for number in range(20):
                request = websocket(page) if number % 2 else b"GET /mjpeg/door?view=frame HTTP/1.1"
                stack.enter_context(never_reads(page, request))
            wait_until(lambda: page.watch.state.viewers == 20)
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
