"""A camera with a snapshot address: an HTTP server in this process, which asks for a login and has moods."""

import base64
import hashlib
import http.server
import re
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType

import cv2

from .rtsp import numbered

USER, PASSWORD = "guard", "hunter2"
_REALM = "camera"


def jpeg_of(number: int) -> bytes:
    return cv2.imencode(".jpg", numbered(number))[1].tobytes()


class SnapshotCamera:
    """Answers ``/snap.jpg`` at `host`.

    Attributes:
        login: ``""``, ``"basic"``, ``"digest"``, ``"digest SHA-256"``, or ``"both"``.
        changes_every: How many requests get the same picture.
        conditional: Whether it answers 304 to what is known.
        kind: The content's type.
        nonce: What a digest login must be made with; it may change at any time.
        mood: Called before each answer; it may answer itself, and then returns True.
        asked: The times of all requests.
        answered: The status of each answer.
    """

    def __init__(self, certificate: Path | None = None) -> None:
        self.login = ""
        self.changes_every = 1
        self.conditional = True
        self.kind = "image/jpeg"
        self.nonce = "0123456789abcdef"
        self.mood: Callable[[http.server.BaseHTTPRequestHandler], bool] = lambda _: False
        self.asked: list[float] = []
        self.answered: list[int] = []
        self.served = 0
        camera = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                camera.asked.append(time.monotonic())
                with suppress(OSError):  # the reader left
                    if not camera.mood(self):
                        camera.answer(self)

            def send_response(self, code: int, message: str | None = None) -> None:
                camera.answered.append(code)
                super().send_response(code, message)

            def log_message(self, *_: object) -> None:
                """Says nothing."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.host = f"127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://{self.host}/snap.jpg"

    @property
    def url_with_login(self) -> str:
        return f"http://{USER}:{PASSWORD}@{self.host}/snap.jpg"

    def answer(self, request: http.server.BaseHTTPRequestHandler) -> None:
        if self.login and not self._is_welcome(request):
            request.send_response(401)
            for challenge in self._challenges():
                request.send_header("WWW-Authenticate", challenge)
            request.send_header("Content-Length", "0")
            request.end_headers()
            return
        number = self.served // self.changes_every
        self.served += 1
        tag = f'"{number}"'
        if self.conditional and request.headers.get("If-None-Match") == tag:
            request.send_response(304)
            request.end_headers()
            return
        data = jpeg_of(number)
        request.send_response(200)
        request.send_header("Content-Type", self.kind)
        request.send_header("Content-Length", str(len(data)))
        if self.conditional:
            request.send_header("ETag", tag)
        request.end_headers()
        request.wfile.write(data)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)

    def __enter__(self) -> "SnapshotCamera":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _challenges(self) -> list[str]:
        digest = f'Digest realm="{_REALM}", nonce="{self.nonce}", qop="auth"'
        basic = f'Basic realm="{_REALM}"'
        return {
            "basic": [basic],
            "digest": [digest],
            "digest SHA-256": [f"{digest}, algorithm=SHA-256"],
            "both": [f"{digest}, algorithm=SHA-512-256", basic, digest],
        }[self.login]

    def _is_welcome(self, request: http.server.BaseHTTPRequestHandler) -> bool:
        scheme, _, text = request.headers.get("Authorization", "").partition(" ")
        if scheme == "Basic":
            return self.login == "basic" and base64.b64decode(text) == f"{USER}:{PASSWORD}".encode()
        if scheme != "Digest" or self.login == "basic":
            return False
        fields = dict(re.findall(r'(\w+)="?([^",]*)"?', text))
        name = "sha256" if fields.get("algorithm") == "SHA-256" else "md5"

        def digest(*parts: str) -> str:
            return hashlib.new(name, ":".join(parts).encode()).hexdigest()

        secret = digest(USER, _REALM, PASSWORD)
        asked = digest("GET", request.path)
        expected = digest(secret, self.nonce, fields.get("nc", ""), fields.get("cnonce", ""), "auth", asked)
        return fields.get("uri") == request.path and fields.get("response") == expected
