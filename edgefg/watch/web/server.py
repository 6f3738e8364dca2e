"""The live page's server: all its routes, in a thread of its own."""

import asyncio
import importlib.resources
import socket
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from ...errors import EdgefgError, OutputError
from ...utils.closeable import Closeable
from ..addresses import Listen
from ..pictures import VIEWS
from ..state import WatchState
from .auth import AccessControl
from .connections import BoundedProtocol
from .history import HistoryRoutes
from .hub import ViewerHub
from .metrics import Metrics
from .viewer import MAX_MESSAGE_BYTES, MJPEG_TYPE, Viewer

_STATIC = {
    "/": ("page.html", "text/html"),
    "/page.js": ("page.js", "text/javascript"),
    "/page.css": ("page.css", "text/css"),
    "/history": ("history.html", "text/html"),
    "/history.js": ("history.js", "text/javascript"),
    "/history.css": ("history.css", "text/css"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}
# How many connections may wait to be accepted.
_BACKLOG = 256
# Pictures in the system's buffers for a slow viewer grow old: a few of them, not megabytes.
_SEND_BUFFER_BYTES = 256 * 1024
_STOP_S = 10.0


class PageServer(Closeable):
    """Serves the live page of a watch.

    Attributes:
        url: The page's address.
    """

    def __init__(self, state: WatchState, listen: Listen) -> None:
        """Takes the address; nothing is served before `start`.

        Raises:
            OutputError: The address is taken, or not this machine's.
            MissingDependencyError: The package prometheus-client is not installed.
        """
        self._state = state
        self._metrics = Metrics(state)
        self._history = HistoryRoutes(state)
        self._hub: ViewerHub | None = None
        self._socket = _listening(listen)
        host, port = self._socket.getsockname()[:2]
        self.url = f"http://{f'[{host}]' if ':' in host else host}:{port}/"
        served = Listen(listen.host, port, listen.token)
        config = uvicorn.Config(
            AccessControl(self._app(), served),
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

    def close(self) -> None:
        """Ends the server. Closing twice is fine."""
        self._server.should_exit = True
        if self._hub is not None:
            with suppress(RuntimeError):  # the loop has ended
                self._hub.loop.call_soon_threadsafe(self._abort_connections)
        if self._thread.is_alive():
            self._thread.join(_STOP_S)
        self._history.close()
        self._socket.close()

    def _abort_connections(self) -> None:
        """Ends all connections: a viewer who does not read would hold up the end, and pictures never end."""
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
            *self._history.routes(),
        ]
        return Starlette(routes=routes, lifespan=self._lifespan)

    @asynccontextmanager
    async def _lifespan(self, _: Starlette) -> AsyncIterator[None]:
        self._hub = ViewerHub(self._state)
        try:
            yield
        finally:
            self._hub.close()

    async def _health(self, _: Request) -> Response:
        health = self._state.health()
        return JSONResponse({"status": health}, 503 if health == "failing" else 200)

    async def _metrics_text(self, _: Request) -> Response:
        return Response(self._metrics.text(), media_type=self._metrics.content_type)

    async def _status(self, _: Request) -> Response:
        return JSONResponse(self._state.to_json())

    async def _act(self, request: Request) -> Response:
        camera, action = request.path_params["camera"], request.path_params["action"]
        if camera not in self._state.cameras:
            return PlainTextResponse("no such camera\n", 404)
        actions = {
            "background": self._state.set_background,
            "freeze": self._state.freeze,
            "thaw": self._state.thaw,
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
        if camera not in self._state.cameras or view not in VIEWS:
            return PlainTextResponse("no such camera or view\n", 404)
        hub = self._hub
        if hub is None or hub.is_full:
            return PlainTextResponse("too many viewers\n", 503)
        return StreamingResponse(Viewer(hub, {camera: view}).mjpeg(camera), media_type=MJPEG_TYPE)

    async def _live(self, socket: WebSocket) -> None:
        hub = self._hub
        if hub is None or hub.is_full:
            await socket.close(1013, "too many viewers")
            return
        with Viewer(hub, {}) as viewer:
            await viewer.serve(socket)


def _fixed(path: str, content: bytes, kind: str) -> Route:
    """Returns a route whose answer was read when the server started; no request ever names a file on the disk."""

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
            f"listen='{listen.host}:{listen.port}': cannot serve the live page there: {reason.strerror or reason}; "
            f"choose another port, or pass listen=None"
        ) from reason
    return listening
