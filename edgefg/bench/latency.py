"""Frames that come at a steady rate, as from cameras: how old is each result, and what makes it older?"""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from ..errors import PipelineTimeoutError
from ..imaging.io import Image
from ..segmentation.pipeline import Pipeline
from ..segmentation.results import PipelineResult
from ..utils.progress import Progress

ROUNDS = 3


@dataclass(frozen=True)
class Spread:
    """Times in milliseconds: half, 95% and 99% are not above these."""

    p50: float
    p95: float
    p99: float


@dataclass(frozen=True)
class TimedFrame:
    """One frame's result.

    Attributes:
        result: As the pipeline gave it.
        age_ms: From when the frame was due to its result. That it was handed in late, on a busy machine, counts.
    """

    result: PipelineResult
    age_ms: float


@dataclass(frozen=True)
class PacedPair:
    """Ages at one rate, in turns without and with a disturbance.

    Attributes:
        fps: Frames a second that were due, of all cameras together.
        plain_frames: How many came without it.
        disturbed_frames: How many came with it.
        plain: Ages without it.
        disturbed: Ages with it.
        p99_ratio: The 99th percentile with it, over that without.
    """

    fps: float
    plain_frames: int
    disturbed_frames: int
    plain: Spread
    disturbed: Spread
    p99_ratio: float


class Pacer:
    """Hands in frames of some cameras by turns, each when it is due.

    Attributes:
        cameras: Their names.
    """

    def __init__(
        self, pipeline: Pipeline, background: Image, frames: Sequence[Image], count: int, cameras: int
    ) -> None:
        """Sets the backgrounds.

        Args:
            pipeline: Its depth is above ``count``, so that handing in never waits.
            background: Of all cameras.
            frames: Are handed in again and again.
            count: How many are due in a run.
            cameras: How many.
        """
        self.cameras = [f"camera {number}" for number in range(cameras)]
        self._pipeline, self._background, self._frames, self._count = pipeline, background, frames, count
        self._refresh()

    def run(self, fps: float, frozen: str | None = None) -> list[TimedFrame]:
        """Lets frames come at a rate.

        Args:
            fps: Frames a second, of all cameras together.
            frozen: A camera of which none come; their times pass.
        """
        shots: list[TimedFrame] = []
        submitted = 0
        started = time.perf_counter()
        for number in range(self._count):
            name = self.cameras[number % len(self.cameras)]
            if name == frozen:
                continue
            due = started + number / fps
            # Taken in between, by one thread: an error ends the run.
            while (left_s := due - time.perf_counter()) > 0:
                with suppress(PipelineTimeoutError):
                    shots.append(self._take(left_s))
            late_ms = (time.perf_counter() - due) * 1e3
            self._pipeline.submit(self._frames[number % len(self._frames)], name, user_data=late_ms)
            submitted += 1
        while len(shots) < submitted:
            shots.append(self._take())
        return shots

    def run_refreshing(self, fps: float, every_s: float) -> list[TimedFrame]:
        """The same, while another thread replaces all backgrounds: at once, and then repeatedly."""
        over = threading.Event()

        def refresh() -> None:
            self._refresh()
            while not over.wait(every_s):
                self._refresh()

        with ThreadPoolExecutor(1) as pool:
            refreshing = pool.submit(refresh)
            try:
                return self.run(fps)
            finally:
                over.set()
                refreshing.result()

    def _take(self, timeout_s: float | None = None) -> TimedFrame:
        result = self._pipeline.take(timeout_s)
        return TimedFrame(result, result.latency_ms + result.user_data)

    def _refresh(self) -> None:
        for name in self.cameras:
            self._pipeline.backgrounds[name].set(self._background)


Run = Callable[[], list[TimedFrame]]


def in_pairs(plain: Run, disturbed: Run, what: str, progress: Progress) -> tuple[list[TimedFrame], list[TimedFrame]]:
    """Runs both in turns; returns what each gave."""
    shots: tuple[list[TimedFrame], list[TimedFrame]] = ([], [])
    for turn in range(2 * ROUNDS):
        progress(what, turn, 2 * ROUNDS)
        shots[turn % 2].extend((plain, disturbed)[turn % 2]())
    return shots


def compare(fps: float, plain: Sequence[TimedFrame], disturbed: Sequence[TimedFrame]) -> PacedPair:
    """Compares the ages of some frames that came without, and with, a disturbance."""
    without, having = (spread([shot.age_ms for shot in shots]) for shots in (plain, disturbed))
    return PacedPair(fps, len(plain), len(disturbed), without, having, having.p99 / without.p99)


def spread(times_ms: Sequence[float]) -> Spread:
    """The 50th, 95th and 99th percentile."""
    return Spread(*(round(float(value), 3) for value in np.percentile(times_ms, (50, 95, 99))))
