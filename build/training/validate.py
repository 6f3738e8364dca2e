"""Validation of trained networks in torch on labelled scenes: F of map and mask at every threshold."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from edgefg.datasets.backgrounds import offline_background
from edgefg.datasets.labels import MOVING, SHADOW, STATIC
from edgefg.datasets.sequences import LabelledSequence, scene_split
from edgefg.imaging.convert import fit
from edgefg.imaging.io import Image
from edgefg.segmentation.mask import scale_around
from edgefg.segmentation.refine import MAP_THRESHOLD, guided_upsample, to_levels

from ..networks.sizes import INPUT_SIZE, MARGIN
from ..networks.stage1 import SiameseDistance
from ..networks.stage2 import MaskDecoder
from .skip_level import SkipFrame, skip_level

LEVELS = 256

Scene = tuple[str, str]
"""A category and one of its sequences, or "" for all its sets together."""


@dataclass(frozen=True)
class Curve:
    """F-measure, (LEVELS,) float64, of the masks ``value >= level`` at each level, mean over categories."""

    f: NDArray[np.float64]

    @property
    def best(self) -> tuple[int, float]:
        """The best level and its F.

        It is the middle of the levels within 0.002 of the peak: a threshold on an edge is an accident of these scenes.
        """
        near = np.flatnonzero(self.f >= self.f.max() - 0.002)
        level = int(near[len(near) // 2])
        return level, float(self.f[level])


@dataclass(frozen=True)
class Validation:
    """F-measures of one pair of networks.

    Attributes:
        full: Both stages; level L is a probability of L / 255.
        map: Stage 1 alone, as the mode ``map`` sharpens it; level L is a distance of L / 255 * 2 * MARGIN.
        fused: F of the mode ``fused``: the mean of both, each at its best threshold.
        frames: Number of frames scored.
        skip_below: Distance, in map units, below which a frame can skip stage 2; None if that was not proven.
    """

    full: Curve
    map: Curve
    fused: float
    frames: int
    skip_below: float | None

    @property
    def threshold(self) -> float:
        """The best threshold of stage 2's probabilities, in (0, 1], as a bundle holds it."""
        return _threshold(self.full)

    @property
    def foreground_distance(self) -> float:
        """The best threshold of the map, in map units; 0 where the map is of no use."""
        return _foreground_distance(self.map)

    @property
    def mode(self) -> str:
        """The mode with the highest F."""
        f = {"full": self.full.best[1], "map": self.map.best[1], "fused": self.fused}
        return max(f, key=f.__getitem__) if self.foreground_distance else "full"

    def to_json(self) -> dict[str, Any]:
        """Returns the best thresholds and their F, for a log or a card."""
        return {
            "frames": self.frames,
            "full": {
                "f": round(self.full.best[1], 4),
                "threshold": self.threshold,
                "f_at_0.5": round(float(self.full.f[128]), 4),
            },
            "map": {"f": round(self.map.best[1], 4), "foreground_distance": self.foreground_distance},
            "fused": {"f": round(self.fused, 4)},
            "mode": self.mode,
            **({} if self.skip_below is None else {"skip_below": self.skip_below}),
        }


def files_to_validate(sequence: LabelledSequence, protocol: str, seed: int) -> tuple[Path, ...]:
    """Returns all labelled frames of the sequence, or its validation split in the protocol ``scene``."""
    return tuple(scene_split(sequence, seed).validate if protocol == "scene" else sequence.labelled)


def validate(
    stage1: SiameseDistance,
    stage2: MaskDecoder,
    sequences: tuple[LabelledSequence, ...],
    protocol: str,
    seed: int,
    *,
    advance: Callable[[], None] = lambda: None,
) -> Validation:
    """Runs both stages in float32 over labelled frames.

    ``unseen`` scores every labelled frame against the sequence's median (or its own background);
    ``scene`` scores the validation split against the background frame that the protocol names.

    Raises:
        DataError: A file cannot be read.
    """
    full: dict[Scene, list[NDArray[np.int64]]] = {}
    maps: dict[Scene, list[NDArray[np.int64]]] = {}
    both: dict[Scene, NDArray[np.int64]] = {}
    peaks: dict[Scene, list[float]] = {}
    frames = 0
    for sequence in sequences:
        files = files_to_validate(sequence, protocol, seed)
        if protocol == "scene":
            background = sequence.background_or(scene_split(sequence, seed).background)
        else:
            background = offline_background(sequence)
        background = fit(background, INPUT_SIZE)
        features = _embed(stage1, background)
        # Sets of a few frames are pooled: each alone means little.
        key = sequence.category, "" if sequence.layout == "pairs" else sequence.name
        for path in files:
            truth = sequence.truth(path)
            frame = fit(sequence.frame(path), INPUT_SIZE)
            probability, distance = _infer(stage1, stage2, frame, features)
            map_levels = to_levels(guided_upsample(distance, frame, background), MARGIN)
            still = (truth == STATIC) | (truth == SHADOW)
            counts = _joint(probability, map_levels, still, truth == MOVING)
            full.setdefault(key, []).append(counts.sum(axis=2))
            maps.setdefault(key, []).append(counts.sum(axis=1))
            both[key] = both[key] + counts if key in both else counts
            peaks.setdefault(key, []).append(float(distance.max()))
            frames += 1
            advance()
    curve, of_map = _curve(full), _curve(maps)
    level, _ = curve.best
    skip_below = skip_level(
        [_skip_frame(peak, counts, level) for peak, counts in zip(peaks[key], full[key], strict=True)] for key in full
    )
    fused = _fused(both, _threshold(curve), _foreground_distance(of_map))
    return Validation(curve, of_map, fused, frames, skip_below)


