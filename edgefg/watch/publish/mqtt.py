"""Events to an MQTT broker, which may be away.

PREFIX/status               "online" or "offline", retained; the broker sends "offline" when the client is gone
PREFIX/CAMERA/state         "live", "stalled" ..., retained
PREFIX/CAMERA/event         each event as JSON, at least once: one that comes twice has the same "id"
PREFIX/CAMERA/snapshot/ID   the event's frame as JPEG
"""

import json
import secrets
import threading
import time
from contextlib import suppress
from typing import Any

from ...errors import MissingDependencyError
from ..addresses import Broker
from ..events import Event

# Pictures are large: only so many of them wait for a broker that is away.
_MAX_WAITING_SNAPSHOTS = 50
# Retained messages may exceed the limit by this many: a lost one leaves a wrong state until the next change.
_MORE_RETAINED = 1000
_FAREWELL_S = 3.0


class Mqtt:
    """A client that connects, and connects again indefinitely, in a thread of its own. Nothing waits for the broker."""

    name = "mqtt"

    def __init__(self, broker: Broker) -> None:
        """Starts to connect.

        Raises:
            MissingDependencyError: The package paho-mqtt is not installed.
        """
        try:
            from paho.mqtt import client, enums
        except ImportError as reason:
            raise MissingDependencyError(f'mqtt= needs paho-mqtt: pip install "edgefg[watch]" ({reason})') from reason
        self._broker = broker
        self._states: dict[str, str] = {}
        self._sending_state = threading.Lock()  # no older state may be sent after a newer one
        self._lock = threading.Lock()
        self._waiting: dict[int, bool] = {}  # message numbers the broker has not confirmed: is it a snapshot?
        self._confirmed_early: set[int] = set()
        self._dropped = 0
        self._refused = ""
        self._done = client.MQTT_ERR_SUCCESS, client.MQTT_ERR_NO_CONN
        self._client = client.Client(
            enums.CallbackAPIVersion.VERSION2, client_id=f"edgefg-{secrets.token_hex(6)}", clean_session=False
        )
        self._client.max_queued_messages_set(0)  # the bound is kept here
        self._client.reconnect_delay_set(1, 30)
        self._client.connect_timeout = 3.0
        if broker.user is not None:
            self._client.username_pw_set(broker.user, broker.password)
        if broker.tls:
            self._client.tls_set()
        self._client.will_set(f"{broker.prefix}/status", "offline", qos=1, retain=True)
        self._client.on_connect = self._on_connect
        self._client.on_disconnect = self._on_disconnect
        self._client.on_publish = self._on_publish
        self._client.connect_async(broker.host, broker.port, keepalive=20)
        self._client.loop_start()

    @property
    def waiting(self) -> int:
        """Messages that the broker has not confirmed yet."""
        with self._lock:
            return len(self._waiting)

    @property
    def dropped(self) -> int:
        """Messages that were dropped because too many waited."""
        return self._dropped

    @property
    def problem(self) -> str:
        if self._client.is_connected():
            return ""
        return f"the MQTT broker {self._broker.host}:{self._broker.port} is away{self._refused}"

    def publish(self, event: Event) -> None:
        topic = f"{self._broker.prefix}/{event.camera}"
        if event.kind == "camera_state":
            with self._sending_state:
                self._states[event.camera] = event.details["state"]
                # A broker that is away gets the newest state once it is back: older ones need not wait for it.
                if self._client.is_connected():
                    self._send(f"{topic}/state", event.details["state"], retain=True)
        self._send(f"{topic}/event", json.dumps(event.to_json(), allow_nan=False))
        if event.snapshot is not None:
            self._send(f"{topic}/snapshot/{event.id}", event.snapshot, snapshot=True)

    def close(self) -> None:
        """Waits a moment for the broker to take the messages that are left, and disconnects."""
        until_s = time.monotonic() + _FAREWELL_S
        while self.waiting and self._client.is_connected() and time.monotonic() < until_s:
            time.sleep(0.02)
        if self._client.is_connected():
            farewell = self._client.publish(f"{self._broker.prefix}/status", "offline", qos=1, retain=True)
            # It raises if the connection broke before it was sent; then the broker sends "offline" itself.
            with suppress(RuntimeError):
                while not farewell.is_published() and time.monotonic() < until_s:
                    time.sleep(0.02)
        self._client.disconnect()
        # It waits for a connection attempt, which a slow name server prolongs.
        stopping = threading.Thread(target=self._client.loop_stop, daemon=True)
        stopping.start()
        stopping.join(_FAREWELL_S)

    def _send(self, topic: str, payload: str | bytes, *, retain: bool = False, snapshot: bool = False) -> None:
        with self._lock:
            snapshots = sum(self._waiting.values())
            limit = self._broker.queue + (_MORE_RETAINED if retain else 0)
            if len(self._waiting) >= limit or (snapshot and snapshots >= _MAX_WAITING_SNAPSHOTS):
                self._dropped += 1
                return
        message = self._client.publish(topic, payload, qos=1, retain=retain)
        with self._lock:
            if message.mid in self._confirmed_early:
                self._confirmed_early.remove(message.mid)
            elif message.rc in self._done:
                self._waiting[message.mid] = snapshot
            else:
                self._dropped += 1

    def _on_publish(self, client: Any, userdata: Any, mid: int, *_: Any) -> None:
        with self._lock:
            if self._waiting.pop(mid, None) is None:
                self._confirmed_early.add(mid)

    def _on_connect(self, client: Any, userdata: Any, flags: Any, reason: Any, *_: Any) -> None:
        if reason.is_failure:
            self._refused = f": {reason}"
            return
        self._refused = ""
        # A broker that was restarted may have forgotten the retained messages.
        self._send(f"{self._broker.prefix}/status", "online", retain=True)
        with self._sending_state:
            for camera, state in self._states.items():
                self._send(f"{self._broker.prefix}/{camera}/state", state, retain=True)

    def _on_disconnect(self, client: Any, userdata: Any, flags: Any, reason: Any, *_: Any) -> None:
        # A refusal is followed by the end of its connection, whose reason says less.
        self._refused = self._refused or f": {reason}"
