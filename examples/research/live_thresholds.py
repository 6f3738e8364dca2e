"""Live F by the threshold of the probabilities, a column a scene; sets of a few frames are pooled.

Sequences are played as by `edgefg evaluate --protocol live`. The last column is the mean of the scenes.

Run: python examples/research/live_thresholds.py SPLITS.json --part validate train [--bundle BUNDLE]
"""

import argparse
from collections import defaultdict
from pathlib import Path

import numpy as np

import edgefg
from edgefg.datasets.sequences import LabelledSequence, open_dataset
from edgefg.evaluate.methods import LiveNetworkMethod
from edgefg.evaluate.metrics import Counts, count

LEVELS = (4, 6, 8, 10, 13, 16, 20, 26, 30, 40, 50, 64, 80, 100, 128, 160)


def curve_of(sequence: LabelledSequence, bundle: Path | None) -> np.ndarray:
    method = LiveNetworkMethod(lambda policy: edgefg.Segmenter(bundle, policy=policy))
    counts = [Counts()] * len(LEVELS)
    tested = frozenset(sequence.labelled)
    for answer in method.answers(sequence, tested, lambda: sequence.background_or(sequence.inputs[0])):
        assert answer.levels is not None
        truth = sequence.truth(answer.path)
        of_frame = [count(answer.levels >= level, truth) for level in LEVELS]
        counts = [one + other for one, other in zip(counts, of_frame, strict=True)]
    return np.array([one.measures.f for one in counts])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("splits", type=Path)
    parser.add_argument("--part", nargs="*", default=["validate"])
    parser.add_argument("--bundle", type=Path)
    options = parser.parse_args()
    curves = defaultdict(list)
    for part in options.part:
        for sequence in open_dataset(options.splits, part).sequences:
            name = f"sets, {part}" if sequence.layout == "pairs" else sequence.name.rpartition("/")[2]
            curves[name[:12]].append(curve_of(sequence, options.bundle))
    means = {name: np.mean(of_scene, axis=0) for name, of_scene in curves.items()}
    print(f"{'level':>6}", *(f"{name:>13}" for name in means), f"{'mean':>7}")
    for number, level in enumerate(LEVELS):
        row = [curve[number] for curve in means.values()]
        print(f"{level:6}", *(f"{f:13.3f}" for f in row), f"{np.mean(row):7.4f}")


if __name__ == "__main__":
    main()
