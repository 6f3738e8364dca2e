"""The rule by which a frame's mask is made: the stages to run, their combination, and the threshold."""

import math
from dataclasses import dataclass
from typing import Any, cast

import cv2
import numpy as np
import numpy.typing as npt

from ..bundle.bundle import Bundle
from ..engines.protocol import EarlyExit
from ..errors import BundleError, OptionError
from ..imaging.io import Image
from .early_exit import always, exit_below
from .options import InferenceOptions
from .refine import MAP_THRESHOLD, to_levels


@dataclass(frozen=True, eq=False)
class MaskRule:
    """The chosen options, completed with the bundle's values.

    Attributes:
        mode: ``"full"``, ``"map"`` or ``"fused"``.
        threshold: Probability in (0, 1] from which a pixel is foreground.
        early_exit: Function that decides by a distance map whether to skip stage 2; None always runs it.
        foreground_distance: Distance from which a place is foreground; None in the mode ``full``.
        scale: Table for the probabilities of stage 2 in the mode ``fused``, ``(256,) uint8``; else None.
    """

    mode: str
    threshold: float
    early_exit: EarlyExit | None = None
    foreground_distance: float | None = None
    scale: npt.NDArray[np.uint8] | None = None

    def uses_map(self, probability: Image | None) -> bool:
        """Returns whether `combine` needs the upsampled map for a probability, which is None if stage 2 was skipped."""
        # A frame that skipped stage 2 is empty, except in the mode that never runs it.
        return self.foreground_distance is not None and (probability is not None or self.mode == "map")

    def combine(self, probability: Image | None, upsampled: npt.NDArray[np.float32] | None) -> Image | None:
        """Combines the outputs of both stages.

        Args:
            probability: Probability from stage 2, ``(H, W) uint8``; None if it was skipped.
            upsampled: Upsampled distance map, ``(H, W) float32``; None if `uses_map` returned False.

        Returns:
            ``(H, W) uint8``, foreground from ``threshold`` times 255; None if the frame is empty.
        """
        if upsampled is None or self.foreground_distance is None:
            return probability
        levels = to_levels(upsampled, self.foreground_distance)
        if probability is None or self.scale is None:
            return levels
        return cast(Image, cv2.addWeighted(cv2.LUT(probability, self.scale), 0.5, levels, 0.5, 0))

    def mask_of(self, probability: Image) -> Image:
        """Thresholds a probability, ``(H, W) uint8``, and returns 255 for foreground, else 0."""
        # Not cv2.threshold: at this size it wakes OpenCV's threads, which spin on the cores that the networks need.
        level: Any = math.ceil(self.threshold * 255)  # OpenCV accepts a number here, but its type stubs do not.
        return cast(Image, cv2.compare(probability, level, cv2.CMP_GE))


def mask_rule_of(bundle: Bundle, options: InferenceOptions) -> MaskRule:
    """Makes the rule for some options. Options that are not set take the bundle's values.

    Raises:
        OptionError: ``skip_below`` is set for the mode ``map``, which never runs stage 2.
        BundleError: The mode uses the map, but the bundle has no distance for it.
    """
    decision = bundle.decision
    mode = decision.mode if options.mode == "auto" else options.mode
    skip_below = decision.skip_below if options.skip_below == "auto" else options.skip_below
    early_exit = None if skip_below is None else exit_below(skip_below)
    threshold = options.threshold
    if mode == "full":
        return MaskRule(mode, decision.threshold if threshold is None else threshold, early_exit)
    if decision.foreground_distance is None:
        raise BundleError(
            f"{bundle.path}: expected decision.foreground_distance in its manifest, which the mode {mode} needs, "
            f"found none; train with a part `validate` and rebuild: edgefg build"
        )
    chosen = MAP_THRESHOLD if threshold is None else threshold
    if mode == "fused":
        return MaskRule(mode, chosen, early_exit, decision.foreground_distance, scale_around(decision.threshold))
    if options.skip_below not in ("auto", None):
        raise OptionError("skip_below= skips stage 2, which the mode map never runs; leave it out")
    return MaskRule(mode, chosen, always, decision.foreground_distance)


def scale_around(threshold: float) -> npt.NDArray[np.uint8]:
    """Makes a table that maps a threshold of probabilities to `MAP_THRESHOLD`, linear on both sides.

    Args:
        threshold: Probability in (0, 1].

    Returns:
        ``(256,) uint8``.
    """
    level, middle = math.ceil(threshold * 255), math.ceil(MAP_THRESHOLD * 255)
    # From 0 to just below the threshold, and from the threshold to 255.
    below = np.linspace(0, middle - 1, level, endpoint=True)
    above = np.linspace(middle, 255, 256 - level)
    return np.concatenate([below, above]).round().astype(np.uint8)
