"""How a frame's mask is made: which stages run, and from which value on a pixel is foreground."""

from dataclasses import dataclass
from numbers import Real
from typing import Literal

from .bundle import Bundle
from .engines.protocol import Quiet
from .errors import OptionError
from .map_mode import MAP_THRESHOLD, map_distance
from .quiet import quiet_below

QuietLevel = float | Literal["auto"] | None
"""Map units below which a frame is quiet and skips stage 2; ``"auto"`` is the bundle's, None runs stage 2 always."""


@dataclass(frozen=True)
class Masking:
    """What an application chose, and the bundle's figures for what it left open.

    Attributes:
        threshold: In (0, 1].
        moving_from: In the mode ``map``, the distance that is foreground; None runs stage 2.
        quiet: Tells of a distance map whether stage 2 may be skipped; None runs it always.
    """

    threshold: float
    moving_from: float | None = None
    quiet: Quiet | None = None


def masking_of(bundle: Bundle, mode: str, threshold: float | None, quiet: QuietLevel) -> Masking:
    """Checks what an application chose.

    Args:
        bundle: Has a threshold, and may have a distance for the mode ``map`` and a quiet level.
        mode: ``"full"`` or ``"map"``.
        threshold: In (0, 1]; None takes the bundle's, or the mode's.
        quiet: As `QuietLevel` says.

    Raises:
        OptionError: One of them makes no sense, or they make none together.
        BundleError: The mode is ``map``, and the bundle has no distance for it.
    """
    moving_from = map_distance(bundle, mode)
    usual = bundle.threshold if moving_from is None else MAP_THRESHOLD
    level = bundle.quiet_distance if quiet == "auto" else quiet
    rule = None if level is None else quiet_below(level)
    if moving_from is not None:
        if quiet not in ("auto", None):
            raise OptionError("quiet skips stage 2, which the mode map never runs; leave quiet out")
        rule = None
    return Masking(usual if threshold is None else _checked(threshold), moving_from, rule)


def _checked(threshold: float) -> float:
    # Written so that NaN is refused too.
    if isinstance(threshold, bool) or not isinstance(threshold, Real) or not 0 < threshold <= 1:
        raise OptionError(f"threshold must be a number above 0 and at most 1; got {threshold!r}")
    return float(threshold)
