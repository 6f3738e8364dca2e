"""Stage 2: an encoder-decoder that turns map and frame into a mask.

Frames come in as bytes, as a camera delivers them. Rounding and fusing are part of the network, so that every engine
that runs an export receives the same input.
"""

import torch
from torch import Tensor, nn

from .fusion import ADD, Fusion
from .layers import conv_block
from .sizes import Size


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
