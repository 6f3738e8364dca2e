"""How long segment() takes with each of some bundles, frame by frame in turns, so that all meet the same machine.

Run: python examples/research/compare_bundles.py OLD_BUNDLE NEW_BUNDLE
"""

import argparse
import statistics
import time
from contextlib import ExitStack

import edgefg
from edgefg.imaging.convert import fit
from edgefg.media.reader import open_video
from edgefg.utils.resources import CLIP

WARM_UP = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundles", nargs="+", help="the bundles' folders; ratios are to the first")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--frames", type=int, default=300)
    parser.add_argument("--skip", action="store_true", help="skip stage 2 of quiet frames, and use each bundle's mode")
    given = parser.parse_args()

    frames = [fit(frame, (320, 240)) for frame in open_video(CLIP).sample(64, 320)]
    options: dict[str, object] = {"threads": given.threads, "policy": "fixed", "background": frames[0]}
    if not given.skip:
        options |= {"mode": "full", "skip_below": None}
    times: list[list[float]] = [[] for _ in given.bundles]
    with ExitStack() as stack:
        segmenters = [stack.enter_context(edgefg.Segmenter(bundle, **options)) for bundle in given.bundles]
        for number in range(given.frames + WARM_UP):
            for segmenter, taken in zip(segmenters, times, strict=True):
                started = time.perf_counter()
                segmenter.segment(frames[number % len(frames)])
                taken.append(time.perf_counter() - started)
    medians = [statistics.median(taken[WARM_UP:]) for taken in times]
    for bundle, median in zip(given.bundles, medians, strict=True):
        print(f"{bundle}: {1000 * median:.2f} ms a frame, {medians[0] / median:.2f} times as fast as the first")


if __name__ == "__main__":
    main()
