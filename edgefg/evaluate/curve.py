"""Precision and recall of methods at every threshold, and a picture of them.

The curve follows the rules of `edgefg.evaluate.metrics`: at each level, counts are summed over a sequence, and
precision and recall are means over sequences and categories. A method that only knows yes and no is a point.
"""

import io
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from ..datasets.labels import MOVING, SHADOW, STATIC
from ..errors import MissingDependencyError
from .evaluate import Evaluation, FrameScore
from .metrics import Counts, Measures, SequenceScore, summarise

_LEVELS = 256


class CurveRecorder:
    """Counts, frame by frame, how many pixels reach each level: an `edgefg.evaluate.evaluate.Observer`."""

    def __init__(self) -> None:
        # By method and sequence: pixels that stand still and pixels that move, (2, 256), by level.
        self._pixels: dict[str, dict[str, npt.NDArray[np.int64]]] = {}

    def __call__(self, frame: FrameScore) -> None:
        levels = frame.answer.levels
        if levels is None:
            return
        still = (frame.truth == STATIC) | (frame.truth == SHADOW)
        of_method = self._pixels.setdefault(frame.method, {})
        pixels = of_method.setdefault(frame.sequence.name, np.zeros((2, _LEVELS), np.int64))
        for row, where in enumerate((still, frame.truth == MOVING)):
            pixels[row] += np.bincount(levels[where], minlength=_LEVELS)

    def curves(self, evaluation: Evaluation) -> dict[str, list[Measures]]:
        """The overall measures of each method that has levels, at the levels 1 to 255."""
        found = {}
        for method, of_sequence in self._pixels.items():
            # Whatever reaches a level, or lies below it.
            above = {name: np.cumsum(pixels[:, ::-1], axis=1)[:, ::-1] for name, pixels in of_sequence.items()}
            scores = evaluation.methods[method].sequences
            found[method] = [_overall(above, scores, level) for level in range(1, _LEVELS)]
        return found


def _overall(above: Mapping[str, npt.NDArray[np.int64]], scores: Mapping[str, SequenceScore], level: int) -> Measures:
    at_level = []
    for name, reached in above.items():
        (fp, tp), (still, moving) = reached[:, level], reached[:, 0]
        score = scores[name]
        counts = Counts(tp=int(tp), fp=int(fp), fn=int(moving - tp), tn=int(still - fp))
        at_level.append(SequenceScore(name, score.category, score.frames, counts, score.pooled))
    return summarise(at_level).overall


def require_plots(option: str) -> None:
    """Checks that figures can be drawn, before an hour's scores depend on it.

    Args:
        option: The name of the option that asks for one.

    Raises:
        MissingDependencyError: The package for it is missing.
    """
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError as error:
        raise MissingDependencyError(
            f'{option}= needs the package matplotlib, which does not load ({error}): pip install "edgefg[plot]"'
        ) from error


def draw_curves(evaluation: Evaluation, curves: Mapping[str, list[Measures]]) -> bytes:
    """Draws precision over recall as a PNG; a dot is where each method stands at its threshold."""
    from matplotlib.figure import Figure

    # No pyplot: it keeps figures in a registry, and asks for a display.
    figure = Figure(figsize=(7, 6), layout="constrained")
    axes = figure.subplots()
    for number, (method, summary) in enumerate(evaluation.methods.items()):
        colour = f"C{number}"
        if method in curves:
            axes.plot([m.recall for m in curves[method]], [m.precision for m in curves[method]], color=colour)
        label = f"{method}, F {summary.overall.f:.3f}"
        axes.plot([summary.overall.recall], [summary.overall.precision], "o", color=colour, label=label)
    axes.set(xlim=(0, 1.01), ylim=(0, 1.01), xlabel="recall", ylabel="precision")
    axes.set_title(f"protocol {evaluation.protocol}, background {evaluation.background}", parse_math=False)
    axes.grid(alpha=0.3)
    axes.legend(loc="lower left")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    return buffer.getvalue()
