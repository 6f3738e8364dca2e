"""What ``edgefg watch`` does around a `Watch`: signals, a line for each event, the exit code."""

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime

from ..errors import CameraError
from .events import Event
from .options import WatchOptions
from .service import Watch

_CTRL_C = 130
_LOOK_S = 2.0


def watch(options: WatchOptions, for_s: float | None = None) -> int:
    """Watches until SIGTERM, Ctrl-C or the end of all cameras.

    Args:
        options: What to watch.
        for_s: Or until this many seconds have passed.

    Returns:
        The exit code: 130 after Ctrl-C, else 0.

    Raises:
        EdgefgError: It cannot begin, the networks fail on every frame, or no camera ever gave one.
    """
    with _signals() as caught, Watch(options) as watching:
        caught.call(watching.stop)
        status = watching.status()
        print(f"watching {', '.join(watching.cameras)} with {status['networks']}", flush=True)
        if watching.url is not None:
            print(f"live page {watching.url}", flush=True)
        stopping = threading.Timer(for_s, watching.stop) if for_s is not None else None
        if stopping is not None:
            stopping.daemon = True
            stopping.start()
        threading.Thread(target=_tell_problems, args=(watching,), daemon=True).start()
        for event in watching:
            print(event_line(event), flush=True)
        in_time = stopping is None or not stopping.finished.is_set()
        if stopping is not None:
            stopping.cancel()
        for camera in watching.cameras.values():
            drops = camera.status.drops
            print(
                f"{camera.name}: {camera.status.frames} frames; dropped {drops.camera} unread, "
                f"{drops.pipeline} before work, {drops.stale} too old"
            )
        if caught.first is None and in_time and not any(one.status.frames for one in watching.cameras.values()):
            raise CameraError("no camera gave a frame that could be used; the lines above say why")
    return _CTRL_C if caught.first == signal.SIGINT else 0


def event_line(event: Event) -> str:
    """An event for people, in their own time."""
    details = dict(event.details)
    words = [f"{datetime.fromtimestamp(event.at_s):%H:%M:%S}", event.camera, event.kind]
    if "zone" in details:
        words += [f"zone={details['zone']}", f"area={details['area']:.2%}"]
    if "duration_s" in details:
        words.append(f"after={details['duration_s']:.1f}s")
    words += [f"{key}={details[key]}" for key in ("state", "scene", "clip", "reason") if details.get(key)]
    return "  ".join(words)


def _tell_problems(watching: Watch) -> None:
    """Says on stderr when an output, or the networks, have a problem, and when it is over; each once."""
    told: dict[str, str] = {}
    while not watching.wait_for_end(_LOOK_S):
        problems = {name: text for name, _, text in watching.output_health()} | {"networks": watching.problem}
        for name, text in problems.items():
            if text != told.get(name, ""):
                print(f"warning: {name}: {text or 'well again'}", file=sys.stderr, flush=True)
        told = problems


class _Caught:
    """The first SIGTERM or Ctrl-C, and what it stops. There is none while cameras are still being opened."""

    def __init__(self) -> None:
        self.first: int | None = None
        self._stop: Callable[[], None] | None = None

    def call(self, stop: Callable[[], None]) -> None:
        """Has a signal call this; at once, if it has come already."""
        self._stop = stop
        if self.first is not None:
            stop()

    def note(self, number: int, _: object) -> None:
        """The handler. Files are completed; only a second Ctrl-C interrupts that."""
        if self.first is None:
            self.first = number
            signal.signal(signal.SIGINT, signal.default_int_handler)
            if self._stop is not None:
                self._stop()


@contextmanager
def _signals() -> Iterator[_Caught]:
    caught = _Caught()
    before = {number: signal.signal(number, caught.note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield caught
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
