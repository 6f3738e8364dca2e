"""Events to a real mosquitto, which may be away, come back, refuse us or never answer."""

import json
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("paho.mqtt")

from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion

from edgefg.watch.events import Event
from edgefg.watch.options import Broker
from edgefg.watch.publish.mqtt import Mqtt

MOSQUITTO = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
needs_mosquitto = pytest.mark.skipif(MOSQUITTO is None, reason="needs Debian's package mosquitto")


class Mosquitto:
    """A broker on this machine that can be stopped and started. It remembers who listens, unless it is to forget."""

    def __init__(self, folder: Path, password: bool = False, forgets: bool = False) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self._config = folder / "mosquitto.conf"
        lines = [
            f"listener {self.port} 127.0.0.1",
            f"allow_anonymous {str(not password).lower()}",
            f"persistence {str(not forgets).lower()}",
        ]
        lines.append("user root")  # where root starts it; another user may not read the test's folder
        lines.append(f"persistence_location {folder}/")
        if password:
            (folder / "passwords").touch(0o600)
            lines.append(f"password_file {folder / 'passwords'}")
        self._config.write_text("\n".join(lines) + "\n")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        assert MOSQUITTO is not None
        words = [MOSQUITTO, "-c", str(self._config)]
        self._process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(self._answers)

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(10)
            self._process = None

    def _answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    one = Mosquitto(tmp_path)
    one.start()
    yield one
    one.stop()


@pytest.fixture
def listen() -> Iterator[Callable[[int], list[Any]]]:
    """Subscribes to everything at a port; gives a list that messages are added to, across restarts."""
    clients = []

    def begin(port: int) -> list[Any]:
        heard: list[Any] = []
        ready: list[bool] = []
        client = paho.Client(CallbackAPIVersion.VERSION2, client_id="listener", clean_session=False)
        client.reconnect_delay_set(1, 1)
        client.on_connect = lambda *_: client.subscribe("house/#", qos=1)
        client.on_subscribe = lambda *_: ready.append(True)
        client.on_message = lambda _, __, message: heard.append(message)
        client.connect_async("127.0.0.1", port)
        client.loop_start()
        clients.append(client)
        wait_until(lambda: bool(ready))
        return heard

    yield begin
    for client in clients:
        client.disconnect()
        client.loop_stop()


def wait_until(holds: Callable[[], bool], timeout_s: float = 40) -> None:
    until_s = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < until_s, "it did not come about"
        time.sleep(0.05)


def event(number: int = 0, snapshot: bytes | None = None) -> Event:
    return Event("motion_started", "door", time.time(), {"zone": "mat", "number": number}, snapshot)


def numbers(heard: list[Any]) -> list[int]:
    """Of the events that came, each once, in the order in which they first came."""
    received = [json.loads(message.payload) for message in list(heard) if message.topic == "house/door/event"]
    return list(dict.fromkeys(one["number"] for one in received))


def output(port: int, **more: Any) -> Mqtt:
    return Mqtt(Broker("127.0.0.1", port, "house", **more))


@needs_mosquitto
class TestTopics:
    def test_are_as_documented(self, broker: Mosquitto, listen: Callable[[int], list[Any]]) -> None:
        heard = listen(broker.port)
        mqtt = output(broker.port)
        wait_until(lambda: not mqtt.problem)
        one = event(7, b"jpeg")
        mqtt.publish(one)
        mqtt.publish(Event("camera_state", "door", time.time(), {"state": "live"}))
        wait_until(lambda: mqtt.waiting == 0)
        mqtt.close()
        wait_until(lambda: any(message.payload == b"offline" for message in heard))
        found = {message.topic: message.payload for message in heard if message.payload != b"offline"}
        assert found["house/status"] == b"online"
        assert found["house/door/state"] == b"live"
        assert found[f"house/door/snapshot/{one.id}"] == b"jpeg"
        (first,) = (json.loads(m.payload) for m in heard if m.topic.endswith("/event") and b"number" in m.payload)
        assert first == one.to_json()

    def test_states_are_retained(self, broker: Mosquitto, listen: Callable[[int], list[Any]]) -> None:
        mqtt = output(broker.port)
        mqtt.publish(Event("camera_state", "door", time.time(), {"state": "stalled"}))
        wait_until(lambda: mqtt.waiting == 0 and not mqtt.problem)
        heard = listen(broker.port)
        wait_until(lambda: len(heard) == 2)
        assert {(message.topic, message.payload) for message in heard} == {
            ("house/door/state", b"stalled"),
            ("house/status", b"online"),
        }
        mqtt.close()

    def test_a_crash_is_told_by_the_broker(self, broker: Mosquitto, listen: Callable[[int], list[Any]]) -> None:
        heard = listen(broker.port)
        mqtt = output(broker.port)
        wait_until(lambda: any(message.payload == b"online" for message in heard))
        transport = mqtt._client.socket()
        assert transport is not None
        transport.shutdown(socket.SHUT_RDWR)
        wait_until(lambda: any(message.payload == b"offline" for message in heard))
        mqtt.close()


