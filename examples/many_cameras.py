"""Several cameras share one pair of engines; each has a background of its own, and none waits for another.

Run: python examples/many_cameras.py edgefg/data/people.mp4 edgefg/data/people.mp4
"""

import argparse
import threading
from collections import Counter

import cv2

import edgefg


def feed(pipeline: edgefg.Pipeline, name: str, path: str) -> None:
    """Hands in a camera's frames; the first becomes its background."""
    video = cv2.VideoCapture(path)
    more, frame = video.read()
    while more:
        pipeline.submit(frame, camera=name)
        more, frame = video.read()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("videos", nargs="+")
    parser.add_argument("--bundle", help="a bundle's folder; the networks that come with edgefg if left out")
    arguments = parser.parse_args()

    with edgefg.Pipeline(arguments.bundle) as pipeline:
        cameras = {f"camera {number}": path for number, path in enumerate(arguments.videos)}
        feeders = [threading.Thread(target=feed, args=(pipeline, *camera), daemon=True) for camera in cameras.items()]
        for feeder in feeders:
            feeder.start()

        def close_when_all_are_read() -> None:
            for feeder in feeders:
                feeder.join()
            pipeline.flush()
            pipeline.close()

        threading.Thread(target=close_when_all_are_read, daemon=True).start()
        frames: Counter[str] = Counter()
        moving: Counter[str] = Counter()
        for result in pipeline:
            frames[result.camera] += 1
            moving[result.camera] += bool(result.mask.any())
    for name in cameras:
        print(f"{name}: {frames[name]} frames, something moves in {moving[name]}")


if __name__ == "__main__":
    main()
