"""The measures of CDnet2014, from pixel counts to sequences, categories and the overall figure.

Formulas: N. Goyette and others, "changedetection.net: A new change detection benchmark dataset", CVPR workshops 2012.
A sequence's counts are summed over its frames first. A category is the mean of its sequences, the overall figure the
mean of its categories; a measure that is undefined somewhere is left out of the mean there.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from ..datasets.labels import LEVELS, MOVING, SHADOW, STATIC
from ..errors import DataError


@dataclass(frozen=True)
class Measures:
    """How well masks agree with the truth; NaN where a measure is undefined.

    Attributes:
        recall: TP / (TP + FN).
        specificity: TN / (TN + FP).
        fpr: False positive rate, FP / (FP + TN).
        fnr: False negative rate, FN / (TP + FN).
        pwc: Percentage of wrong classifications, 100 (FN + FP) / (TP + FN + FP + TN).
        precision: TP / (TP + FP).
        f: F-measure, 2 TP / (2 TP + FP + FN): the harmonic mean of recall and precision, and 0 where both are 0.
    """

    recall: float
    specificity: float
    fpr: float
    fnr: float
    pwc: float
    precision: float
    f: float

    def to_json(self) -> dict[str, float | None]:
        """By name, with None for an undefined measure: JSON has no NaN."""
        by_name = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: None if math.isnan(value) else value for name, value in by_name.items()}


@dataclass(frozen=True)
class Counts:
    """Scored pixels: true and false positives, false and true negatives. Counts of frames add up with ``+``."""

    tp: int = 0
    fp: int = 0
    fn: int = 0
    tn: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(self.tp + other.tp, self.fp + other.fp, self.fn + other.fn, self.tn + other.tn)

    @property
    def measures(self) -> Measures:
        """The measures of these counts."""
        tp, fp, fn, tn = self.tp, self.fp, self.fn, self.tn
        return Measures(
            recall=_ratio(tp, tp + fn),
            specificity=_ratio(tn, tn + fp),
            fpr=_ratio(fp, fp + tn),
            fnr=_ratio(fn, tp + fn),
            pwc=_ratio(100 * (fn + fp), tp + fn + fp + tn),
            precision=_ratio(tp, tp + fp),
            f=_ratio(2 * tp, 2 * tp + fp + fn),
        )


@dataclass(frozen=True)
class SequenceScore:
    """The counts of one sequence.

    Attributes:
        name: The sequence's name.
        category: The category it belongs to.
        frames: How many frames were scored.
        counts: Their counts, summed.
        pooled: It has a handful of frames, too few for a mean of its own: all such sets of a category are
            counted together and enter its mean as one sequence.
    """

    name: str
    category: str
    frames: int
    counts: Counts
    pooled: bool = False


@dataclass(frozen=True)
class Summary:
    """The scores of one method on one data set.

    Attributes:
        sequences: By name.
        categories: The mean of each category's sequences.
        overall: The mean of the categories.
    """

    sequences: Mapping[str, SequenceScore]
    categories: Mapping[str, Measures]
    overall: Measures

    def to_json(self) -> dict[str, object]:
        """Measures overall, by category and by sequence, the latter with their number of frames."""
        return {
            "overall": self.overall.to_json(),
            "categories": {name: measures.to_json() for name, measures in self.categories.items()},
            "sequences": {
                name: {**score.counts.measures.to_json(), "frames": score.frames}
                for name, score in self.sequences.items()
            },
        }


def count(mask: npt.NDArray[np.bool_] | npt.NDArray[np.uint8], truth: npt.NDArray[np.uint8]) -> Counts:
    """Compares a mask with the truth, pixel by pixel, where the truth is static, shadow or moving.

    Args:
        mask: ``(H, W) bool``, or ``(H, W) uint8`` of 0 and 255.
        truth: ``(H, W) uint8`` of CDnet2014's levels.

    Raises:
        DataError: The sizes differ, or one of them has other values.
    """
    if mask.shape != truth.shape or mask.ndim != 2:
        raise DataError(f"expected a mask and a truth of one size (H, W), got {mask.shape} and {truth.shape}")
    if truth.dtype != np.uint8 or not np.isin(truth, LEVELS).all():
        raise DataError(f"expected a truth of the uint8 levels {LEVELS}, got {_contents(truth)}")
    if mask.dtype != np.bool_ and (mask.dtype != np.uint8 or not np.isin(mask, (0, 255)).all()):
        raise DataError(f"expected a mask of bool, or of uint8 0 and 255, got {_contents(mask)}")
    positive = mask.astype(np.bool_)
    moving = truth == MOVING
    still = (truth == STATIC) | (truth == SHADOW)
    return Counts(
        tp=int(np.count_nonzero(positive & moving)),
        fp=int(np.count_nonzero(positive & still)),
        fn=int(np.count_nonzero(~positive & moving)),
        tn=int(np.count_nonzero(~positive & still)),
    )


def summarise(scores: Iterable[SequenceScore]) -> Summary:
    """Goes from sequences to categories to the overall figure.

    Raises:
        DataError: Two sequences share a name.
    """
    sequences: dict[str, SequenceScore] = {}
    by_category: dict[str, list[SequenceScore]] = {}
    for score in scores:
        if score.name in sequences:
            raise DataError(f"expected each sequence once, got {score.name} twice")
        sequences[score.name] = score
        by_category.setdefault(score.category, []).append(score)
    categories = {name: _category(members) for name, members in by_category.items()}
    return Summary(sequences, categories, _mean(list(categories.values())))


def _category(members: list[SequenceScore]) -> Measures:
    singles = [score.counts.measures for score in members if not score.pooled]
    pool = [score.counts for score in members if score.pooled]
    return _mean([*singles, sum(pool, Counts()).measures] if pool else singles)


def _mean(items: list[Measures]) -> Measures:
    def mean_of(name: str) -> float:
        defined = [value for item in items if not math.isnan(value := getattr(item, name))]
        return _ratio(math.fsum(defined), len(defined))

    return Measures(**{field.name: mean_of(field.name) for field in fields(Measures)})


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else math.nan


def _contents(array: npt.NDArray[np.generic]) -> str:
    values = np.unique(array)
    return f"{array.dtype} with {', '.join(map(str, values[:6]))}{', ...' if values.size > 6 else ''}"
