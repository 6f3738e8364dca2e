"""Connections to the live page: their number is limited, and a silent one is closed."""

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

MAX_CONNECTIONS = 512
"""Of all kinds together, viewers included."""

# From the connection, or the last answer, to the end of the next request. A browser on a slow network needs a second.
_REQUEST_S = 10.0


class BoundedProtocol(H11Protocol):
    """HTTP for uvicorn, whose own limit only counts complete requests, and whose timer starts with the first answer.

    One connection too many replaces the one that has been silent for longest: a client that opens many and sends
    nothing locks no other out.
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
        # First, because a request may be waiting already.
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
        # At once: more connections may come before the loop notices the end of this one.
        self.connections.discard(oldest)
