"""Ways to bring the distance map to the frame's size and to threshold it; docs/research-log.md has the tables.

Run: python examples/research/upsampling.py splits.json validate transfer
"""

import sys
from collections.abc import Callable

import cv2
import numpy as np

from edgefg.datasets.sequences import MOVING, SHADOW, STATIC, open_dataset
from edgefg.imaging.convert import fit
from edgefg.imaging.median import temporal_median
from edgefg.segmentation.refine import guided_upsample, to_levels
from edgefg.segmentation.segmenter import Segmenter

TOP = 60.0  # map units; levels are a 255th of it

Array = np.ndarray
Way = Callable[[Array, Array, Array], Array]  # distance, frame, background


def plain(kind: int) -> Way:
    return lambda distance, frame, background: cv2.resize(distance, frame.shape[1::-1], interpolation=kind)


def guided(guide: Callable[[Array, Array], Array], radius: int, noise: float) -> Way:
    """The filter of `edgefg.segmentation.refine.guided_upsample` with another guide, window and noise."""

    def mean(values: Array) -> Array:
        return cv2.blur(values, (2 * radius + 1,) * 2)

    def enlarge(distance: Array, frame: Array, background: Array) -> Array:
        sharp = guide(frame, background).astype(np.float32)
        coarse = cv2.resize(sharp, distance.shape[::-1], interpolation=cv2.INTER_AREA)
        slope = mean(coarse * distance) - mean(coarse) * mean(distance)
        slope /= mean(coarse * coarse) - mean(coarse) ** 2 + noise**2
        offset = mean(distance) - slope * mean(coarse)
        slope, offset = (cv2.resize(mean(part), frame.shape[1::-1]) for part in (slope, offset))
        return slope * sharp + offset

    return enlarge


def gray(frame: Array, background: Array) -> Array:
    return cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY)


def change(frame: Array, background: Array) -> Array:
    return cv2.absdiff(frame, background).max(2)


def smooth_change(frame: Array, background: Array) -> Array:
    return cv2.blur(cv2.absdiff(frame, background), (3, 3)).max(2)


by_smooth_change = guided(smooth_change, 2, 5)


def less_the_median(distance: Array, frame: Array, background: Array) -> Array:
    return by_smooth_change(distance - np.median(distance), frame, background)


def share_of_the_highest(distance: Array, frame: Array, background: Array) -> Array:
    """Every frame on one scale; a frame whose distances are all low keeps its own, or noise would fill it."""
    highest = np.percentile(distance, 99)
    return by_smooth_change(distance, frame, background) * (TOP / 2 / max(highest, TOP / 4))


def otsu(lowest: float, highest: float) -> Way:
    """The frame's own threshold, within limits, in place of a fixed one."""

    def enlarge(distance: Array, frame: Array, background: Array) -> Array:
        own, _ = cv2.threshold(to_levels(distance, TOP / 2), 0, 255, cv2.THRESH_OTSU)
        return by_smooth_change(distance, frame, background) * (TOP / 4 / np.clip(own / 255 * TOP, lowest, highest))

    return enlarge


WAYS = {
    "nearest": plain(cv2.INTER_NEAREST),
    "bilinear": plain(cv2.INTER_LINEAR),
    "cubic": plain(cv2.INTER_CUBIC),
    "guided by the frame, 3x3": guided(gray, 1, 10),
    "guided by the frame, 5x5": guided(gray, 2, 10),
    "guided by the change, 3x3": guided(change, 1, 5),
    "guided by the change, 5x5": guided(change, 2, 5),
    "guided by the change, 7x7": guided(change, 3, 5),
    "guided by the smoothed change, 5x5": by_smooth_change,
    "that, less the frame's median distance": less_the_median,
    "that, as a share of the frame's highest": share_of_the_highest,
    "that, Otsu's threshold between 8 and 16": otsu(8, 16),
    "that, Otsu's threshold between 10 and 13": otsu(10, 13),
    "that, less what light adds everywhere (guided_upsample)": guided_upsample,
}


def f_at_levels(pixels: Array) -> Array:
    """F at each level, of (2, 256) counts of pixels that stand still and that move."""
    fp, tp = np.cumsum(pixels[:, ::-1], axis=1)[:, ::-1]
    return 2 * tp / np.maximum(tp + fp + pixels[1].sum(), 1)


def middle_of_the_peak(f: Array) -> int:
    near = np.flatnonzero(f >= f.max() - 0.002)
    return int(near[len(near) // 2])


def count(data: str, part: str, kind: str) -> dict[str, dict[str, Array]]:
    """Pixels by level for each way, and ``full`` for both stages, and each scene; sets of a folder are one scene."""
    found: dict[str, dict[str, Array]] = {way: {} for way in ("full", *WAYS)}
    with Segmenter(policy="fixed", mode="full", skip_below=None) as segmenter:
        size = segmenter.bundle.input_size
        for sequence in open_dataset(data, part).sequences:
            own = sequence.background()
            inputs = sequence.inputs if kind == "median" else sequence.inputs[:1]
            segmenter.background.set(temporal_median(map(sequence.frame, inputs)) if own is None else own)
            scene = sequence.category if sequence.layout == "pairs" else sequence.name
            for path in sequence.labelled:
                frame, truth = sequence.frame(path), sequence.truth(path)
                result = segmenter.segment(frame)
                given = (result.distance, fit(frame, size), segmenter.background.image)
                levels = {way: to_levels(enlarge(*given), TOP / 2) for way, enlarge in WAYS.items()}
                still = (truth == STATIC) | (truth == SHADOW)
                for way, small in {"full": result.probability, **levels}.items():
                    large = cv2.resize(small, truth.shape[::-1])
                    pixels = found[way].setdefault(scene, np.zeros((2, 256), np.int64))
                    for row, where in enumerate((still, truth == MOVING)):
                        pixels[row] += np.bincount(large[where], minlength=256)
    return found


def main() -> None:
    data, judge, *others = sys.argv[1:]
    counts = {(part, kind): count(data, part, kind) for part in (judge, *others) for kind in ("median", "first")}
    for way, of_scene in counts[judge, "median"].items():
        curves = [f_at_levels(pixels) for pixels in of_scene.values()]
        level = middle_of_the_peak(np.mean(curves, axis=0))
        # Each scene at the level that the other scenes chose: a level of its own flatters it.
        without = [
            curve[middle_of_the_peak(np.mean([c for c in curves if c is not curve], axis=0))]
            for curve in curves
            if len(curves) > 1
        ]
        means = [np.mean([f_at_levels(pixels)[level] for pixels in found[way].values()]) for found in counts.values()]
        shown = " ".join(f"{mean:.3f}" for mean in (*means, np.mean(without)))
        print(f"{way:46} {level / 255 * (1 if way == 'full' else TOP):6.2f} {shown}")


if __name__ == "__main__":
    main()
