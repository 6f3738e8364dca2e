"""What one viewer gets: the newest picture of each camera, at the pace at which they are seen to arrive.

Over the WebSocket go, to the page: text with the status, text with an event, and binary pictures (four bytes that say
how long the JSON header is, the header, a JPEG). From the page: ``{"views": {CAMERA: VIEW}}`` and ``{"seen": CAMERA}``
for each picture. No more than two pictures of a camera are under way: what waits in a network's buffers grows old.
"""

import asyncio
import json
import math
import struct
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from starlette.websockets import WebSocket, WebSocketDisconnect

from ...imaging.io import Image
from ..latest import VIEWS, Shown, jpeg, picture

if TYPE_CHECKING:
    from ..service import Watch

MAX_MESSAGE_BYTES = 16_384
MAX_VIEWERS = 256

_UNDER_WAY = 2
_STATUS_EVERY_S = 0.5
_BOUNDARY = b"edgefg-frame"
MJPEG_TYPE = f"multipart/x-mixed-replace; boundary={_BOUNDARY.decode()}"


class Gallery:
    """The pictures, each made once however many look, and the viewers who wait for them.

    Attributes:
        viewers: Who looks.
        loop: The event loop that all this lives in.
    """

    def __init__(self, watch: "Watch") -> None:
        self.watch = watch
        self.viewers: set[Viewer] = set()
        self.loop = asyncio.get_running_loop()
        self._pool = ThreadPoolExecutor(1, "edgefg pictures")
        self._made: dict[tuple[str, str], tuple[object, asyncio.Future[bytes]]] = {}
        self._told = False
        self._status, self._status_at_s = "", -math.inf
        watch.live.subscribe(self._wake)

    def close(self) -> None:
        self.watch.live.unsubscribe(self._wake)
        self._pool.shutdown(wait=False, cancel_futures=True)

    def status(self) -> str:
        """The status as it is told, made anew a few times a second however many look."""
        if time.monotonic() - self._status_at_s > _STATUS_EVERY_S / 2:
            self._status, self._status_at_s = json.dumps({"status": self.watch.status()}), time.monotonic()
        return self._status

    async def picture(self, camera: str, view: str, shown: Shown) -> bytes:
        """The JPEG of a view of a frame."""
        # The background stays the same from frame to frame.
        what: object = shown.background_id if view == "background" else shown
        made = self._made.get((camera, view))
        if made is None or made[0] != what:
            made = what, self.loop.run_in_executor(self._pool, self._make, camera, view, shown)
            self._made[camera, view] = made
        # A viewer who leaves must not take the picture along from others.
        return await asyncio.shield(made[1])

    def _make(self, camera: str, view: str, shown: Shown) -> bytes:
        watched = self.watch.cameras[camera]
        background: Image | None = watched.background.image if view == "background" else None
        return jpeg(picture(shown, view, watched.zones.zones, background))

    def _wake(self) -> None:
        """From any thread. However much is new, the loop is told once."""
        if self.viewers and not self._told:
            self._told = True
            with suppress(RuntimeError):  # the loop has ended
                self.loop.call_soon_threadsafe(self._tell_all)

    def _tell_all(self) -> None:
        self._told = False
        for viewer in self.viewers:
            viewer.news.set()


class Viewer:
    """Somebody who looks: at all cameras, or, over MJPEG, at one."""

    def __init__(self, gallery: Gallery, views: dict[str, str]) -> None:
        self.news = asyncio.Event()
        self._gallery = gallery
        self._views = views
        self._sent: dict[str, tuple[int, str, int]] = {}
        self._under_way: dict[str, int] = {}

    def __enter__(self) -> "Viewer":
        self._gallery.viewers.add(self)
        self.news.set()
        return self

    def __exit__(self, *_: object) -> None:
        self._gallery.viewers.discard(self)

    async def serve(self, socket: WebSocket) -> None:
        """Talks to a page until it leaves."""
        await socket.accept()
        tasks = [asyncio.create_task(self._listen(socket)), asyncio.create_task(self._talk(socket))]
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
        """The parts of an endless answer; each is sent when the one before is through."""
        with self:
            while True:
                for _, _, shown in self._fresh():
                    part = await self._gallery.picture(camera, self._views[camera], shown)
                    yield (
                        b"--%b\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % (_BOUNDARY, len(part))
                        + part
                        + b"\r\n"
                    )
                await self.news.wait()
                self.news.clear()

    def _fresh(self) -> list[tuple[str, str, Shown]]:
        """What this viewer has not been sent and may be sent now; it counts as sent from here on."""
        fresh = []
        for camera, view in self._views.items():
            shown = self._gallery.watch.live.newest(camera)
            if shown is None or self._under_way.get(camera, 0) >= _UNDER_WAY:
                continue
            mark = (0 if view == "background" else shown.number), view, shown.background_id
            if self._sent.get(camera) != mark:
                self._sent[camera] = mark
                fresh.append((camera, view, shown))
        return fresh

    async def _listen(self, socket: WebSocket) -> None:
        while True:
            if not self._understand(await socket.receive()):
                await socket.close(1008, "expected views or seen")
                return
            self.news.set()

    def _understand(self, message: Any) -> bool:
        """Does what the page asks for, or says that it makes no sense."""
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code", 1005))
        text = message.get("text")
        if text is None or len(text) > MAX_MESSAGE_BYTES:
            return False
        try:
            wish = json.loads(text)
        except (ValueError, RecursionError):
            return False
        if not isinstance(wish, dict) or len(wish) != 1:
            return False
        known = self._gallery.watch.cameras
        if isinstance(wish.get("seen"), str) and wish["seen"] in known:
            self._under_way[wish["seen"]] = max(0, self._under_way.get(wish["seen"], 0) - 1)
            return True
        views = wish.get("views")
        if not isinstance(views, dict) or not all(camera in known and view in VIEWS for camera, view in views.items()):
            return False
        self._views = views
        return True

    async def _talk(self, socket: WebSocket) -> None:
        watch = self._gallery.watch
        told_at_s, told_event = 0.0, 0
        while True:
            if time.monotonic() - told_at_s >= _STATUS_EVERY_S:
                told_at_s = time.monotonic()
                await socket.send_text(self._gallery.status())
            for number, event in watch.events_after(told_event):
                told_event = number
                await socket.send_text(json.dumps({"event": event.to_json()}))
            for camera, view, shown in self._fresh():
                self._under_way[camera] = self._under_way.get(camera, 0) + 1
                await self._send_picture(socket, camera, view, shown)
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self.news.wait(), _STATUS_EVERY_S)
            self.news.clear()

    async def _send_picture(self, socket: WebSocket, camera: str, view: str, shown: Shown) -> None:
        packed = await self._gallery.picture(camera, view, shown)
        header = json.dumps(
            {
                "camera": camera,
                "view": view,
                "number": shown.number,
                "age_ms": round((time.monotonic() - shown.captured_s) * 1e3, 1),
            }
        ).encode()
        await socket.send_bytes(struct.pack(">I", len(header)) + header + packed)
