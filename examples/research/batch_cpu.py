"""Whether several frames in one call take less of the CPU than one after the other: OpenVINO, INT8, one thread.

Run: python examples/research/batch_cpu.py

Times are CPU time, in turns, so that other work on the machine meets all batches alike.
"""

import argparse
import statistics
import time
from pathlib import Path

import numpy as np
import openvino as ov

from edgefg.bundle.bundle import open_bundle

BATCHES = (1, 2, 4, 8)
WARM_UP = 5


def loaded(file: Path, batch: int) -> tuple[ov.InferRequest, dict[str, np.ndarray]]:
    core, rng = ov.Core(), np.random.default_rng(0)
    model = core.read_model(file)
    model.reshape({port.any_name: [batch, *list(port.partial_shape)[1:]] for port in model.inputs})
    config = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": "1"}
    request = core.compile_model(model, "CPU", config).create_infer_request()
    inputs = {}
    for port in request.model_inputs:
        noise = rng.integers(0, 256, list(port.shape), np.uint8)
        inputs[port.any_name] = noise if port.element_type == ov.Type.u8 else noise.astype(np.float32) / 64
    return request, inputs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bundle", help="a bundle's folder; the networks that come with edgefg if left out")
    parser.add_argument("--rounds", type=int, default=30)
    given = parser.parse_args()

    variant = open_bundle(given.bundle).variants_for("openvino")[0]
    files = {"stage1": variant.stage1, "stage2": variant.stage2}
    requests = {(stage, batch): loaded(file, batch) for stage, file in files.items() for batch in BATCHES}
    times: dict[tuple[str, int], list[float]] = {key: [] for key in requests}
    for _ in range(given.rounds + WARM_UP):
        for key, (request, inputs) in requests.items():
            started = time.thread_time()
            request.infer(inputs, share_inputs=True, share_outputs=True)
            times[key].append((time.thread_time() - started) / key[1])
    for stage in files:
        one = statistics.median(times[stage, 1][WARM_UP:])
        ratios = (f"{batch}: {statistics.median(times[stage, batch][WARM_UP:]) / one:.2f}" for batch in BATCHES)
        print(f"{stage} in {variant.precision}, {one * 1e3:.1f} ms a frame; by batch, of that: {', '.join(ratios)}")


if __name__ == "__main__":
    main()
