"""`edgefg watch` as a user starts it, on a real RTSP camera that wants a password, vanishes and comes back."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytest.importorskip("uvicorn")

from edgefg.bundle.bundle import Bundle

from ..support import rtsp

pytestmark = [
    pytest.mark.rtsp,
    pytest.mark.skipif(bool(rtsp.missing()), reason=rtsp.missing() or "it is there"),
]

PASSWORD = "geheim-17"


class Command:
    """A running ``edgefg watch``, and all that it prints."""

    def __init__(self, folder: Path, *words: object) -> None:
        self._out = (folder / "out.txt").open("w")
        self.printed = folder / "out.txt"
        command = [sys.executable, "-m", "edgefg", "watch", *map(str, words)]
        self._process = subprocess.Popen(command, stdout=self._out, stderr=subprocess.STDOUT)

    def wait_for(self, text: str, times: int = 1, timeout_s: float = 60) -> str:
        until_s = time.monotonic() + timeout_s
        while len(re.findall(text, self.printed.read_text())) < times:
            assert self._process.poll() is None, self.printed.read_text()
            assert time.monotonic() < until_s, self.printed.read_text()
            time.sleep(0.1)
        return self.printed.read_text()

    def end(self) -> int:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        code = self._process.wait(30)
        self._out.close()
        return code


@pytest.fixture
def start(tmp_path: Path, tiny_bundle: Bundle) -> Iterator[Callable[..., Command]]:
    running: list[Command] = []

    def begin(*words: object) -> Command:
        running.append(Command(tmp_path, *words, "--bundle", tiny_bundle.path, "--listen", "127.0.0.1:0"))
        return running[-1]

    yield begin
    for one in running:
        with contextlib.suppress(subprocess.TimeoutExpired):
            one.end()


def test_a_camera_with_a_password_that_comes_back(start: Callable[..., Command], tmp_path: Path) -> None:
    clip = rtsp.write_clip(tmp_path / "clip.mp4")
    events, clips = tmp_path / "events.jsonl", tmp_path / "clips"
    with rtsp.RtspServer(clip, login=f"viewer:{PASSWORD}") as server:
        url = server.url.replace("rtsp://", f"rtsp://viewer:{PASSWORD}@")
        command = start(url, "--events", events, "--record", clips)
        command.wait_for("motion_started")
        page = re.findall(r"live page (\S+)", command.wait_for("live page"))[0]
        port = server.port
    command.wait_for("state=(stalled|reconnecting)")
    answers = []
    for path in ("", "page.js", "api/status", "metrics", "healthz"):
        with contextlib.suppress(urllib.error.HTTPError), urllib.request.urlopen(page + path, timeout=10) as answer:
            answers.append(answer.read().decode())
    assert '"state":"live"' not in answers[2]
    with rtsp.RtspServer(clip, port=port, login=f"viewer:{PASSWORD}"):
        command.wait_for("state=live", times=2)
    assert command.end() == 0
    files = [path.name for path in clips.iterdir()]
    everything = "\n".join([command.printed.read_text(), events.read_text(), *answers, *files])
    assert PASSWORD not in everything
    assert "viewer" not in everything.replace("viewers", "").replace("1 viewer", "").replace("Viewer", "")
    kinds = [json.loads(line)["kind"] for line in events.read_text().splitlines()]
    assert kinds.count("motion_started") == kinds.count("motion_ended")
    assert not list(clips.glob(".*part*"))


def test_a_wrong_password_is_told_without_it(start: Callable[..., Command], tmp_path: Path) -> None:
    clip = rtsp.write_clip(tmp_path / "clip.mp4", frames=25)
    with rtsp.RtspServer(clip, login="viewer:another") as server:
        url = server.url.replace("rtsp://", f"rtsp://viewer:{PASSWORD}@")
        command = start(url, "--events", tmp_path / "events.jsonl")
        command.wait_for("reason=")
        assert command.end() == 0
    assert PASSWORD not in command.printed.read_text() + (tmp_path / "events.jsonl").read_text()


def test_nothing_of_the_environment_is_told(start: Callable[..., Command], tmp_path: Path) -> None:
    """Passwords that the file takes from the environment are as secret as those in it."""
    os.environ["EDGEFG_TEST_PASSWORD"] = PASSWORD
    try:
        file = tmp_path / "watch.yaml"
        file.write_text(
            "cameras: [{url: 'rtsp://viewer:${EDGEFG_TEST_PASSWORD}@127.0.0.1:9/1', name: door}]\n"
            "mqtt: mqtt://me:${EDGEFG_TEST_PASSWORD}@127.0.0.1:9/house\n"
        )
        command = start("--config", file)
        command.wait_for("reason=")
        command.wait_for("warning: mqtt")
        assert command.end() == 0
    finally:
        del os.environ["EDGEFG_TEST_PASSWORD"]
    assert PASSWORD not in command.printed.read_text()
