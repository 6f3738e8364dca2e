"""The cost of skipping stage 2: masks lost against frames skipped, on labelled sequences."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..bundle.bundle import Bundle
from ..datasets.sequences import LabelledSequence
from ..imaging.io import Image
from ..segmentation.early_exit import exit_below
from ..segmentation.options import InferenceOptions
from ..segmentation.segmenter import Segmenter
from ..utils.progress import Progress
from .metrics import Counts, SequenceScore, Summary, count, summarise

Scene = tuple[LabelledSequence, tuple[Path, ...], Callable[[], Image]]
"""A sequence, which of its frames are scored, and what gives its background."""


@dataclass(frozen=True)
class SkipScore:
    """Masks where frames skip stage 2 below a level, compared with those where none does.

    Attributes:
        level: As `edgefg.segmentation.early_exit.exit_below` takes it.
        skip_rate: Share of all frames that skip it.
        skip_rates: The same by sequence.
        scores: What the masks score.
        f_loss: F-measure that is lost overall; NaN where there is none.
        largest_f_loss: In the category that loses most.
    """

    level: float
    skip_rate: float
    skip_rates: Mapping[str, float]
    scores: Summary
    f_loss: float
    largest_f_loss: float

    def to_json(self) -> dict[str, Any]:
        """Ready for json.dump."""
        return {
            "level": self.level,
            "skip_rate": self.skip_rate,
            "skip_rates": dict(self.skip_rates),
            "f_loss": _defined(self.f_loss),
            "largest_f_loss": _defined(self.largest_f_loss),
            **self.scores.to_json(),
        }


def skip_scores(
    bundle: Bundle,
    options: InferenceOptions,
    scenes: Iterable[Scene],
    levels: Sequence[float],
    progress: Progress | None = None,
) -> tuple[SkipScore, ...]:
    """Scores every level in one go: each frame runs through both stages, and then counts as skipped or not.

    Args:
        bundle: The networks.
        options: What runs them; its ``skip_below`` is left aside.
        scenes: What to score.
        levels: In map units.
        progress: Told of each scene.

    Raises:
        MissingDependencyError, EngineError: The networks cannot be run.
    """
    rules = [exit_below(level) for level in levels]
    scored: dict[LabelledSequence, list[_Frame]] = {}
    with Segmenter(bundle, options=options, policy="fixed", skip_below=None) as segmenter:
        for sequence, tested, background in scenes:
            if progress is not None:
                progress(f"skipping stage 2, {sequence.name}", len(scored), None)
            segmenter.background.set(background())
            frames = scored[sequence] = []
            for path in tested:
                result, truth = segmenter.segment(sequence.frame(path)), sequence.truth(path)
                empty = np.zeros_like(result.mask)
                skipped = tuple(rule(result.distance) for rule in rules)
                frames.append(_Frame(count(result.mask, truth), count(empty, truth), skipped))
    reference = _summary(scored, lambda frame: False)
    return tuple(_score(level, index, scored, reference) for index, level in enumerate(levels))


@dataclass(frozen=True)
class _Frame:
    """Counts with the mask of both stages, and with an empty one; and whether it skips stage 2 at each level."""

    full: Counts
    empty: Counts
    skipped: tuple[bool, ...]


def _summary(scored: Mapping[LabelledSequence, Sequence[_Frame]], skips: Callable[[_Frame], bool]) -> Summary:
    return summarise(
        SequenceScore(
            name=sequence.name,
            category=sequence.category,
            frames=len(frames),
            counts=sum((frame.empty if skips(frame) else frame.full for frame in frames), Counts()),
            pooled=sequence.layout == "pairs",
        )
        for sequence, frames in scored.items()
    )


def _score(
    level: float, index: int, scored: Mapping[LabelledSequence, Sequence[_Frame]], reference: Summary
) -> SkipScore:
    scores = _summary(scored, lambda frame: frame.skipped[index])
    skipped = {sequence.name: [frame.skipped[index] for frame in frames] for sequence, frames in scored.items()}
    losses = [reference.categories[name].f - scores.categories[name].f for name in reference.categories]
    return SkipScore(
        level=level,
        skip_rate=float(np.mean([skip for skips in skipped.values() for skip in skips])),
        skip_rates={name: float(np.mean(skips)) for name, skips in skipped.items()},
        scores=scores,
        f_loss=reference.overall.f - scores.overall.f,
        # Where a category has no foreground at all, there is none to lose.
        largest_f_loss=max((loss for loss in losses if not math.isnan(loss)), default=math.nan),
    )


def _defined(value: float) -> float | None:
    return None if math.isnan(value) else value
