"""The live page's server: every route there is, in a thread of its own."""

import asyncio
import importlib.resources
import socket
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from ...errors import EdgefgError, OutputError
from ..latest import VIEWS
from ..options import Listen
from .auth import Guard
from .connections import BoundedProtocol
from .metrics import Metrics
from .viewer import MAX_MESSAGE_BYTES, MAX_VIEWERS, MJPEG_TYPE, Gallery, Viewer

if TYPE_CHECKING:
    from ..service import Watch

_STATIC = {
    "/": ("page.html", "text/html"),
    "/page.js": ("page.js", "text/javascript"),
    "/page.css": ("page.css", "text/css"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}
# As many may be accepted at once, before any is counted.
_BACKLOG = 256
# What waits in the system's buffers for a slow viewer grows old: a few pictures, not megabytes of them.
_SEND_BUFFER_BYTES = 256 * 1024
_STOP_S = 10.0


class Page:
    """The live page of a watch.

    Attributes:
        url: Where it is.
    """

    def __init__(self, watch: "Watch", listen: Listen) -> None:
        """Takes the address; nothing is served before `start`.

        Raises:
            OutputError: The address is taken, or not this machine's.
            MissingDependencyError: The package prometheus-client is not installed.
        """
        self._watch = watch
        self._metrics = Metrics(watch)
        self._gallery: Gallery | None = None
        self._socket = _listening(listen)
        host, port = self._socket.getsockname()[:2]
        self.url = f"http://{f'[{host}]' if ':' in host else host}:{port}/"
        served = Listen(listen.host, port, listen.token)
        config = uvicorn.Config(
            Guard(self._app(), served),
            loop="asyncio",
            http=BoundedProtocol,
            ws="websockets-sansio",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            backlog=_BACKLOG,
            timeout_graceful_shutdown=1,
            timeout_keep_alive=10,
            ws_max_size=MAX_MESSAGE_BYTES,
            ws_per_message_deflate=False,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._serve, name="edgefg page", daemon=True)

    def start(self) -> None:
        """Begins to serve."""
        self._thread.start()

    @property
    def viewers(self) -> int:
        """How many look right now."""
        return 0 if self._gallery is None else len(self._gallery.viewers)

    def close(self) -> None:
        """Ends the server. Closing twice is fine."""
        self._server.should_exit = True
        if self._gallery is not None:
            with suppress(RuntimeError):  # the loop has ended
                self._gallery.loop.call_soon_threadsafe(self._let_go)
        if self._thread.is_alive():
            self._thread.join(_STOP_S)
        self._socket.close()

    def _let_go(self) -> None:
        """Ends all connections: a viewer who does not read would hold up the end, and pictures have none."""
        for connection in list(self._server.server_state.connections):
            connection.transport.abort()

    def _serve(self) -> None:
        self._server.run(sockets=[self._socket])

    def _app(self) -> Starlette:
        files = importlib.resources.files(__package__) / "static"
        routes: list[Route | WebSocketRoute] = [
            _fixed(path, (files / name).read_bytes(), kind) for path, (name, kind) in _STATIC.items()
        ]
        routes += [
            Route("/healthz", self._health),
            Route("/metrics", self._metrics_text),
            Route("/api/status", self._status),
            Route("/api/cameras/{camera}/{action}", self._act, methods=["POST"]),
            Route("/mjpeg/{camera}", self._mjpeg),
            WebSocketRoute("/live", self._live),
        ]
        return Starlette(routes=routes, lifespan=self._lifespan)

    @asynccontextmanager
    async def _lifespan(self, _: Starlette) -> AsyncIterator[None]:
        self._gallery = Gallery(self._watch)
        try:
            yield
        finally:
            self._gallery.close()

    async def _health(self, _: Request) -> Response:
        health = self._watch.health()
        return JSONResponse({"status": health}, 503 if health == "failing" else 200)

    async def _metrics_text(self, _: Request) -> Response:
        return Response(self._metrics.text(), media_type=self._metrics.content_type)

    async def _status(self, _: Request) -> Response:
        return JSONResponse(self._watch.status())

    async def _act(self, request: Request) -> Response:
        camera, action = request.path_params["camera"], request.path_params["action"]
        if camera not in self._watch.cameras:
            return PlainTextResponse("no such camera\n", 404)
        actions = {
            "background": self._watch.set_background,
            "freeze": self._watch.freeze,
            "thaw": self._watch.thaw,
        }
        if action not in actions:
            return PlainTextResponse("no such action\n", 404)
        try:
            await asyncio.to_thread(actions[action], camera)
        except EdgefgError as reason:
            return JSONResponse({"error": str(reason)}, 409)
        return JSONResponse({"done": action})

    async def _mjpeg(self, request: Request) -> Response:
        camera, view = request.path_params["camera"], request.query_params.get("view", "mask")
        if camera not in self._watch.cameras or view not in VIEWS:
            return PlainTextResponse("no such camera or view\n", 404)
        gallery = self._gallery
        if gallery is None or len(gallery.viewers) >= MAX_VIEWERS:
            return PlainTextResponse("too many viewers\n", 503)
        return StreamingResponse(Viewer(gallery, {camera: view}).mjpeg(camera), media_type=MJPEG_TYPE)

    async def _live(self, socket: WebSocket) -> None:
        gallery = self._gallery
        if gallery is None or len(gallery.viewers) >= MAX_VIEWERS:
            await socket.close(1013, "too many viewers")
            return
        with Viewer(gallery, {}) as viewer:
            await viewer.serve(socket)


def _fixed(path: str, content: bytes, kind: str) -> Route:
    """A route that answers with what was read when the server started; no file is ever looked up by a path."""

    async def answer(_: Request) -> Response:
        return Response(content, media_type=kind)

    return Route(path, answer)


def _listening(listen: Listen) -> socket.socket:
    family = socket.AF_INET6 if ":" in listen.host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
        listening.bind((listen.host, listen.port))
        listening.listen(_BACKLOG)
    except OSError as reason:
        listening.close()
        raise OutputError(
            f"--listen {listen.host}:{listen.port}: cannot serve the live page there: {reason.strerror or reason}; "
            f"choose another port, or --no-page"
        ) from reason
    return listening
