"""Several cameras share one pair of engines; each has a background of its own, and none waits for another.

Run: python examples/many_cameras.py edgefg/data/people.mp4 edgefg/data/people.mp4
"""

import argparse
from collections import Counter

import edgefg


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("urls", nargs="+", metavar="URL", help="rtsp://..., http://..., /dev/video0, a video file ...")
    parser.add_argument("--bundle", help="a bundle's folder; the networks that come with edgefg if left out")
    arguments = parser.parse_args()

    cameras = {f"camera {number}": url for number, url in enumerate(arguments.urls, start=1)}
    frames: Counter[str] = Counter()
    moving: Counter[str] = Counter()
    with edgefg.stream(cameras, bundle=arguments.bundle) as results:
        for result in results:
            frames[result.camera] += 1
            moving[result.camera] += bool(result.mask.any())
    for name in cameras:
        print(f"{name}: {frames[name]} frames, something moves in {moving[name]}")


if __name__ == "__main__":
    main()
