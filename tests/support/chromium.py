"""A headless Chromium, driven over its DevTools protocol without any package."""

import base64
import contextlib
import itertools
import json
import shutil
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

PROGRAM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


class Tab:
    """One page in the browser.

    Attributes:
        errors: What the page complained of: exceptions, console errors, what its policy refused to load.
    """

    def __init__(self, socket: ClientConnection) -> None:
        self.errors: list[str] = []
        self._socket = socket
        self._numbers = itertools.count(1)
        for domain in ("Runtime", "Page", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, timeout_s: float = 30, **parameters: Any) -> dict[str, Any]:
        """Calls a method of the protocol."""
        number = next(self._numbers)
        self._socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        until_s = time.monotonic() + timeout_s
        while True:
            message = json.loads(self._socket.recv(timeout=max(0.1, until_s - time.monotonic())))
            if message.get("id") == number:
                assert "error" not in message, message
                result: dict[str, Any] = message["result"]
                return result
            self._note(message)

    def open(self, url: str) -> None:
        """Goes to an address."""
        self.call("Page.navigate", url=url)

    def evaluate(self, expression: str, timeout_s: float = 30) -> Any:
        """The value of an expression, or what its promise gives."""
        answer = self.call("Runtime.evaluate", timeout_s, expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def wait_for(self, expression: str, timeout_s: float = 30) -> None:
        """Waits until an expression is true."""
        until_s = time.monotonic() + timeout_s
        while not self.evaluate(f"Boolean({expression})"):
            assert time.monotonic() < until_s, f"not within {timeout_s} s: {expression}; errors: {self.errors}"
            time.sleep(0.1)

    def screenshot(self, path: Path, width: int = 1280, height: int = 800) -> None:
        """Writes a PNG."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        time.sleep(1.0)
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))

    def _note(self, message: dict[str, Any]) -> None:
        parameters = message.get("params", {})
        if message.get("method") == "Runtime.exceptionThrown":
            self.errors.append(str(parameters["exceptionDetails"]))
        elif message.get("method") == "Log.entryAdded" and parameters["entry"]["level"] == "error":
            self.errors.append(str(parameters["entry"]))


@contextlib.contextmanager
def browser() -> Iterator[Tab]:
    """A browser with one empty page; everything of it is gone at the end."""
    assert PROGRAM is not None
    # Chromium still writes while it ends, which must not fail the removal.
    with tempfile.TemporaryDirectory(prefix="edgefg-chromium-", ignore_cleanup_errors=True) as profile:
        words = [PROGRAM, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        words += ["--no-first-run", "--disable-background-networking", "--disable-component-update"]
        words += ["--remote-debugging-port=0", "--window-size=1280,800", f"--user-data-dir={profile}", "about:blank"]
        process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            port = _port(Path(profile) / "DevToolsActivePort", process)
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/json/list", timeout=10) as answer:
                page = next(target for target in json.load(answer) if target["type"] == "page")
            with connect(page["webSocketDebuggerUrl"], max_size=None, compression=None) as socket:
                yield Tab(socket)
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(10)


def _port(file: Path, process: "subprocess.Popen[bytes]") -> int:
    until_s = time.monotonic() + 60
    while time.monotonic() < until_s:
        assert process.poll() is None, f"the browser ended with {process.returncode}"
        with contextlib.suppress(OSError, ValueError):
            return int(file.read_text().split()[0])
        time.sleep(0.1)
    raise AssertionError("the browser did not say where it listens")
