"""Progress of a TensorRT build, and its end by Ctrl-C.

TensorRT lets other threads run while it builds, but signals wait until Python runs in the main thread. An exception in
a callback is printed and dropped. So the build runs in a thread of its own: the main thread waits where a signal
reaches it, and the monitor then stops the build.
"""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from types import ModuleType
from typing import TYPE_CHECKING, TypeVar

from edgefg.utils.progress import Progress

if TYPE_CHECKING:
    import tensorrt as trt

Built = TypeVar("Built")

_POLL_S = 0.2
"""Interval, in seconds, at which the main thread stops waiting: on Windows no signal ends a wait."""


class BuildMonitor:
    """One build's progress.

    Attributes:
        failure: The exception of the callback that ended the build.
    """

    def __init__(self, report: Progress) -> None:
        self.failure: BaseException | None = None
        self._report = report
        self._steps: dict[str, int] = {}
        self._stopped = threading.Event()
        self._turn = threading.Lock()

    def stop(self) -> None:
        """Ends the build at its next step, without further reports."""
        self._stopped.set()

    def begin(self, phase: str, steps: int) -> None:
        self._steps[phase] = steps
        self.advance(phase, 0)

    def advance(self, phase: str, done: int) -> bool:
        """Reports a step; returns whether the build may go on."""
        with self._turn:
            if not self._stopped.is_set():
                try:
                    self._report(phase, done, self._steps.get(phase, done))
                except BaseException as failure:
                    self.failure = failure
                    self.stop()
        return not self._stopped.is_set()


def make_monitor(module: ModuleType, watch: BuildMonitor) -> "trt.IProgressMonitor":
    """Returns a TensorRT monitor that passes everything to `watch`. TensorRT may call it from several threads."""
    if TYPE_CHECKING:
        import tensorrt as trt
    else:
        trt = module

    class Monitor(trt.IProgressMonitor):
        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)  # Not super(): the binding needs its own constructor to be called.

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            watch.begin(phase_name, num_steps)

        def phase_finish(self, phase_name: str) -> None:
            """Ignores the end of a phase, which may come before its last step."""

        def step_complete(self, phase_name: str, step: int) -> bool:
            return watch.advance(phase_name, step + 1)

    return Monitor()


def run_watched(build: Callable[[], Built], watch: BuildMonitor) -> Built:
    """Runs a build in a thread and waits for it; an exception here, such as Ctrl-C, stops it and waits for its end.

    Raises:
        KeyboardInterrupt: Ctrl-C was pressed.
    """
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="tensorrt") as pool:
        try:
            # Inside the try, as Ctrl-C may come before submit() returns.
            building = pool.submit(build)
            while not building.done():
                wait([building], timeout=_POLL_S)
        finally:
            watch.stop()
        return building.result()
