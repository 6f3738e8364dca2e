"""How many frames a second 1 to 16 cameras get that submit as fast as they can, on several bundles in turns.

Run: python examples/research/many_cameras.py one eight

Here `edgefg compile --out one` and `edgefg compile --max-batch 8 --out eight` made the bundles, on the device itself.
"""

import argparse
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import numpy as np

import edgefg
from edgefg.media.reader import open_video
from edgefg.utils.resources import CLIP

CAMERAS = (1, 2, 4, 8, 16)
ROUNDS = 3


def run(pipeline: edgefg.Pipeline, frames: list[np.ndarray], cameras: int, count: int) -> tuple[float, float]:
    """Returns frames a second, and the median time from submission to result in milliseconds."""

    def feed() -> None:
        for number in range(count):
            pipeline.submit(frames[number % len(frames)], f"camera {number % cameras}")

    with ThreadPoolExecutor(1) as feeder:
        started = time.perf_counter()
        feeding = feeder.submit(feed)
        ages_ms = [pipeline.take(60).latency_ms for _ in range(count)]
        feeding.result()
    return count / (time.perf_counter() - started), statistics.median(ages_ms)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundles", nargs="+", metavar="BUNDLE")
    parser.add_argument("--frames", type=int, default=1000, help="frames a turn")
    given = parser.parse_args()

    frames = list(open_video(str(CLIP)).sample(32, 320))
    with ExitStack() as stack:
        pipelines = {
            path: stack.enter_context(edgefg.Pipeline(path, policy="fixed", skip_below=None)) for path in given.bundles
        }
        for pipeline in pipelines.values():
            for number in range(max(CAMERAS)):
                pipeline.backgrounds[f"camera {number}"].set(frames[0])
            run(pipeline, frames, max(CAMERAS), given.frames // 4)
        for cameras in CAMERAS:
            turns = [
                {path: run(pipeline, frames, cameras, given.frames) for path, pipeline in pipelines.items()}
                for _ in range(ROUNDS)
            ]
            for path, pipeline in pipelines.items():
                fps, age_ms = (
                    statistics.median(values) for values in zip(*(turn[path] for turn in turns), strict=True)
                )
                batch = pipeline.engine.max_batch
                print(f"{cameras} cameras, {path} (batches of up to {batch}): {fps:.0f} frames/s, {age_ms:.1f} ms")


if __name__ == "__main__":
    main()
