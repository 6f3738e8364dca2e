"""Pictures and status for all viewers: each is made once, however many viewers there are."""

import asyncio
import json
import math
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from ...imaging.io import Image
from ..latest import LatestResult
from ..pictures import jpeg, picture
from ..state import WatchState

MAX_VIEWERS = 256
STATUS_EVERY_S = 0.5


class ViewerHub:
    """Makes pictures and the status for all viewers, and wakes them when there is something new.

    All methods but `wake` belong to the event loop's thread.

    Attributes:
        state: The state of the watch.
        loop: The event loop of the viewers.
    """

    def __init__(self, state: WatchState) -> None:
        self.state = state
        self.loop = asyncio.get_running_loop()
        self._viewers: set[asyncio.Event] = set()
        self._pool = ThreadPoolExecutor(1, "edgefg pictures")
        self._made: dict[tuple[str, str], tuple[object, asyncio.Future[bytes]]] = {}
        self._waking = False
        self._status, self._status_at_s = "", -math.inf
        state.latest.subscribe(self.wake)

    def close(self) -> None:
        """Stops listening to the state."""
        self.state.latest.unsubscribe(self.wake)
        self._pool.shutdown(wait=False, cancel_futures=True)

    @property
    def is_full(self) -> bool:
        """Whether there is no room for another viewer."""
        return len(self._viewers) >= MAX_VIEWERS

    def add(self, news: asyncio.Event) -> None:
        """Adds a viewer, by the event that wakes it."""
        self._viewers.add(news)
        self.state.viewers = len(self._viewers)
        news.set()

    def remove(self, news: asyncio.Event) -> None:
        """Removes a viewer."""
        self._viewers.discard(news)
        self.state.viewers = len(self._viewers)

    def status(self) -> str:
        """Returns the status as JSON, at most a fraction of a second old."""
        if time.monotonic() - self._status_at_s > STATUS_EVERY_S / 2:
            self._status, self._status_at_s = json.dumps({"status": self.state.to_json()}), time.monotonic()
        return self._status

    async def picture(self, camera: str, view: str, latest: LatestResult) -> bytes:
        """Returns the JPEG of a view of a frame."""
        # The background stays the same from frame to frame.
        source: object = latest.background_id if view == "background" else latest
        made = self._made.get((camera, view))
        if made is None or made[0] != source:
            made = source, self.loop.run_in_executor(self._pool, self._make, camera, view, latest)
            self._made[camera, view] = made
        # A viewer who leaves must not cancel the picture for the others.
        return await asyncio.shield(made[1])

    def wake(self) -> None:
        """Wakes all viewers. Any thread may call it; calls in quick succession reach the event loop once."""
        if self._viewers and not self._waking:
            self._waking = True
            with suppress(RuntimeError):  # the loop has ended
                self.loop.call_soon_threadsafe(self._wake_viewers)

    def _make(self, camera: str, view: str, latest: LatestResult) -> bytes:
        known = self.state.cameras[camera]
        background: Image | None = known.background.image if view == "background" else None
        return jpeg(picture(latest, view, known.zones.zones, background))

    def _wake_viewers(self) -> None:
        self._waking = False
        for news in self._viewers:
            news.set()
