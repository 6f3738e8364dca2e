"""The program around a `Watch`: signals, a line for each event, the exit code."""

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
from .service_notify import ServiceNotifier

_CTRL_C = 130
_CHECK_EVERY_S = 2.0


def watch(options: WatchOptions, for_s: float | None = None) -> int:
    """Watches until SIGTERM, Ctrl-C or the end of all cameras.

    Args:
        options: Cameras and outputs.
        for_s: Ends after this many seconds; None has no limit.

    Returns:
        The exit code: 130 after Ctrl-C, else 0.

    Raises:
        EdgefgError: The watch cannot start, the networks fail on every frame, or no camera delivered one.
    """
    with _signals() as caught, Watch(options) as watching, _reported(watching):
        caught.call(watching.stop)
        state = watching.state
        print(f"watching {', '.join(state.cameras)} with {state.networks}", flush=True)
        if watching.url is not None:
            print(f"live page {watching.url}", flush=True)
        stopping = threading.Timer(for_s, watching.stop) if for_s is not None else None
        if stopping is not None:
            stopping.daemon = True
            stopping.start()
        threading.Thread(target=_print_problems, args=(watching,), daemon=True).start()
        for event in watching:
            print(event_line(event), flush=True)
        in_time = stopping is None or not stopping.finished.is_set()
        if stopping is not None:
            stopping.cancel()
        for camera in state.cameras.values():
            drops = camera.status.drops
            print(
                f"{camera.name}: {camera.status.frames} frames; dropped {drops.camera} unread, "
                f"{drops.pipeline} unprocessed, {drops.stale} too old"
            )
        if caught.first is None and in_time and not any(camera.status.frames for camera in state.cameras.values()):
            raise CameraError("no camera delivered a usable frame; the lines above say why")
    return _CTRL_C if caught.first == signal.SIGINT else 0


def event_line(event: Event) -> str:
    """Returns an event as a line of text, in local time."""
    details = dict(event.details)
    words = [f"{datetime.fromtimestamp(event.at_s):%H:%M:%S}", event.camera, event.kind]
    if "zone" in details:
        words += [f"zone={details['zone']}", f"area={details['area']:.2%}"]
    if "duration_s" in details:
        words.append(f"after={details['duration_s']:.1f}s")
    words += [f"{key}={details[key]}" for key in ("state", "scene", "action", "clip", "reason") if details.get(key)]
    return "  ".join(words)


def _print_problems(watching: Watch) -> None:
    """Prints a line on stderr when an output or the networks get a problem, and when it is over."""
    printed: dict[str, str] = {}
    while not watching.wait_for_end(_CHECK_EVERY_S):
        problems = {output.name: output.problem for output in watching.state.output_health()}
        problems["networks"] = watching.state.problem
        for name, problem in problems.items():
            if problem != printed.get(name, ""):
                print(f"warning: {name}: {problem or 'well again'}", file=sys.stderr, flush=True)
        printed = problems


@contextmanager
def _reported(watching: Watch) -> Iterator[None]:
    """Reports to systemd, if that started the watch, that it runs, gets on and ends."""
    manager = ServiceNotifier()
    manager.ready()
    watching.on_progress = manager.alive
    try:
        yield
    finally:
        manager.stopping()


class _Caught:
    """The first SIGTERM or Ctrl-C, and the function that it calls, which is set once the cameras are open."""

    def __init__(self) -> None:
        self.first: int | None = None
        self._stop: Callable[[], None] | None = None

    def call(self, stop: Callable[[], None]) -> None:
        """Calls a function at the first signal; at once, if that has come already."""
        self._stop = stop
        if self.first is not None:
            stop()

    def note(self, number: int, _: object) -> None:
        """Handles a signal. Files are completed; only a second Ctrl-C interrupts that."""
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
