"""The yardstick of a benchmark: an engine's bare loop over frames in memory, as fast as this machine allows."""

import itertools
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..bundle.bundle import Bundle, Variant
from ..bundle.requirements import PLAN_ENGINES
from ..engines.quiet_import import out_of_reach
from ..imaging.io import Image

OPENVINO_MODES = {
    "latency": {"PERFORMANCE_HINT": "LATENCY"},
    "throughput": {"PERFORMANCE_HINT": "THROUGHPUT"},
    # As the pipeline has it: two networks whose threads are pinned to the same cores can wait beside an idle one.
    "unpinned": {"PERFORMANCE_HINT": "THROUGHPUT", "ENABLE_CPU_PINNING": "NO"},
}
MOST_REQUESTS = 4
_WARM_UP = 20


@dataclass(frozen=True)
class RawLoop:
    """A loop over both stages, with some frames in work at once.

    Attributes:
        mode: Of OPENVINO_MODES; on a GPU, whether a stage is a CUDA graph.
        requests: Frames in work at once.
        run: Runs that many frames, in rotation; returns frames a second.
    """

    mode: str
    requests: int
    run: Callable[[int], float]


@dataclass(frozen=True)
class RawEngine:
    """An engine without us.

    Attributes:
        loops: In every mode, one to four frames at once; none for an engine of which we know no better way than ours.
        pcie_bytes: What a frame moves over the bus ``to_gpu`` and ``from_gpu``; None without a GPU.
    """

    loops: Sequence[RawLoop] = ()
    pcie_bytes: Mapping[str, int] | None = None


@contextmanager
def open_raw_engine(
    bundle: Bundle, variant: Variant, name: str, frames: Sequence[Image], threads: int | None
) -> Iterator[RawEngine]:
    """Loads the networks for bare loops; leaving the context frees them.

    Args:
        bundle: The networks.
        variant: Which form of them.
        name: The engine.
        frames: ``(H, W, 3) uint8 BGR`` at the networks' input size; the first is the background.
        threads: CPU threads; None leaves it to the engine.
    """
    if name == "openvino":
        yield RawEngine(_openvino_loops(bundle, variant, frames, threads))
    elif name in PLAN_ENGINES:
        # Imported here: it needs a GPU.
        from .baseline_tensorrt import open_raw_gpu

        with open_raw_gpu(bundle, variant, frames, MOST_REQUESTS) as engine:
            yield engine
    else:
        yield RawEngine()


def fastest(loops: Sequence[RawLoop], count: int) -> list[RawLoop]:
    """The fastest loop of each mode."""
    for loop in loops:
        loop.run(min(count, _WARM_UP))
    # The best of two, each: one bad moment must not decide.
    rates = {id(loop): max(loop.run(max(1, count // 2)) for _ in range(2)) for loop in loops}
    modes = dict.fromkeys(loop.mode for loop in loops)
    return [max((loop for loop in loops if loop.mode == mode), key=lambda loop: rates[id(loop)]) for mode in modes]


def _openvino_loops(
    bundle: Bundle, variant: Variant, frames: Sequence[Image], threads: int | None
) -> Sequence[RawLoop]:
    # Imported here: a machine without OpenVINO benchmarks other engines.
    with out_of_reach("openvino_telemetry"):
        import openvino as ov  # type: ignore[import-untyped]

    core = ov.Core()
    loops = []
    for mode, settings in OPENVINO_MODES.items():
        config = {**settings, "INFERENCE_PRECISION_HINT": "f32"}
        if threads is not None:
            config["INFERENCE_NUM_THREADS"] = str(threads)
        stages = []
        for file in (variant.stage1, variant.stage2):
            model = core.read_model(file)
            model.reshape({port.any_name: [1, *list(port.partial_shape)[1:]] for port in model.inputs})
            stages.append(core.compile_model(model, "CPU", config))
        width, height = bundle.input_size
        none = np.zeros((1, bundle.feature_channels, height // 4, width // 4), np.float32)
        embedding = stages[0].create_infer_request().infer({"frame": frames[0][None], "background_features": none})
        features = embedding["features"].copy()
        for requests in range(1, MOST_REQUESTS + 1):
            loops.append(RawLoop(mode, requests, _openvino_loop(stages, frames, features, requests)))
    return loops


def _openvino_loop(
    stages: Sequence[Any], frames: Sequence[Image], features: Any, requests: int
) -> Callable[[int], float]:
    """Each of its threads has a request for each stage, and takes the next frame."""
    pairs = [tuple(stage.create_infer_request() for stage in stages) for _ in range(requests)]

    def run(count: int) -> float:
        numbers = itertools.count()

        def serve(first: Any, second: Any) -> None:
            while (number := next(numbers)) < count:
                frame = frames[number % len(frames)][None]
                inputs = {"frame": frame, "background_features": features}
                distance = first.infer(inputs, share_inputs=True, share_outputs=True)["distance"]
                second.infer({"frame": frame, "distance": distance}, share_inputs=True, share_outputs=True)

        workers = [threading.Thread(target=serve, args=pair) for pair in pairs]
        started = time.perf_counter()
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        return count / (time.perf_counter() - started)

    return run
