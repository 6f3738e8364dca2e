"""Bare loops on a GPU: the engine's own slots, driven by one thread that hands in and waits, and does nothing else."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager

from ..bundle.bundle import Bundle, Variant
from ..engines.protocol import Comparison
from ..engines.trt.embedder import Features
from ..engines.trt.engine import TensorRtEngine
from ..engines.trt.library import import_tensorrt
from ..imaging.io import Image
from .bare_loop import BareEngine, BareLoop

MODES = {"CUDA graphs": True, "call by call": False}


@contextmanager
def open_bare_gpu(bundle: Bundle, variant: Variant, frames: Sequence[Image], most: int) -> Iterator[BareEngine]:
    """Loads the plans for bare loops, see `edgefg.bench.baseline.open_bare_engine`: with and without CUDA graphs."""
    module = import_tensorrt(variant.engines[0])
    loops = []
    with ExitStack() as stack:
        for mode, graphs in MODES.items():
            engine = TensorRtEngine(module, bundle, variant, most, graphs)
            stack.callback(engine.close)
            # Where there are no graphs, call by call is all there is.
            if engine.graphs == graphs:
                features = engine.embed(frames[0])
                for slots in range(1, most + 1):
                    loops.append(BareLoop(mode, slots, _loop(engine, frames, features, slots)))
        yield BareEngine(loops, engine.pcie_bytes)


def _loop(engine: TensorRtEngine, frames: Sequence[Image], features: Features, slots: int) -> Callable[[int], float]:
    def run(count: int) -> float:
        with engine.bare() as every:
            used = every[:slots]
            started = time.perf_counter()
            for number in range(count):
                slot = used[number % slots]
                if number >= slots:
                    slot.wait()
                slot.start([Comparison(frames[number % len(frames)], features)])
                slot.outline([0])
            for slot in used[:count]:
                slot.wait()
            return count / (time.perf_counter() - started)

    return run
