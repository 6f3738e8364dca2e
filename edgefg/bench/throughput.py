"""Loops of a benchmark that run as fast as they can, in turns."""

import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice, repeat

from ..errors import MissingDependencyError
from ..evaluate.baselines import PEERS
from ..imaging.io import Image
from ..media.source import Source
from ..segmentation.pipeline import Pipeline
from ..segmentation.segmenter import Segmenter
from ..utils.progress import Progress

Loop = Callable[[int], float]
"""Runs that many frames; returns frames a second."""

ROUNDS = 5
WARM_UP = 20
_FEWEST = 3
_PEERS = ("mog2", "knn", "cnt", "subsense")


@dataclass(frozen=True)
class Pace:
    """How fast a loop ran, by the medians of its turns.

    Attributes:
        fps: Frames a second.
        cpu_ms: CPU time a frame, of all threads: on a busy machine the steadier of the two.
    """

    fps: float
    cpu_ms: float


def in_turns(loops: Mapping[str, Loop], count: int, progress: Progress) -> dict[str, Pace]:
    """Runs loops by turns, so that whatever slows the machine down slows all of them.

    Args:
        loops: By name; the first one runs ``count`` frames a turn, the others for about as long as it takes it.
        count: More than 0.
        progress: Told after each turn.
    """
    # Warms caches, too.
    warm = {name: loop(min(count, WARM_UP)) for name, loop in loops.items()}
    turn_s = count / next(iter(warm.values()))
    counts = {name: max(_FEWEST, round(rate * turn_s)) for name, rate in warm.items()}
    paces: dict[str, list[tuple[float, float]]] = {name: [] for name in loops}
    for turn in range(ROUNDS):
        for number, (name, loop) in enumerate(loops.items()):
            progress("loops in turns", turn * len(loops) + number, ROUNDS * len(loops))
            started_s = time.process_time()
            fps = loop(counts[name])
            paces[name].append((fps, (time.process_time() - started_s) * 1e3 / counts[name]))
    return {name: Pace(*map(statistics.median, zip(*found, strict=True))) for name, found in paces.items()}


def timed(frames: Sequence[Image], work: Callable[[Image], object]) -> Loop:
    """The loop of a function that takes one frame after the other."""

    def run(count: int) -> float:
        started = time.perf_counter()
        for frame in _rotation(frames, count):
            work(frame)
        return count / (time.perf_counter() - started)

    return run


def sequential_loop(segmenter: Segmenter, frames: Sequence[Image]) -> Loop:
    return timed(frames, segmenter.segment)


def pipeline_loop(pipeline: Pipeline, frames: Sequence[Image]) -> Loop:
    def run(count: int) -> float:
        started = time.perf_counter()
        for _ in pipeline.map(_rotation(frames, count)):
            pass
        return count / (time.perf_counter() - started)

    return run


class FrameCycle:
    """A source's frames, again and again.

    Attributes:
        decode_ms: How long each frame took to decode.
    """

    def __init__(self, source: Source) -> None:
        self.decode_ms: list[float] = []
        self._frames = chain.from_iterable(repeat(source))

    def loop(self, pipeline: Pipeline) -> Loop:
        """From the file to masks in its size."""

        def run(count: int) -> float:
            started = time.perf_counter()
            for _ in pipeline.map(self._decode(count)):
                pass
            return count / (time.perf_counter() - started)

        return run

    def _decode(self, count: int) -> Iterator[Image]:
        for _ in range(count):
            started = time.perf_counter()
            frame = next(self._frames)
            self.decode_ms.append((time.perf_counter() - started) * 1e3)
            yield frame


@contextmanager
def peer_loops(frames: Sequence[Image]) -> Iterator[dict[str, Loop]]:
    """Classical methods that are installed; each goes on learning from turn to turn."""
    loops = {}
    with ExitStack() as stack:
        for name in _PEERS:
            with suppress(MissingDependencyError):
                subtract = stack.enter_context(PEERS[name]())
                loops[name] = timed(frames, partial(subtract, learn=True))
        yield loops


def cached_to_uncached(segmenter: Segmenter, frames: Sequence[Image]) -> float:
    """Time of stage 1 with the background's features at hand, over that of embedding both frames."""
    engine = segmenter.engine
    cached, both = [], []
    for frame in _rotation(frames, 3 * len(frames) // 2 + 1):
        started = time.perf_counter()
        features = engine.embed(frames[0])
        embedded = time.perf_counter()
        engine.run(frame, features, early_exit=lambda distance: True)
        ended = time.perf_counter()
        cached.append(ended - embedded)
        both.append(ended - started)
    return statistics.median(cached) / statistics.median(both)


def _rotation(frames: Sequence[Image], count: int) -> Iterator[Image]:
    return islice(chain.from_iterable(repeat(frames)), count)
