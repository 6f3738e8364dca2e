"""The two networks: a siamese distance map, and an encoder-decoder that turns map and frame into a mask.

Frames come in as bytes, as a camera delivers them. Normalising, rounding and fusing are part of the networks, so that
every engine that runs an export receives the same input.
"""

import torch
from torch import Tensor, nn

from .fusion import ADD, Fusion
from .sizes import Size

VGG_MEAN_BGR = (103.939, 116.779, 123.68)
"""Mean that the pretrained VGG16 subtracts from its input, in 0..255."""

DISTANCE_EPSILON = 1e-6
"""Added under the root: the gradient of sqrt at 0 is infinite."""


def conv_block(channels_in: int, channels_out: int, size: Size, *, stride: int = 1, dilation: int = 1) -> nn.Sequential:
    """Returns a padded 3x3 convolution, batch normalisation if `size` has it, and ReLU."""
    conv = nn.Conv2d(channels_in, channels_out, 3, stride, dilation, dilation, bias=not size.batch_norm)
    nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
    if conv.bias is not None:
        nn.init.zeros_(conv.bias)
    norm = [nn.BatchNorm2d(channels_out)] if size.batch_norm else []
    return nn.Sequential(conv, *norm, nn.ReLU(inplace=True))


def pooling(stride: int) -> nn.MaxPool2d:
    """Returns VGG's 2x2 pooling; with stride 1, a 3x3 window, which keeps the size."""
    return nn.MaxPool2d(2, 2) if stride == 2 else nn.MaxPool2d(3, 1, 1)


class SiameseDistance(nn.Module):
    """Stage 1: features of two frames by one backbone, and their distance at each place.

    The backbone is VGG16 up to conv4_3 with pool3 at stride 1 and conv4_x dilated by 2. Spatial pyramid
    pooling (3x3, 5x5) and a 1x1 convolution compute the features, at a quarter of the frame's size.
    """

    mean: Tensor

    def __init__(self, size: Size) -> None:
        super().__init__()
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

    def forward(self, frame: Tensor, background_features: Tensor) -> tuple[Tensor, Tensor]:
        """Returns features (N, C, H/4, W/4) and distance (N, H/4, W/4) float32 of frames (N, H, W, 3) uint8 BGR."""
        features = self.features(frame).float()
        return features, feature_distance(features, background_features)


def feature_distance(a: Tensor, b: Tensor) -> Tensor:
    """Computes the Euclidean distance over channels: (N, C, h, w) twice -> (N, h, w) float32.

    It is float32 whatever the features are: a sum of squares exceeds half precision's 65,504.
    """
    difference = a.float() - b.float()
    return (difference.square().sum(dim=1) + DISTANCE_EPSILON).sqrt()


class MaskDecoder(nn.Module):
    """Stage 2: a U-Net over the fused frame and map; returns the logit of foreground at each pixel.

    Each decoder level doubles the size by a transposed convolution and concatenates the encoder's output of
    that size. With an early stride the full-size level concatenates the fused input itself.
    """

    def __init__(self, size: Size, fusion: Fusion = ADD) -> None:
        super().__init__()
        self.fusion = fusion
        widths = [size.channels(c) for c in (64, 128, 256, 512)]
        strides = [size.early_stride, 2, 2, 2]
        self.encoder = nn.ModuleList()
        channels = fusion.channels
        for width, stride in zip(widths, strides, strict=True):
            self.encoder.append(
                nn.Sequential(conv_block(channels, width, size, stride=stride), conv_block(width, width, size))
            )
            channels = width
        skips = widths[:-1] if size.early_stride == 1 else [fusion.channels, *widths[:-1]]
        outputs = widths[:-1] if size.early_stride == 1 else [size.channels(32), *widths[:-1]]
        self.up = nn.ModuleList()
        self.decoder = nn.ModuleList()
        for skip, width in zip(reversed(skips), reversed(outputs), strict=True):
            self.up.append(nn.ConvTranspose2d(channels, width, 2, 2))
            self.decoder.append(nn.Sequential(conv_block(width + skip, width, size), conv_block(width, width, size)))
            channels = width
        self.head = nn.Conv2d(channels, 1, 1)

    def forward(self, frame: Tensor, distance: Tensor) -> Tensor:
        """Returns logits (N, H, W) of (N, H, W, 3) uint8 BGR and distances (N, H/4, W/4) float32."""
        x = self.fusion.fuse(frame, distance).to(self.head.weight.dtype)  # (N, 3 or 4, H, W)
        fused = x
        skips = []
        for level in self.encoder:
            x = level(x)
            skips.append(x)
        skips.pop()
        if len(self.up) > len(skips):
            skips.insert(0, fused)
        for up, level in zip(self.up, self.decoder, strict=True):
            x = level(torch.cat([up(x), skips.pop()], dim=1))
        logits: Tensor = self.head(x)
        return logits.squeeze(1)


def multiply_adds(module: nn.Module, *inputs: Tensor) -> int:
    """Counts the multiply-adds of all convolutions in one forward pass (an operation count is twice this)."""
    total = 0

    def count(layer: nn.Module, _: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal total
        if isinstance(layer, nn.ConvTranspose2d):
            # Kernel and stride are equal here, so every output value comes from one tap.
            total += output.numel() * layer.in_channels
        elif isinstance(layer, nn.Conv2d):
            total += output.numel() * layer.in_channels * layer.kernel_size[0] * layer.kernel_size[1]

    hooks = [m.register_forward_hook(count) for m in module.modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d)]
    try:
        with torch.inference_mode():
            module(*inputs)
    finally:
        for hook in hooks:
            hook.remove()
    return total
