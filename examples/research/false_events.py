"""Scene events a minute in intact sequences, and in the same under flicker and rolling bands.

Nothing befalls the sequences, so each `corrupt_frame` and `view_changed` is false.

Run: python examples/research/false_events.py DATA [--fps 25] [--lamp none flicker bands]
"""

import argparse
import math
from collections import Counter
from pathlib import Path

import numpy as np

import edgefg
from edgefg.datasets.sequences import LabelledSequence, open_dataset
from edgefg.imaging.convert import fit

LEAST_FRAMES = 100
FALSE = ("corrupt_frame", "view_changed")


def lit(frame: np.ndarray, lamp: str, time_s: float) -> np.ndarray:
    if lamp == "none":
        return frame
    rows = np.arange(frame.shape[0]) / frame.shape[0] * (lamp == "bands")
    gains = 1 + 0.25 * np.sin(2 * math.pi * (1.5 * rows + 8.3 * time_s))
    return np.clip(frame * gains[:, None, None], 0, 255).astype(np.uint8)


def events_of(sequence: LabelledSequence, lamp: str, fps: float, most: int) -> Counter[str]:
    now_s = 0.0
    with edgefg.Segmenter(threads=1, policy=edgefg.BackgroundPolicy(clock=lambda: now_s)) as segmenter:
        told: Counter[str] = Counter()
        segmenter.background.on_event = lambda event: told.update([event.kind])
        for index, path in enumerate(sequence.inputs[:most]):
            now_s = index / fps
            segmenter.segment(lit(fit(sequence.frame(path), segmenter.bundle.input_size), lamp, now_s))
            segmenter.background.settle()
    return told


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("--fps", type=float, default=25)
    parser.add_argument("--lamp", nargs="*", default=["none"], choices=["none", "flicker", "bands"])
    parser.add_argument("--most", type=int, default=600, help="frames of each sequence")
    options = parser.parse_args()
    found = [*open_dataset(options.data / "cdnet2014").sequences, *open_dataset(options.data / "sbi2015").sequences]
    for sequence in found:
        if len(sequence.inputs) < LEAST_FRAMES:
            continue
        for lamp in options.lamp:
            told = events_of(sequence, lamp, options.fps, options.most)
            minutes = min(options.most, len(sequence.inputs)) / options.fps / 60
            false = sum(told[kind] for kind in FALSE)
            print(f"{sequence.name:45} {lamp:8} {60 * minutes:5.1f} s {false / minutes:6.1f} a minute  {dict(told)}")


if __name__ == "__main__":
    main()
