"""A watch with a live page, and requests to it; import it only where uvicorn is installed.

Test modules import its fixtures under their own names (``page as page``), as only pytest uses them.
"""

import contextlib
import http.client
import json
import struct
import threading
from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from websockets.sync.client import ClientConnection, connect

from edgefg.bundle.bundle import Bundle
from edgefg.watch import Listen, Watch, WatchedCamera, WatchOptions

from .scripted_camera import ScriptedCamera
from .watch_rig import EMPTY, ONE_THREAD

TOKEN = "a-token-of-some-length"


class Served:
    """A watch with a page, and ways to ask it."""

    def __init__(self, watch: Watch, camera: ScriptedCamera) -> None:
        assert watch.url is not None
        self.watch = watch
        self.camera = camera
        self.port = int(watch.url.rstrip("/").rpartition(":")[2])
        self.origin = f"http://127.0.0.1:{self.port}"

    def ask(self, path: str, method: str = "GET", body: bytes | None = None, **headers: str) -> "Answer":
        """Sends a request whose path is sent unchanged."""
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
def served(bundle: Bundle, token: str | None = None, **more: Any) -> Iterator[Served]:
    """A watch of a scripted camera called door, with a page."""
    camera = ScriptedCamera()
    door = WatchedCamera(url="rtsp://viewer:geheim@nowhere.invalid/1", name="door")
    options = WatchOptions(
        (door,),
        bundle=bundle.path,
        listen=Listen("127.0.0.1", 0, token),
        inference=ONE_THREAD,
        policy="fixed",
        **more,
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("edgefg.watch.camera.open_camera", lambda *_: camera)
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
    """Puts frames into a camera all the time; the list's one number counts them."""
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


def next_picture(socket: ClientConnection) -> tuple[dict[str, Any], npt.NDArray[np.uint8]]:
    while True:
        message = socket.recv(timeout=20)
        if isinstance(message, bytes):
            (length,) = struct.unpack(">I", message[:4])
            image = cv2.imdecode(np.frombuffer(message[4 + length :], np.uint8), cv2.IMREAD_COLOR)
            return json.loads(message[4 : 4 + length]), np.asarray(image, np.uint8)
