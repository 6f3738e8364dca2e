"""Which convolutions lose most by INT8: each is quantised alone, and what that does to the mask is measured."""

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from edgefg.imaging.io import Image
from edgefg.utils.progress import Progress

from ..export.simulate import Stages
from .qdq import quantize
from .variants import Calibration, Candidate

PAIRS = 8


def most_sensitive_first(fp32: Candidate, calibration: Calibration, progress: Progress) -> list[tuple[str, str]]:
    """Orders all convolutions of both stages by the error that quantising each alone brings into the probability.

    Args:
        fp32: The networks.
        calibration: The ranges, and the sample that a few pairs are taken from.
        progress: Told after each convolution.

    Returns:
        Stage and name of each, the most sensitive first.
    """
    pairs = [pair.images for pair in calibration.sample.pairs]
    pairs = pairs[:: max(1, len(pairs) // PAIRS)][:PAIRS]
    exact = list(_probabilities(fp32.stage1, fp32.stage2, pairs))
    names = [("stage1", name) for name in calibration.stage1] + [("stage2", name) for name in calibration.stage2]
    errors: dict[tuple[str, str], float] = {}
    for done, (stage, name) in enumerate(names):
        others = [other for of_stage, other in names if of_stage == stage and other != name]
        ranges = calibration.stage1 if stage == "stage1" else calibration.stage2
        alone = quantize(getattr(fp32, stage), ranges, calibration.scheme, others)
        stages = (alone, fp32.stage2) if stage == "stage1" else (fp32.stage1, alone)
        found = _probabilities(*stages, pairs)
        errors[stage, name] = float(np.mean([np.abs(a - b).mean() for a, b in zip(found, exact, strict=True)]))
        progress("looking for sensitive layers", done + 1, len(names))
    return sorted(names, key=lambda key: -errors[key])


def by_stage(convolutions: list[tuple[str, str]]) -> Mapping[str, tuple[str, ...]]:
    """As `Candidate.in_floating_point` holds them."""
    return {
        stage: tuple(name for of_stage, name in convolutions if of_stage == stage) for stage in ("stage1", "stage2")
    }


def _probabilities(stage1: bytes, stage2: bytes, pairs: list[tuple[Image, Image]]) -> Iterator[NDArray[np.float32]]:
    stages = Stages(stage1, stage2)
    return (stages.probability(background, frame).astype(np.float32) for background, frame in pairs)
