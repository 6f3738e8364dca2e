"""Bare loops of OpenVINO: its own requests, each served by a thread that does nothing else."""

import itertools
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from ..bundle.bundle import Bundle, Variant
from ..engines.io_spec import blank_features, handed_on
from ..engines.quiet_import import out_of_reach
from ..imaging.io import Image
from .bare_loop import MAX_REQUESTS, BareLoop

MODES = {
    "latency": {"PERFORMANCE_HINT": "LATENCY"},
    "throughput": {"PERFORMANCE_HINT": "THROUGHPUT"},
    # As the pipeline has it: two networks whose threads are pinned to the same cores can wait while another is idle.
    "unpinned": {"PERFORMANCE_HINT": "THROUGHPUT", "ENABLE_CPU_PINNING": "NO"},
}


def openvino_loops(
    bundle: Bundle, variant: Variant, frames: Sequence[Image], threads: int | None
) -> Sequence[BareLoop]:
    """Loads the networks in each of OpenVINO's modes, for one to four requests at once."""
    # Imported here: a machine without OpenVINO benchmarks other engines.
    with out_of_reach("openvino_telemetry"):
        import openvino as ov  # type: ignore[import-untyped]

    core = ov.Core()
    handed = list(handed_on(bundle))
    loops = []
    for mode, settings in MODES.items():
        config = {**settings, "INFERENCE_PRECISION_HINT": "f32"}
        if threads is not None:
            config["INFERENCE_NUM_THREADS"] = str(threads)
        stages = []
        for file in (variant.stage1, variant.stage2):
            model = core.read_model(file)
            model.reshape({port.any_name: [1, *list(port.partial_shape)[1:]] for port in model.inputs})
            stages.append(core.compile_model(model, "CPU", config))
        blank = blank_features(bundle)
        embedding = stages[0].create_infer_request().infer({"frame": frames[0][None], "background_features": blank})
        features = embedding["features"].copy()
        for requests in range(1, MAX_REQUESTS + 1):
            loops.append(BareLoop(mode, requests, _loop(stages, frames, features, handed, requests)))
    return loops


def _loop(
    stages: Sequence[Any], frames: Sequence[Image], features: Any, handed: Sequence[str], requests: int
) -> Callable[[int], float]:
    """Each of its threads has a request for each stage, and takes the next frame."""
    pairs = [tuple(stage.create_infer_request() for stage in stages) for _ in range(requests)]

    def run(count: int) -> float:
        numbers = itertools.count()

        def serve(first: Any, second: Any) -> None:
            while (number := next(numbers)) < count:
                frame = frames[number % len(frames)][None]
                inputs = {"frame": frame, "background_features": features}
                found = first.infer(inputs, share_inputs=True, share_outputs=True)
                second.infer(
                    {"frame": frame, **{name: found[name] for name in handed}}, share_inputs=True, share_outputs=True
                )

        workers = [threading.Thread(target=serve, args=pair) for pair in pairs]
        started = time.perf_counter()
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        return count / (time.perf_counter() - started)

    return run
