"""Stage 1: a siamese network that computes the distance between two frames at each place.

Frames come in as bytes, as a camera delivers them. Normalising is part of the network, so that every engine that runs
an export receives the same input.
"""

from abc import abstractmethod
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .sizes import MARGIN, Size

DISTANCE_EPSILON = 1e-6
"""Added under the root: the gradient of sqrt at 0 is infinite."""


class Comparison(NamedTuple):
    """What stage 1 finds in a frame.

    Attributes:
        features: (N, C, H/4, W/4) float32, of the frame alone.
        distance: (N, H/4, W/4) float32, from the background's features.
        context: (N, K, H/4, W/4) float32, what stage 2 learns of frame and background; None for sizes without it.
    """

    features: Tensor
    distance: Tensor
    context: Tensor | None


class SiameseDistance(nn.Module):
    """Features of two frames by one backbone, and their distance at each place. Backbones are its subclasses."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.distance_channels = size.feature_channels - size.fine_channels
        self.comparer = _Comparer(size) if size.context_channels else None

    @abstractmethod
    def features(self, frame: Tensor) -> Tensor:
        """Computes features: (N, H, W, 3) uint8 BGR -> (N, C, H/4, W/4)."""

    def forward(self, frame: Tensor, background_features: Tensor) -> Comparison:
        """Compares frames (N, H, W, 3) uint8 BGR with the features of their backgrounds, (N, C, H/4, W/4)."""
        return self.compare(self.features(frame).float(), background_features)

    def compare(self, features: Tensor, background_features: Tensor) -> Comparison:
        """Compares features (N, C, H/4, W/4) of frames with those of their backgrounds."""
        counted = self.distance_channels
        distance = feature_distance(features[:, :counted], background_features[:, :counted])
        context = None if self.comparer is None else self.comparer(features, background_features)
        return Comparison(features, distance, context)


class _Comparer(nn.Module):
    """Learns what stage 2 should know of both features: a distance alone does not say what a thing is."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3 * size.feature_channels, size.context_channels, 1)

    def forward(self, features: Tensor, background_features: Tensor) -> Tensor:
        frame, background = features / MARGIN, background_features / MARGIN
        both = torch.cat([frame, background, (frame - background).abs()], dim=1).to(self.conv.weight.dtype)
        return F.relu(self.conv(both)).float()


def feature_distance(a: Tensor, b: Tensor) -> Tensor:
    """Computes the Euclidean distance over channels: (N, C, h, w) twice -> (N, h, w) float32.

    It is float32 whatever the features are: a sum of squares exceeds half precision's 65,504.
    """
    difference = a.float() - b.float()
    return (difference.square().sum(dim=1) + DISTANCE_EPSILON).sqrt()
