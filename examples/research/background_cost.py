"""The cost of the default background policy for each frame, compared with a fixed background; see docs/benchmarks.md.

Run: python examples/research/background_cost.py
"""

import itertools
import statistics
import time
from collections.abc import Callable

import edgefg
from edgefg.imaging.convert import fit
from edgefg.media.reader import open_video
from edgefg.utils.resources import CLIP

FRAME_S = 1 / 25  # by the policy's clock, as a camera gives them
ROUNDS, PASSES = 11, 4


def timed(pipeline: edgefg.Pipeline, frames: list) -> tuple[float, float]:
    """Wall and CPU time of a frame in milliseconds; the model and its feature passes included."""
    wall_s, cpu_s = time.perf_counter(), time.process_time()
    for _ in range(PASSES):
        for _ in pipeline.map(frames):
            pass
    scale = 1e3 / (PASSES * len(frames))
    return (time.perf_counter() - wall_s) * scale, (time.process_time() - cpu_s) * scale


def clock() -> Callable[[], float]:
    return itertools.count(0.0, FRAME_S).__next__


def main() -> None:
    size = edgefg.open_bundle().input_size
    frames = [fit(frame, size) for frame in open_video(CLIP).sample(130, max(size))]
    for mode in ("full", "fused"):
        policies = {"fixed": "fixed", "default": edgefg.BackgroundPolicy(clock=clock())}
        opened = {
            name: edgefg.Pipeline(threads=2, policy=policy, skip_below=None, mode=mode)
            for name, policy in policies.items()
        }
        times: dict[str, list[tuple[float, float]]] = {name: [] for name in opened}
        for _ in range(ROUNDS):  # in turns
            for name, pipeline in opened.items():
                times[name].append(timed(pipeline, frames))
        for what, which in (("wall", 0), ("CPU", 1)):
            fixed, default = (statistics.median(one[which] for one in times[name][1:]) for name in opened)
            print(f"{mode}, {what}: {fixed:.2f} ms a frame, default policy {default:.2f}: {default / fixed - 1:+.1%}")
        for pipeline in opened.values():
            pipeline.close()


if __name__ == "__main__":
    main()
