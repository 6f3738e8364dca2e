"""How a frame's mask is made: which stages run, how they are joined, and from which value on a pixel is foreground."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Real
from typing import Literal, cast

import cv2
import numpy as np
import numpy.typing as npt

from ..bundle.bundle import Bundle
from ..bundle.manifest import MODES
from ..engines.protocol import Quiet
from ..errors import BundleError, OptionError
from ..imaging.io import Image
from .early_exit import quiet_below
from .refine import MAP_THRESHOLD, to_levels

QuietLevel = float | Literal["auto"] | None
"""Map units below which a frame is quiet and skips stage 2; ``"auto"`` is the bundle's, None runs stage 2 always."""


@dataclass(frozen=True, eq=False)
class MaskRule:
    """What an application chose, and the bundle's figures for what it left open.

    Attributes:
        mode: ``"full"``, ``"map"`` or ``"fused"``.
        threshold: In (0, 1].
        skips: Tells of a distance map whether stage 2 may be skipped; None runs it always.
        moving_from: Where the sharpened map is used, the distance that is foreground; else None.
        scale: Where stage 2 is used beside the map, what becomes of its probabilities, ``(256,) uint8``.
    """

    mode: str
    threshold: float
    skips: Quiet | None = None
    moving_from: float | None = None
    scale: npt.NDArray[np.uint8] | None = None

    def join(self, probability: Image | None, sharpened: Callable[[], npt.NDArray[np.float32]]) -> Image | None:
        """What is likely foreground, from what the stages found.

        Args:
            probability: ``(H, W) uint8`` of stage 2; None if it was skipped.
            sharpened: Gives the distance map at that size.

        Returns:
            ``(H, W) uint8``, of which ``threshold`` times 255 is foreground; None where the frame is quiet.
        """
        if self.moving_from is None:
            return probability
        if probability is None and self.mode != "map":
            return None  # A frame that skipped stage 2 is empty only where stage 2 is part of the mode.
        levels = to_levels(sharpened(), self.moving_from)
        if probability is None or self.scale is None:
            return levels
        return cast(Image, cv2.addWeighted(cv2.LUT(probability, self.scale), 0.5, levels, 0.5, 0))


def mask_rule_of(bundle: Bundle, mode: str, threshold: float | None, quiet: QuietLevel) -> MaskRule:
    """Checks what an application chose.

    Args:
        bundle: Has a threshold, and may have a mode, a distance for its map and a quiet level.
        mode: ``"full"``, ``"map"``, ``"fused"``, or ``"auto"``: the bundle's.
        threshold: In (0, 1]; None takes the mode's.
        quiet: As `QuietLevel` says.

    Raises:
        OptionError: One of them makes no sense, or they make none together.
        BundleError: The mode uses the map, and the bundle has no distance for it.
    """
    if mode not in ("auto", *MODES):
        raise OptionError(f"mode must be one of auto, {', '.join(MODES)}; got {mode!r}")
    mode = bundle.mode if mode == "auto" else mode
    level = bundle.quiet_distance if quiet == "auto" else quiet
    rule = None if level is None else quiet_below(level)
    if mode == "full":
        return MaskRule(mode, bundle.threshold if threshold is None else _checked(threshold), rule)
    if bundle.map_distance is None:
        raise BundleError(
            f"{bundle.path}: expected map.distance in its manifest, the distance that the mode {mode} needs, found "
            f"none; train with a part `validate` and rebuild: edgefg build"
        )
    chosen = MAP_THRESHOLD if threshold is None else _checked(threshold)
    if mode == "fused":
        return MaskRule(mode, chosen, rule, bundle.map_distance, scale_around(bundle.threshold))
    if quiet not in ("auto", None):
        raise OptionError("quiet skips stage 2, which the mode map never runs; leave quiet out")
    return MaskRule(mode, chosen, lambda distance: True, bundle.map_distance)


def scale_around(threshold: float) -> npt.NDArray[np.uint8]:
    """Makes a table that puts a threshold of probabilities at `MAP_THRESHOLD`, straight on both sides.

    Args:
        threshold: In (0, 1].

    Returns:
        ``(256,) uint8``.
    """
    level, middle = math.ceil(threshold * 255), math.ceil(MAP_THRESHOLD * 255)
    # From 0 to just below the threshold, and from there to certainty.
    below = np.linspace(0, middle - 1, level, endpoint=True)
    above = np.linspace(middle, 255, 256 - level)
    return np.concatenate([below, above]).round().astype(np.uint8)


def _checked(threshold: float) -> float:
    # Written so that NaN is refused too.
    if isinstance(threshold, bool) or not isinstance(threshold, Real) or not 0 < threshold <= 1:
        raise OptionError(f"threshold must be a number above 0 and at most 1; got {threshold!r}")
    return float(threshold)