@needs_mosquitto
class TestAway:
    def test_no_event_is_lost_in_a_restart(self, broker: Mosquitto, listen: Callable[[int], list[Any]]) -> None:
        heard = listen(broker.port)
        mqtt = output(broker.port)
        mqtt.publish(event(0))
        wait_until(lambda: numbers(heard) == [0])
        broker.stop()
        wait_until(lambda: bool(mqtt.problem))
        started_s = time.monotonic()
        for number in range(1, 201):
            mqtt.publish(event(number))
        assert time.monotonic() - started_s < 5  # none of them waited for a connection
        assert mqtt.waiting >= 200
        broker.start()
        wait_until(lambda: len(numbers(heard)) == 201)
        assert numbers(heard) == list(range(201))
        wait_until(lambda: mqtt.waiting == 0)
        assert (mqtt.dropped, mqtt.problem) == (0, "")
        mqtt.close()

    def test_beyond_the_bound_the_newest_are_dropped_and_counted(
        self, broker: Mosquitto, listen: Callable[[int], list[Any]]
    ) -> None:
        broker.stop()
        mqtt = output(broker.port, queue=20)
        for number in range(50):
            mqtt.publish(event(number))
        assert (mqtt.waiting, mqtt.dropped) == (20, 30)
        broker.start()
        heard = listen(broker.port)
        wait_until(lambda: mqtt.waiting == 0)
        mqtt.publish(event(50))
        wait_until(lambda: 50 in numbers(heard))
        mqtt.close()

    def test_after_a_long_outage_the_broker_knows_how_things_are(
        self, broker: Mosquitto, listen: Callable[[int], list[Any]]
    ) -> None:
        """Although more waits for it than may."""
        mqtt = output(broker.port, queue=20)
        wait_until(lambda: not mqtt.problem)
        transport = mqtt._client.socket()
        assert transport is not None
        transport.shutdown(socket.SHUT_RDWR)  # as in a crash: the broker says "offline"
        broker.stop()
        wait_until(lambda: bool(mqtt.problem))
        for number in range(50):
            mqtt.publish(event(number))
        for state in ("reconnecting", "live"):
            mqtt.publish(Event("camera_state", "door", time.time(), {"state": state}))
        assert mqtt.waiting == 20
        broker.start()
        wait_until(lambda: not mqtt.problem and mqtt.waiting == 0)
        heard = listen(broker.port)
        wait_until(lambda: len([message for message in heard if message.retain]) == 2)
        received = {message.topic: message.payload for message in heard if message.retain}
        assert received == {"house/status": b"online", "house/door/state": b"live"}
        mqtt.close()

    def test_a_broker_that_goes_while_we_say_goodbye(self, broker: Mosquitto, monkeypatch: pytest.MonkeyPatch) -> None:
        mqtt = output(broker.port)
        wait_until(lambda: not mqtt.problem)
        publish = mqtt._client.publish

        def publish_too_late(*words: Any, **more: Any) -> Any:
            message = publish(*words, **more)
            message.rc = paho.MQTT_ERR_NO_CONN
            return message

        monkeypatch.setattr(mqtt._client, "publish", publish_too_late)
        mqtt.close()
        assert mqtt._client._thread is None  # its thread has ended
        assert not mqtt._client.is_connected()

    def test_pictures_do_not_fill_the_memory(self, broker: Mosquitto) -> None:
        broker.stop()
        mqtt = output(broker.port)
        for number in range(100):
            mqtt.publish(event(number, bytes(1000)))
        assert mqtt.waiting == 150
        assert mqtt.dropped == 50
        mqtt.close()

    def test_states_are_told_again_to_a_broker_that_forgot_them(
        self, tmp_path: Path, listen: Callable[[int], list[Any]]
    ) -> None:
        broker = Mosquitto(tmp_path, forgets=True)
        broker.start()
        mqtt = output(broker.port)
        mqtt.publish(Event("camera_state", "door", time.time(), {"state": "live"}))
        wait_until(lambda: mqtt.waiting == 0 and not mqtt.problem)
        broker.stop()
        wait_until(lambda: bool(mqtt.problem))
        broker.start()
        wait_until(lambda: not mqtt.problem)
        heard = listen(broker.port)
        wait_until(lambda: any(message.topic == "house/door/state" for message in heard))
        mqtt.close()
        broker.stop()

    def test_a_refused_password_is_told_without_it(self, tmp_path: Path) -> None:
        strict = Mosquitto(tmp_path, password=True)
        strict.start()
        mqtt = output(strict.port, user="me", password="geheim")
        wait_until(lambda: "uthor" in mqtt.problem)
        assert "geheim" not in mqtt.problem
        mqtt.close()
        strict.stop()


class TestAbsentBroker:
    def test_a_broker_that_never_was(self) -> None:
        mqtt = output(9)
        started_s = time.monotonic()
        mqtt.publish(event())
        mqtt.close()
        assert time.monotonic() - started_s < 15
        assert "127.0.0.1:9 is away" in mqtt.problem

    def test_one_that_never_answers(self) -> None:
        """It accepts, and says nothing: the way a firewall or a hung broker looks."""
        with socket.socket() as silent:
            silent.bind(("127.0.0.1", 0))
            silent.listen()
            mqtt = output(silent.getsockname()[1])
            started_s = time.monotonic()
            for number in range(100):
                mqtt.publish(event(number, bytes(10_000)))
            assert time.monotonic() - started_s < 5
            mqtt.close()
        assert time.monotonic() - started_s < 20
