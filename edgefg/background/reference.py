"""The background as it was when the view last showed all its detail, for the time when the detail is back."""

from dataclasses import dataclass

from .bootstrap_median import GatheredMedian
from .observation import SceneImage
from .photometric import COLOUR_LEVELS, GREY_LEVELS
from .relight import misfit

_LESS_CONTRAST = 0.7
_LESS_LIGHT = 0.4
_MORE_CLIPPED, _MUCH_CLIPPED = 0.02, 0.1
_BETTER = 0.8
_BETTER_LEVELS = 0.5

SAME_LEVELS = 3.0
"""A background in new light is that of before."""

SAME_LIGHT_LEVELS = 9.0
"""Frames in both lights make one median; no more is followed by relighting."""


@dataclass(frozen=True, eq=False)
class ReferenceBackground:
    """A background to relight from, and to return to.

    Attributes:
        picture: The background.
        bootstraps: Whether it still waits for a median.
        gathering: Frames in its light, for this median.
    """

    picture: SceneImage
    bootstraps: bool
    gathering: GatheredMedian

    def shows_more_than(self, frame: SceneImage) -> bool:
        """Whether a frame lacks detail of the scene: it is clipped, dark, foggy, blurred or without colour."""
        if self._lost_colour(frame):
            return True
        if self.picture.clipped > frame.clipped + _MUCH_CLIPPED:
            return False
        return (
            frame.clipped > self.picture.clipped + _MORE_CLIPPED
            or frame.level < _LESS_LIGHT * self.picture.level
            or frame.contrast < _LESS_CONTRAST * self.picture.contrast
        )

    def apart(self, background: SceneImage) -> float:
        """How far a background in new light is from it, in levels. Below `SAME_LIGHT_LEVELS` the light is back."""
        return misfit(background, self.picture)

    def fits_better(self, frame: SceneImage, background: SceneImage) -> bool:
        """Whether it is clearly nearer to a frame than the present background."""
        if background is self.picture or self._lost_colour(frame):
            return False
        present, remembered = misfit(frame, background), misfit(frame, self.picture)
        return remembered < _BETTER * present and remembered < present - _BETTER_LEVELS

    def _lost_colour(self, frame: SceneImage) -> bool:
        return frame.colourfulness < GREY_LEVELS and self.picture.colourfulness > COLOUR_LEVELS
