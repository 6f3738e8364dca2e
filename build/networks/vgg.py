"""Stage 1 with the paper's backbone, VGG16."""

import torch
from torch import Tensor, nn

from .layers import conv_block
from .sizes import Size
from .stage1 import SiameseDistance

VGG_MEAN_BGR = (103.939, 116.779, 123.68)
"""Mean that the pretrained VGG16 subtracts from its input, in 0..255."""


def pooling(stride: int) -> nn.MaxPool2d:
    """Returns VGG's 2x2 pooling; with stride 1, a 3x3 window, which keeps the size."""
    return nn.MaxPool2d(2, 2) if stride == 2 else nn.MaxPool2d(3, 1, 1)


class VggDistance(SiameseDistance):
    """Stage 1 on VGG16.

    The backbone is VGG16 up to conv4_3 with pool3 at stride 1 and conv4_x dilated by 2. Spatial pyramid
    pooling (3x3, 5x5) and a 1x1 convolution compute the features, at a quarter of the frame's size.
    """

    mean: Tensor

    def __init__(self, size: Size) -> None:
        super().__init__(size)
        c1, c2, c3, c4 = (size.channels(c) for c in (64, 128, 256, 512))
        self.backbone = nn.Sequential(
            conv_block(3, c1, size, stride=size.early_stride),
            conv_block(c1, c1, size),
            pooling(2),
            conv_block(c1, c2, size),
            conv_block(c2, c2, size),
            pooling(1 if size.early_stride == 2 else 2),
            conv_block(c2, c3, size),
            conv_block(c3, c3, size),
            conv_block(c3, c3, size),
            pooling(1),
            conv_block(c3, c4, size, dilation=2),
            conv_block(c4, c4, size, dilation=2),
            conv_block(c4, c4, size, dilation=2),
        )
        self.pool = nn.MaxPool2d(3, 1, 1)
        self.project = nn.Conv2d(3 * c4, size.feature_channels, 1)
        self.register_buffer("mean", torch.tensor(VGG_MEAN_BGR).view(1, 3, 1, 1), persistent=False)

    def features(self, frame: Tensor) -> Tensor:
        """Computes features: (N, H, W, 3) uint8 BGR -> (N, C, H/4, W/4)."""
        image = frame.to(self.mean.dtype).permute(0, 3, 1, 2) - self.mean  # TensorRT does not transpose bytes.
        top = self.backbone(image)  # (N, c4, H/4, W/4)
        pooled3 = self.pool(top)
        pooled5 = self.pool(pooled3)  # The maximum of 3x3 maxima is the 5x5 maximum, for 9 comparisons in place of 25.
        features: Tensor = self.project(torch.cat([top, pooled3, pooled5], dim=1))  # (N, 3 c4, H/4, W/4) -> (N, C, ...)
        return features