def _embed(stage1: SiameseDistance, background: Image) -> torch.Tensor:
    with torch.inference_mode():
        return stage1.features(_tensor(background))


def _infer(
    stage1: SiameseDistance, stage2: MaskDecoder, frame: Image, features: torch.Tensor
) -> tuple[Image, NDArray[np.float32]]:
    with torch.inference_mode():
        tensor = _tensor(frame)
        found = stage1(tensor, features)
        probability = stage2(tensor, found.distance, found.context).sigmoid()[0] * 255
    return probability.round().byte().numpy(), found.distance[0].numpy()


def _tensor(image: Image) -> torch.Tensor:
    return torch.from_numpy(image)[None]


def _skip_frame(peak: float, counts: NDArray[np.int64], level: int) -> SkipFrame:
    still, moving = counts
    return SkipFrame(peak, tp=int(moving[level:].sum()), fp=int(still[level:].sum()), moving=int(moving.sum()))


def _threshold(full: Curve) -> float:
    # A manifest refuses 0, which would call everything foreground.
    return max(round(full.best[0] / 255, 2), 0.01)


def _foreground_distance(of_map: Curve) -> float:
    return round(of_map.best[0] / 255 * 2 * MARGIN, 2)


def _joint(
    probability: Image, map_levels: Image, still: NDArray[np.bool_], moving: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """Counts still and moving pixels, at the truth's size, by their pair of levels: (2, LEVELS, LEVELS)."""
    size = still.shape[1], still.shape[0]
    of_full, of_map = (
        np.asarray(cv2.resize(levels, size, interpolation=cv2.INTER_LINEAR), np.int64)
        for levels in (probability, map_levels)
    )
    pairs = of_full * LEVELS + of_map
    return np.stack(
        [np.bincount(pairs[which], minlength=LEVELS**2).reshape(LEVELS, LEVELS) for which in (still, moving)]
    )


def _fused(both: Mapping[Scene, NDArray[np.int64]], threshold: float, distance: float) -> float:
    """Returns F of the mode ``fused`` at these thresholds; 0 where the map is of no use."""
    if not distance:
        return 0.0
    of_map = np.minimum(np.arange(LEVELS) * MARGIN / distance, 255)
    found = (scale_around(threshold)[:, None] + of_map) / 2 >= MAP_THRESHOLD * 255
    return float(
        _overall(
            {key: _f(moving[found].sum(), still[found].sum(), moving.sum()) for key, (still, moving) in both.items()}
        )
    )


def _curve(counts: Mapping[Scene, list[NDArray[np.int64]]]) -> Curve:
    of_scenes = {}
    for key, members in counts.items():
        still, moving = np.sum(members, axis=0)
        # Above or at each level: cumulative counts from the top.
        fp, tp = (np.cumsum(values[::-1])[::-1] for values in (still, moving))
        of_scenes[key] = _f(tp, fp, moving.sum())
    return Curve(_overall(of_scenes))


def _f(tp: Any, fp: Any, moving: Any) -> NDArray[np.float64]:
    """Returns the F-measure; NaN where there is nothing to find and nothing was found."""
    whole = tp + fp + moving
    return np.asarray(np.where(whole > 0, 2 * tp / np.maximum(whole, 1), np.nan))


def _overall(of_scenes: Mapping[Scene, NDArray[np.float64]]) -> NDArray[np.float64]:
    """Averages over scenes, then over categories, as `edgefg.evaluate.metrics` does."""
    of_categories: dict[str, list[NDArray[np.float64]]] = {}
    for (category, _), f in of_scenes.items():
        of_categories.setdefault(category, []).append(f)
    return np.nan_to_num(_mean([_mean(values) for values in of_categories.values()]))


def _mean(curves: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Averages, at each level, the curves that are defined there; NaN where none is."""
    stacked = np.stack(curves)
    defined = ~np.isnan(stacked)
    return np.where(defined.any(axis=0), np.nansum(stacked, axis=0) / np.maximum(defined.sum(axis=0), 1), np.nan)
