"""F of masks that are made of the live probabilities in other ways than by one threshold, a column a scene.

Smoothing over time and place, other thresholds, and thresholds relative to the most certain pixel around. The sequences
are played as by `edgefg evaluate --protocol live`; sets are left out, as they are no video.

Run: python examples/research/post_processing.py SPLITS.json [--part validate transfer]
"""

import argparse
from collections import defaultdict, deque
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

import edgefg
from edgefg.datasets.sequences import LabelledSequence, open_dataset
from edgefg.evaluate.methods import timed_frames
from edgefg.evaluate.metrics import Counts, count

LEVELS = (4, 8, 13, 20, 30, 50, 80, 128)
REMEMBERED = 5


def masks_of(recent: deque[np.ndarray], threshold: float) -> Iterator[tuple[str, np.ndarray]]:
    """Makes the masks of the newest of some maps, ``(H, W) uint8`` levels, oldest first."""
    newest = recent[-1]
    yield "as it is", newest >= threshold
    for level in LEVELS:
        yield f"level {level}", newest >= level
    for frames in (2, 3, 5):
        last = np.stack(list(recent)[-frames:])
        yield f"mean of {frames} frames", last.mean(0) >= threshold
        yield f"median of {frames} frames", np.median(last, 0) >= threshold
    for side in (3, 5, 9):
        yield f"median of {side}x{side}", cv2.medianBlur(newest, side) >= threshold
    for area in (50, 200):
        yield f"blobs of {area} px", without_small(newest >= threshold, area)
    for side in (9, 21, 41):
        most = cv2.dilate(newest, np.ones((side, side), np.uint8))
        for share in (0.1, 0.2, 0.4):
            yield f"{share} of the most in {side}x{side}", (newest >= threshold) & (newest >= share * most)


def without_small(mask: np.ndarray, area: int) -> np.ndarray:
    _, labels, statistics, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    large = statistics[:, cv2.CC_STAT_AREA] >= area
    large[0] = False
    return large[labels]


def scores_of(sequence: LabelledSequence) -> dict[str, float]:
    now_s = 0.0
    counts: defaultdict[str, Counts] = defaultdict(Counts)
    recent: deque[np.ndarray] = deque(maxlen=REMEMBERED)
    labelled = frozenset(sequence.labelled)
    with edgefg.Segmenter(threads=1, policy=edgefg.BackgroundPolicy(clock=lambda: now_s)) as segmenter:
        for path, now_s in timed_frames(sequence):  # noqa: B007 (the policy's clock reads it)
            recent.append(segmenter.segment(sequence.frame(path)).probability)
            if path in labelled:
                truth = sequence.truth(path)
                for name, mask in masks_of(recent, segmenter.threshold * 255):
                    counts[name] += count(mask, truth)
            segmenter.background.settle()
    return {name: one.measures.f for name, one in counts.items()}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("splits", type=Path)
    parser.add_argument("--part", nargs="*", default=["validate", "transfer"])
    options = parser.parse_args()
    found = [one for part in options.part for one in open_dataset(options.splits, part).sequences]
    scores = {one.name.rpartition("/")[2]: scores_of(one) for one in found if one.layout != "pairs"}
    print(f"{'':28}", *(f"{name[:12]:>12}" for name in scores))
    for way in next(iter(scores.values())):
        print(f"{way:28}", *(f"{of_scene[way]:12.3f}" for of_scene in scores.values()))


if __name__ == "__main__":
    main()
