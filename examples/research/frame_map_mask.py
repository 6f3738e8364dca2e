"""What the two networks see: a frame, its distance from the background, and the mask, side by side in one picture.

Run: python examples/research/frame_map_mask.py edgefg/data/people.mp4 --frame 60 --out /tmp/frame_map_mask.jpg
"""

import argparse
from itertools import islice

import cv2
import numpy as np

import edgefg
from edgefg.imaging.convert import size_of
from edgefg.imaging.draw import heatmap, overlay
from edgefg.imaging.median import temporal_median
from edgefg.media.reader import open_video


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("video")
    parser.add_argument("--frame", type=int, default=0, help="which frame, counted from 0")
    parser.add_argument("--bundle", help="a bundle's folder; the networks that come with edgefg if left out")
    parser.add_argument("--out", default="frame_map_mask.jpg")
    arguments = parser.parse_args()

    source = open_video(arguments.video)
    background = temporal_median(source.sample(64, max(source.size)))
    frame = next(islice(source, arguments.frame, None))
    with edgefg.Segmenter(arguments.bundle, background=background) as segmenter:
        result = segmenter.segment(frame)
    mask = cv2.cvtColor(result.mask, cv2.COLOR_GRAY2BGR)
    panels = [overlay(frame, result.mask), heatmap(result.distance, size_of(frame)), mask]
    if not cv2.imwrite(arguments.out, np.hstack(panels)):
        parser.error(f"cannot write {arguments.out}")
    print(f"{arguments.out}: {len(result.boxes)} regions, {result.timing.total_ms:.1f} ms")


if __name__ == "__main__":
    main()
