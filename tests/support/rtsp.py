"""Real RTSP cameras for tests: clips whose frames carry their number, and servers that play them."""

import json
import queue
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt

PYTHON = "/usr/bin/python3"  # Debian's, which has GStreamer
SERVER = Path(__file__).with_name("rtsp_server.py")
FPS = 25.0
_BITS, _BLOCK_PX = 10, 16
_NEEDED = "gi.require_version('GstRtspServer', '1.0'); from gi.repository import Gst, GstRtspServer; Gst.init(None)"
_ELEMENTS = ("appsrc", "qtdemux", "h264parse", "rtph264pay")


def missing() -> str:
    """What keeps a server from running here; empty if nothing does."""
    if shutil.which(PYTHON) is None:
        return f"needs {PYTHON} with GStreamer"
    check = f"import gi; {_NEEDED}; print(*(e for e in {_ELEMENTS} if Gst.ElementFactory.find(e) is None))"
    ended = subprocess.run([PYTHON, "-c", check], capture_output=True, text=True, timeout=60)
    if ended.returncode or ended.stdout.strip():
        return "needs Debian's GStreamer with its RTSP server: the packages of SYSTEM_PACKAGES in .ci/run"
    return ""


def numbered(number: int, width: int = 320, height: int = 240) -> npt.NDArray[np.uint8]:
    """A picture with a box that moves, and its number in bright and dark blocks at the top."""
    image = np.empty((height, width, 3), np.uint8)
    image[:] = np.linspace(20, 120, width).astype(np.uint8)[:, None]
    left = number * 4 % (width - 40)
    image[height // 2 : height // 2 + 40, left : left + 40] = 220
    for bit in range(_BITS):
        image[:_BLOCK_PX, bit * _BLOCK_PX : (bit + 1) * _BLOCK_PX] = 230 if number >> bit & 1 else 20
    return image


def number_in(image: npt.NDArray[np.uint8]) -> int:
    """Reads the number that `numbered` wrote."""
    middles = image[_BLOCK_PX // 2, _BLOCK_PX // 2 : _BITS * _BLOCK_PX : _BLOCK_PX, 1]
    return sum(1 << bit for bit, level in enumerate(middles) if level > 125)


def looks_wrong(image: npt.NDArray[np.uint8]) -> bool:
    """Whether a picture is not what `numbered` made, beyond what compression does: in no block of 16 by 16 pixels."""
    height, width = image.shape[0] // _BLOCK_PX, image.shape[1] // _BLOCK_PX
    made = numbered(number_in(image), image.shape[1], image.shape[0])
    inside = np.s_[: height * _BLOCK_PX, : width * _BLOCK_PX, 1]
    difference = np.abs(image[inside].astype(np.int16) - made[inside])
    blocks = difference.reshape(height, _BLOCK_PX, width, _BLOCK_PX).mean((1, 3))
    return bool(blocks.max() > 25)


def write_clip(
    path: Path, frames: int = 250, size: tuple[int, int] = (320, 240), codec: str = "h264", **options: str
) -> Path:
    """Writes numbered frames as a camera would encode them: a key frame a second, and none that looks ahead."""
    import av

    with av.open(path, "w") as file:
        stream = file.add_stream({"h264": "libx264", "h265": "libx265"}[codec], rate=int(FPS))
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        stream.options = {"preset": "ultrafast", "tune": "zerolatency", "g": str(int(FPS)), "crf": "25"} | options
        for number in range(frames):
            file.mux(stream.encode(av.VideoFrame.from_ndarray(numbered(number, *size), format="bgr24")))
        file.mux(stream.encode())
    return path


class RtspServer:
    """A camera at `url`, in a process of its own that ends with this one."""

    def __init__(
        self,
        clip: Path,
        port: int = 0,
        codec: str = "h264",
        delay_s: float = 0.0,
        login: str = "",
        fps: float = FPS,
        more: tuple[str, ...] = (),
    ) -> None:
        words = [PYTHON, str(SERVER), str(clip), f"--port={port}", f"--codec={codec}"]
        words += [f"--delay={delay_s}", f"--login={login}", f"--fps={fps}", *more]
        self.process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._facts: queue.Queue[dict[str, Any]] = queue.Queue()
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()
        self.first_frame_s, self.frames = 0.0, 0
        self.port: int = self._wait_for("port")

    @property
    def url(self) -> str:
        return f"rtsp://127.0.0.1:{self.port}/camera"

    def tell(self, command: str) -> None:
        """Gives a command, see `rtsp_server`, and waits until it is obeyed."""
        assert self.process.stdin is not None
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        self._wait_for("done")

    def sent_s(self, number: int) -> float:
        """When the frame of this number was last sent, by ``time.monotonic()``: the first one of all was number 0."""
        period_s = self.frames / FPS
        rounds = (time.monotonic() - self.first_frame_s - number / FPS) // period_s
        return self.first_frame_s + rounds * period_s + number / FPS

    def close(self) -> None:
        """Ends the process, however it is. Closing twice is fine."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(10)
        self._listener.join(10)
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            pipe.close()

    def __enter__(self) -> "RtspServer":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            facts = json.loads(line)
            if "first_frame_s" in facts:
                self.first_frame_s, self.frames = facts["first_frame_s"], facts["frames"]
            else:
                self._facts.put(facts)

    def _wait_for(self, fact: str) -> Any:
        deadline_s = time.monotonic() + 30
        while time.monotonic() < deadline_s:
            try:
                facts = self._facts.get(timeout=0.5)
            except queue.Empty:
                assert self.process.poll() is None, f"the RTSP server ended with {self.process.returncode}"
                continue
            if fact in facts:
                return facts[fact]
        raise TimeoutError(f"the RTSP server did not say its {fact} within 30 s")


@contextmanager
def silent_port() -> Iterator[int]:
    """A port that takes connections and never answers: a camera that hangs."""
    import socket

    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        yield listener.getsockname()[1]
