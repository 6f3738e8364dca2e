"""What systemd hears of a watch: over a real socket, from the notifier alone and from ``edgefg watch`` as a process."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytest.importorskip("uvicorn")

from edgefg.bundle.bundle import Bundle
from edgefg.watch.service_notify import ServiceNotifier

A_SECOND = "1000000"
AN_HOUR = "3600000000"


class Manager:
    """The service manager's end of the socket."""

    def __init__(self, address: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(address)

    def heard(self) -> list[str]:
        """All messages that have come."""
        self.socket.setblocking(False)
        messages = []
        while True:
            try:
                messages.append(self.socket.recv(1000).decode())
            except BlockingIOError:
                return messages

    def next(self) -> str:
        """The next message, which is waited for."""
        self.socket.settimeout(60)
        return self.socket.recv(1000).decode()


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "notify")


@pytest.fixture
def manager(path: str) -> Iterator[Manager]:
    manager = Manager(path)
    yield manager
    manager.socket.close()


class TestNotifier:
    def test_ready_and_stopping(self, manager: Manager, path: str) -> None:
        notifier = ServiceNotifier({"NOTIFY_SOCKET": path})
        notifier.ready()
        notifier.stopping()
        assert manager.heard() == ["READY=1", "STOPPING=1"]

    @pytest.mark.skipif(sys.platform != "linux", reason="only Linux has abstract names")
    def test_an_abstract_name(self) -> None:
        name = f"edgefg-test-{os.getpid()}"
        manager = Manager(f"\0{name}")
        ServiceNotifier({"NOTIFY_SOCKET": f"@{name}"}).ready()
        assert manager.heard() == ["READY=1"]
        manager.socket.close()

    def test_signs_of_life_come_twice_in_the_watchdogs_time(
        self, manager: Manager, path: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        notifier = ServiceNotifier({"NOTIFY_SOCKET": path, "WATCHDOG_USEC": A_SECOND})
        for tenth in range(31):
            monkeypatch.setattr(time, "monotonic", lambda now_s=tenth / 10: now_s)
            notifier.alive()
        assert manager.heard() == ["WATCHDOG=1"] * 7

    def test_without_a_watchdog_there_are_none(self, manager: Manager, path: str) -> None:
        ServiceNotifier({"NOTIFY_SOCKET": path}).alive()
        assert manager.heard() == []

    @pytest.mark.parametrize("time_us", ["", "0", "soon", "-1"])
    def test_nor_with_a_time_that_is_none(self, manager: Manager, path: str, time_us: str) -> None:
        ServiceNotifier({"NOTIFY_SOCKET": path, "WATCHDOG_USEC": time_us}).alive()
        assert manager.heard() == []

    def test_nor_for_another_process(self, manager: Manager, path: str) -> None:
        environment = {"NOTIFY_SOCKET": path, "WATCHDOG_USEC": A_SECOND, "WATCHDOG_PID": str(os.getpid() + 1)}
        ServiceNotifier(environment).alive()
        assert manager.heard() == []

    def test_the_watchdog_of_this_process(self, manager: Manager, path: str) -> None:
        environment = {"NOTIFY_SOCKET": path, "WATCHDOG_USEC": A_SECOND, "WATCHDOG_PID": str(os.getpid())}
        ServiceNotifier(environment).alive()
        assert manager.heard() == ["WATCHDOG=1"]

    def test_a_sign_of_life_that_was_not_sent_is_made_up_for(self, path: str) -> None:
        notifier = ServiceNotifier({"NOTIFY_SOCKET": path, "WATCHDOG_USEC": AN_HOUR})
        notifier.alive()
        manager = Manager(path)
        notifier.alive()
        assert manager.heard() == ["WATCHDOG=1"]
        manager.socket.close()

    @pytest.mark.parametrize("address", ["", "/nowhere/notify", "vsock:2:1234", "/" + "long" * 100])
    def test_without_a_socket_it_does_nothing(self, address: str) -> None:
        notifier = ServiceNotifier({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": A_SECOND})
        notifier.ready()
        notifier.alive()
        notifier.stopping()

    def test_a_manager_that_does_not_listen_is_not_waited_for(self, manager: Manager, path: str) -> None:
        notifier = ServiceNotifier({"NOTIFY_SOCKET": path})
        started_s = time.monotonic()
        for _ in range(2000):
            notifier.ready()
        assert time.monotonic() - started_s < 30
        assert len(manager.heard()) < 2000


class TestCommand:
    """In a process of its own, as systemd starts it."""

    @pytest.fixture
    def started(
        self, write_video: Callable[..., Path], tiny_bundle: Bundle, tmp_path: Path, path: str, manager: Manager
    ) -> Iterator["subprocess.Popen[str]"]:
        video = write_video(tmp_path / "yard.mp4", frames=30)
        words = [sys.executable, "-m", "edgefg", "watch", "--loop", str(video), "--no-page"]
        # A camera that is down changes nothing.
        words += ["rtsp://127.0.0.1:9/down", "--bundle", str(tiny_bundle.path)]
        environment = os.environ | {"NOTIFY_SOCKET": path, "WATCHDOG_USEC": A_SECOND}
        process = subprocess.Popen(words, env=environment, stdout=subprocess.DEVNULL, text=True)
        yield process
        process.kill()
        process.wait()

    def test_is_ready_then_alive_then_stopping(self, started: "subprocess.Popen[str]", manager: Manager) -> None:
        heard = [manager.next() for _ in range(5)]
        started.send_signal(signal.SIGTERM)
        assert started.wait(60) == 0
        heard += manager.heard()
        assert heard == ["READY=1", *["WATCHDOG=1"] * (len(heard) - 2), "STOPPING=1"]

    def test_a_watch_that_cannot_start_is_never_ready(self, tmp_path: Path, path: str, manager: Manager) -> None:
        words = [sys.executable, "-m", "edgefg", "watch", str(tmp_path / "none.mp4"), "--no-page"]
        ended = subprocess.run(words, env=os.environ | {"NOTIFY_SOCKET": path}, capture_output=True, timeout=60)
        assert ended.returncode == 2
        assert manager.heard() == []
