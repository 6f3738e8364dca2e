"""Measuring networks on labelled scenes while training still has them in torch: F at every threshold, map and mask."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from edgefg.cdnet import Sequence, scene_split
from edgefg.frames import fit
from edgefg.images import Image
from edgefg.levels import MOVING, SHADOW, STATIC
from edgefg.map_mode import sharpen, to_levels
from edgefg.offline_background import offline_background

from .networks import MaskDecoder, SiameseDistance
from .quiet_level import QuietFrame, quiet_level
from .sizes import MARGIN

INPUT_SIZE = (320, 240)
"""Width and height that the networks see."""

LEVELS = 256

Scene = tuple[str, str]
"""A category, and a sequence of it, or "" for all its sets together."""


@dataclass(frozen=True)
class Curve:
    """F-measure, (LEVELS,) float64, of the masks ``value >= level`` at each level, mean over categories."""

    f: NDArray[np.float64]

    @property
    def best(self) -> tuple[int, float]:
        """The level with the highest F, and that F.

        The middle of the levels within 0.002 of the peak: a threshold on an edge is an accident of these scenes.
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
        frames: How many frames were scored.
        quiet: The distance below which all of a map must stay for its frame to skip stage 2; None if there is none.
    """

    full: Curve
    map: Curve
    frames: int
    quiet: float | None

    def to_json(self) -> dict[str, Any]:
        """The best thresholds and their F, for a log or a card."""
        level, f = self.full.best
        map_level, map_f = self.map.best
        return {
            "frames": self.frames,
            "full": {
                "f": round(f, 4),
                "threshold": round(level / 255, 3),
                "f_at_0.5": round(float(self.full.f[128]), 4),
            },
            "map": {"f": round(map_f, 4), "distance": round(map_level / 255 * 2 * MARGIN, 2)},
            **({} if self.quiet is None else {"quiet": {"distance": self.quiet}}),
        }


def validate(
    stage1: SiameseDistance,
    stage2: MaskDecoder,
    sequences: tuple[Sequence, ...],
    protocol: str,
    seed: int,
    *,
    advance: Callable[[], None] = lambda: None,
) -> Validation:
    """Run both stages in float32 over labelled frames.

    ``unseen`` scores every labelled frame against the sequence's median (or its own background);
    ``scene`` scores the validation split against the background frame that the protocol names.

    Raises:
        DataError: A file cannot be read.
    """
    full: dict[Scene, list[NDArray[np.int64]]] = {}
    maps: dict[Scene, list[NDArray[np.int64]]] = {}
    peaks: dict[Scene, list[float]] = {}
    frames = 0
    for sequence in sequences:
        if protocol == "scene":
            split = scene_split(sequence, seed)
            files, background = split.validate, sequence.frame(split.background)
        else:
            files, background = sequence.labelled, offline_background(sequence)
        background = fit(background, INPUT_SIZE)
        features = _embed(stage1, background)
        # Sets of a handful of frames are pooled: each alone says little.
        key = sequence.category, "" if sequence.layout == "pairs" else sequence.name
        for path in files:
            truth = sequence.truth(path)
            frame = fit(sequence.frame(path), INPUT_SIZE)
            probability, distance = _infer(stage1, stage2, frame, features)
            map_levels = to_levels(sharpen(distance, frame, background), MARGIN)
            still = (truth == STATIC) | (truth == SHADOW)
            for scored, levels in ((full, probability), (maps, map_levels)):
                values = np.asarray(cv2.resize(levels, truth.shape[::-1], interpolation=cv2.INTER_LINEAR))
                counts = [np.bincount(values[which], minlength=LEVELS) for which in (still, truth == MOVING)]
                scored.setdefault(key, []).append(np.array(counts))  # (background or moving, level)
            peaks.setdefault(key, []).append(float(distance.max()))
            frames += 1
            advance()
    curve = _curve(full)
    level, _ = curve.best
    quiet = quiet_level(
        [_quiet_frame(peak, counts, level) for peak, counts in zip(peaks[key], full[key], strict=True)] for key in full
    )
    return Validation(curve, _curve(maps), frames, quiet)


def _embed(stage1: SiameseDistance, background: Image) -> torch.Tensor:
    with torch.inference_mode():
        return stage1.features(_tensor(background))


def _infer(
    stage1: SiameseDistance, stage2: MaskDecoder, frame: Image, features: torch.Tensor
) -> tuple[Image, NDArray[np.float32]]:
    with torch.inference_mode():
        tensor = _tensor(frame)
        _, distance = stage1(tensor, features)
        probability = stage2(tensor, distance).sigmoid()[0] * 255
    return probability.round().byte().numpy(), distance[0].numpy()


def _tensor(image: Image) -> torch.Tensor:
    return torch.from_numpy(image)[None]


def _quiet_frame(peak: float, counts: NDArray[np.int64], level: int) -> QuietFrame:
    still, moving = counts
    return QuietFrame(peak, tp=int(moving[level:].sum()), fp=int(still[level:].sum()), moving=int(moving.sum()))


def _curve(counts: Mapping[Scene, list[NDArray[np.int64]]]) -> Curve:
    """Scenes, then categories, then the mean of those, as `edgefg.metrics` does it."""
    of_categories: dict[str, list[NDArray[np.float64]]] = {}
    for (category, _), members in counts.items():
        still, moving = np.sum(members, axis=0)
        # Above or at each level: cumulative counts from the top.
        fp, tp = (np.cumsum(values[::-1])[::-1] for values in (still, moving))
        whole = tp + fp + moving.sum()
        f = np.where(whole > 0, 2 * tp / np.maximum(whole, 1), np.nan)
        of_categories.setdefault(category, []).append(f)
    return Curve(np.nan_to_num(_mean([_mean(curves) for curves in of_categories.values()])))


def _mean(curves: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    """At each level of those that are defined there; NaN where none is."""
    stacked = np.stack(curves)
    defined = ~np.isnan(stacked)
    return np.where(defined.any(axis=0), np.nansum(stacked, axis=0) / np.maximum(defined.sum(axis=0), 1), np.nan)
