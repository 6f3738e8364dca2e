"""Opens the bare engine that a benchmark compares ours with."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from ..bundle.bundle import Bundle, Variant
from ..bundle.requirements import PLAN_ENGINES
from ..imaging.io import Image
from .bare_loop import MAX_REQUESTS, BareEngine
from .baseline_openvino import openvino_loops


@contextmanager
def open_bare_engine(
    bundle: Bundle, variant: Variant, name: str, frames: Sequence[Image], threads: int | None
) -> Iterator[BareEngine]:
    """Loads the networks for bare loops; leaving the context frees them.

    Args:
        bundle: The networks.
        variant: Which form of them.
        name: The engine.
        frames: ``(H, W, 3) uint8 BGR`` at the networks' input size; the first is the background.
        threads: CPU threads; None leaves it to the engine.
    """
    if name == "openvino":
        yield BareEngine(openvino_loops(bundle, variant, frames, threads))
    elif name in PLAN_ENGINES:
        # Imported here: it needs a GPU.
        from .baseline_tensorrt import open_bare_gpu

        with open_bare_gpu(bundle, variant, frames, MAX_REQUESTS) as engine:
            yield engine
    else:
        yield BareEngine()
