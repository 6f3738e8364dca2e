"""Choice of the distance below which frames skip stage 2, from validation frames whose stage 2 masks are known."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from ..networks.sizes import MARGIN

MAX_F_LOSS = 0.001
"""Largest loss of F-measure in any scene."""

_STEP = 0.5


@dataclass(frozen=True)
class SkipFrame:
    """One labelled frame: its map's largest distance, and the pixels that stage 2 finds at the threshold.

    Attributes:
        peak: Largest distance, in map units.
        tp: Moving pixels that stage 2 finds.
        fp: Still pixels that stage 2 takes for moving ones.
        moving: All moving pixels.
    """

    peak: float
    tp: int
    fp: int
    moving: int


def skip_level(scenes: Iterable[Iterable[SkipFrame]]) -> float | None:
    """Returns the highest level up to which no scene's F-measure falls by more than `MAX_F_LOSS`.

    Returns:
        The level in map units; None if no frame would skip stage 2 by it, so that nothing was proven.
    """
    columns = [_columns(frames) for frames in scenes]
    chosen = None
    # Every lower level must be harmless too: a harmless level above harmful ones is an accident of these scenes.
    for level in np.arange(_STEP, 2 * MARGIN + _STEP, _STEP):
        if any(_loss(scene, level) > MAX_F_LOSS for scene in columns):
            break
        chosen = float(level)
    if chosen is None or not any((scene[0] < chosen).any() for scene in columns):
        return None
    return chosen


def _columns(frames: Iterable[SkipFrame]) -> np.ndarray:
    """Returns (4, frames) float64: peaks, tp, fp, moving."""
    return np.array([(frame.peak, frame.tp, frame.fp, frame.moving) for frame in frames], np.float64).T


def _loss(columns: np.ndarray, level: float) -> float:
    peak, tp, fp, moving = columns
    runs = peak >= level
    return _f(tp.sum(), fp.sum(), moving.sum()) - _f(tp[runs].sum(), fp[runs].sum(), moving.sum())


def _f(tp: float, fp: float, moving: float) -> float:
    return float(2 * tp / max(tp + fp + moving, 1))
