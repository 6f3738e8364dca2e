"""Connections to the live page: only so many, and none that stays without asking for anything."""

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

MAX_CONNECTIONS = 512
"""Of all kinds together, those that show the live view too."""

# From the connection, or the answer before, to all of the next request. A browser on a slow network needs a second.
_REQUEST_S = 10.0


class BoundedProtocol(H11Protocol):
    """HTTP for uvicorn, whose own bound only counts complete requests, and whose timer starts with the first answer.

    One connection too many takes the place of the one that has waited longest for a request: who opens many and says
    nothing keeps nobody out.
    """

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._expect_request()
        if len(self.connections) > MAX_CONNECTIONS:
            self._make_room()

    def connection_lost(self, exc: Exception | None) -> None:
        self._expect_nothing()
        super().connection_lost(exc)

    def handle_events(self) -> None:
        super().handle_events()
        if self.cycle is not None and not self.cycle.response_complete:
            self._expect_nothing()

    def handle_websocket_upgrade(self, event: Any) -> None:
        self._expect_nothing()
        super().handle_websocket_upgrade(event)

    def on_response_complete(self) -> None:
        # First, because a request may wait already.
        self._expect_request()
        super().on_response_complete()

    def _expect_request(self) -> None:
        self._expect_nothing()
        self._deadline = self.loop.call_later(_REQUEST_S, self.transport.abort)

    def _expect_nothing(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _make_room(self) -> None:
        waiting = {
            other: other._deadline.when()
            for other in self.connections
            if isinstance(other, BoundedProtocol) and other._deadline is not None
        }
        oldest = min(waiting, key=lambda other: waiting[other])
        oldest.transport.abort()
        # Now, not when the loop gets round to it: more may come until then.
        self.connections.discard(oldest)
