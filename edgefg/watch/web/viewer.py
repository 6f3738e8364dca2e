"""One viewer: gets the newest picture of each camera, at the pace at which the pictures arrive there.

The WebSocket sends to the page: text with the status, text with an event, and binary pictures (four bytes with the
length of the JSON header, the header, a JPEG). The page sends ``{"views": {CAMERA: VIEW}}``, and ``{"seen": CAMERA}``
for each picture. At most two pictures of a camera are under way: pictures in a network's buffers grow old.
"""

import asyncio
import json
import struct
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect

from ..latest import LatestResult
from ..pictures import VIEWS
from .hub import STATUS_EVERY_S, ViewerHub

MAX_MESSAGE_BYTES = 16_384

_MAX_UNDER_WAY = 2
_BOUNDARY = b"edgefg-frame"
MJPEG_TYPE = f"multipart/x-mixed-replace; boundary={_BOUNDARY.decode()}"


class Viewer:
    """A viewer of all cameras, or, over MJPEG, of one. It counts as a viewer inside its ``with`` block."""

    def __init__(self, hub: ViewerHub, views: dict[str, str]) -> None:
        self._hub = hub
        self._news = asyncio.Event()
        self._views = views
        self._sent: dict[str, tuple[int, str, int]] = {}
        self._under_way: dict[str, int] = {}

    def __enter__(self) -> "Viewer":
        self._hub.add(self._news)
        return self

    def __exit__(self, *_: object) -> None:
        self._hub.remove(self._news)

    async def serve(self, socket: WebSocket) -> None:
        """Exchanges messages with a page until it leaves."""
        await socket.accept()
        tasks = [asyncio.create_task(self._receive(socket)), asyncio.create_task(self._send(socket))]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
        for end in ended:
            if isinstance(end, Exception) and not isinstance(end, (WebSocketDisconnect, OSError)):
                raise end

    async def mjpeg(self, camera: str) -> AsyncIterator[bytes]:
        """Yields the parts of an endless answer; each is sent when the one before is through."""
        with self:
            while True:
                for _, _, latest in self._fresh():
                    part = await self._hub.picture(camera, self._views[camera], latest)
                    yield (
                        b"--%b\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % (_BOUNDARY, len(part))
                        + part
                        + b"\r\n"
                    )
                await self._news.wait()
                self._news.clear()

    def _fresh(self) -> list[tuple[str, str, LatestResult]]:
        """Returns the views that this viewer may get now and has not got; they count as sent from here on."""
        fresh = []
        for camera, view in self._views.items():
            latest = self._hub.state.latest.newest(camera)
            if latest is None or self._under_way.get(camera, 0) >= _MAX_UNDER_WAY:
                continue
            mark = (0 if view == "background" else latest.number), view, latest.background_id
            if self._sent.get(camera) != mark:
                self._sent[camera] = mark
                fresh.append((camera, view, latest))
        return fresh

    async def _receive(self, socket: WebSocket) -> None:
        while True:
            if not self._obey(await socket.receive()):
                await socket.close(1008, "expected views or seen")
                return
            self._news.set()

    def _obey(self, message: Any) -> bool:
        """Follows a message from the page; returns whether it makes sense."""
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code", 1005))
        text = message.get("text")
        if text is None or len(text) > MAX_MESSAGE_BYTES:
            return False
        try:
            request = json.loads(text)
        except (ValueError, RecursionError):
            return False
        if not isinstance(request, dict) or len(request) != 1:
            return False
        known = self._hub.state.cameras
        if isinstance(request.get("seen"), str) and request["seen"] in known:
            self._under_way[request["seen"]] = max(0, self._under_way.get(request["seen"], 0) - 1)
            return True
        views = request.get("views")
        if not isinstance(views, dict) or not all(camera in known and view in VIEWS for camera, view in views.items()):
            return False
        self._views = views
        return True

    async def _send(self, socket: WebSocket) -> None:
        status_at_s, newest_event = 0.0, 0
        while True:
            if time.monotonic() - status_at_s >= STATUS_EVERY_S:
                status_at_s = time.monotonic()
                await socket.send_text(self._hub.status())
            for number, event in self._hub.state.events.after(newest_event):
                newest_event = number
                await socket.send_text(json.dumps({"event": event.to_json()}))
            for camera, view, latest in self._fresh():
                self._under_way[camera] = self._under_way.get(camera, 0) + 1
                await self._send_picture(socket, camera, view, latest)
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._news.wait(), STATUS_EVERY_S)
            self._news.clear()

    async def _send_picture(self, socket: WebSocket, camera: str, view: str, latest: LatestResult) -> None:
        packed = await self._hub.picture(camera, view, latest)
        header = json.dumps(
            {
                "camera": camera,
                "view": view,
                "number": latest.number,
                "age_ms": round((time.monotonic() - latest.captured_s) * 1e3, 1),
            }
        ).encode()
        await socket.send_bytes(struct.pack(">I", len(header)) + header + packed)
