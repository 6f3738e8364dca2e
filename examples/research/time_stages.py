"""How long each stage takes on this CPU, and what segment() costs beside bare OpenVINO calls, in turns.

Run: python examples/research/time_stages.py --frames 20
"""

import argparse
import statistics
import time

import numpy as np
import openvino as ov

import edgefg
from edgefg.imaging.convert import fit
from edgefg.media.reader import open_video
from edgefg.utils.resources import CLIP


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--bundle", help="a bundle's folder; the networks that come with edgefg if left out")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--frames", type=int, default=300)
    arguments = parser.parse_args()

    bundle = edgefg.open_bundle(arguments.bundle)
    frames = [fit(frame, bundle.input_size) for frame in open_video(CLIP).sample(64, max(bundle.input_size))]
    config = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": str(arguments.threads)}
    networks = bundle.variants_for("openvino")[0]
    models = [ov.Core().read_model(stage) for stage in (networks.stage1, networks.stage2)]
    for model in models:
        model.reshape({port.any_name: [1, *list(port.partial_shape)[1:]] for port in model.inputs})
    requests = [ov.Core().compile_model(model, "CPU", config).create_infer_request() for model in models]
    names = [port.any_name for port in models[0].outputs if port.any_name != "features"]
    columns, rows = (side // 4 for side in bundle.input_size)
    none = np.zeros((1, bundle.feature_channels, rows, columns), np.float32)
    features = requests[0].infer({"frame": frames[0][None], "background_features": none})["features"].copy()

    times: dict[str, list[float]] = {"stage 1": [], "stage 2": [], "raw": [], "segment()": []}
    ours: dict[str, object] = {"threads": arguments.threads, "policy": "fixed", "mode": "full", "skip_below": None}
    with edgefg.Segmenter(bundle, background=frames[0], engine="openvino", **ours) as segmenter:
        for index in range(arguments.frames + 5):
            frame = frames[index % len(frames)]
            started = time.perf_counter()
            inputs = {"frame": frame[None], "background_features": features}
            found = requests[0].infer(inputs, share_inputs=True, share_outputs=True)
            compared = time.perf_counter()
            handed_on = {name: found[name] for name in names}
            requests[1].infer({"frame": frame[None], **handed_on}, share_inputs=True, share_outputs=True)
            raw = time.perf_counter()
            segmenter.segment(frame)
            measured = (compared - started, raw - compared, raw - started, time.perf_counter() - raw)
            if index >= 5:  # The first runs warm caches.
                for name, seconds in zip(times, measured, strict=True):
                    times[name].append(seconds * 1e3)
    medians = {name: statistics.median(values) for name, values in times.items()}
    print(*(f"{name:<10} {median:6.2f} ms" for name, median in medians.items()), sep="\n")
    print(f"overhead   {100 * (medians['segment()'] / medians['raw'] - 1):6.1f} %")


if __name__ == "__main__":
    main()
