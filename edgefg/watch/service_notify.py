"""Messages to systemd, which started the watch as a service: it is ready, alive, stopping. See sd_notify(3)."""

import os
import socket
import time
from collections.abc import Mapping
from contextlib import suppress


class ServiceNotifier:
    """Sends messages to the service manager, or none if there is no service manager. Nothing here raises or waits."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        """Reads the socket and the watchdog's time from the environment, as sd_notify(3) and sd_watchdog_enabled(3) do.

        Args:
            environment: ``NOTIFY_SOCKET`` is the socket, a path or an abstract name with ``@``. ``WATCHDOG_USEC`` is
                the longest time between two signs of life, which ``WATCHDOG_PID`` restricts to one process.
        """
        self._address = _address(environment.get("NOTIFY_SOCKET", ""))
        self._alive_every_s = _watchdog_s(environment) / 2
        self._alive_s = float("-inf")

    def ready(self) -> None:
        """Reports that the service has started."""
        self._send("READY=1")

    def alive(self) -> None:
        """Reports a sign of life, if the watchdog is on. Call it as often as you like: few are sent."""
        now_s = time.monotonic()
        # A message that was not sent is made up for by the next call.
        if self._alive_every_s and now_s - self._alive_s >= self._alive_every_s and self._send("WATCHDOG=1"):
            self._alive_s = now_s

    def stopping(self) -> None:
        """Reports that the service has begun to end."""
        self._send("STOPPING=1")

    def _send(self, message: str) -> bool:
        if not self._address:
            return False
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.setblocking(False)
            sender.sendto(message.encode(), self._address)
            return True
        return False


def _address(name: str) -> bytes:
    """Returns the socket's address; empty if there is none, or one of another kind."""
    if name.startswith("@"):
        return b"\0" + os.fsencode(name[1:])
    return os.fsencode(name) if name.startswith("/") else b""


def _watchdog_s(environment: Mapping[str, str]) -> float:
    """Returns the watchdog's time; 0 if there is none, or if it watches another process."""
    if environment.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return 0.0
    microseconds = environment.get("WATCHDOG_USEC", "")
    return int(microseconds) / 1e6 if microseconds.isdecimal() else 0.0
