"""Stage 2: an encoder-decoder that turns map and frame into a mask.

Frames come in as bytes, as a camera delivers them. Rounding and fusing are part of the network, so that every engine
that runs an export receives the same input.
"""

from abc import abstractmethod

import torch
from torch import Tensor, nn

from .fusion import ADD, CONCAT, LIMIT, Fusion
from .layers import conv_block
from .sizes import MARGIN, Size


class MaskDecoder(nn.Module):
    """Stage 2: the logit of foreground at each pixel, from what stage 1 found. Its forms are its subclasses.

    Attributes:
        fusion: How the frame and the map become one input.
        context_channels: Depth of the context that it takes; 0 takes none.
    """

    context_channels = 0

    def __init__(self, fusion: Fusion) -> None:
        super().__init__()
        self.fusion = fusion

    @abstractmethod
    def forward(self, frame: Tensor, distance: Tensor, context: Tensor | None) -> Tensor:
        """Returns logits (N, H, W).

        Args:
            frame: (N, H, W, 3) uint8 BGR.
            distance: (N, H/4, W/4) float32, from stage 1.
            context: (N, K, H/4, W/4) float32, from stage 1; None for sizes without it.
        """


class UNetDecoder(MaskDecoder):
    """The paper's U-Net over the fused frame and map.

    Each decoder level doubles the size by a transposed convolution and concatenates the encoder's output of
    that size. With an early stride the full-size level concatenates the fused input itself.
    """

    def __init__(self, size: Size, fusion: Fusion = ADD) -> None:
        super().__init__(fusion)
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

    def forward(self, frame: Tensor, distance: Tensor, context: Tensor | None = None) -> Tensor:
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


class ContextDecoder(MaskDecoder):
    """Stage 2 for sizes with a context, which joins the fused frame and map at stride 4, next to the map itself.

    It joins again at stride 2, for what differs in detail. Only the first two levels and the last two see the frame's
    own pixels; what a thing is comes from stage 1.
    """

    def __init__(self, size: Size, fusion: Fusion = CONCAT) -> None:
        super().__init__(fusion)
        self.context_channels = size.context_channels
        at1, at2, at4, at8, at16 = fusion.channels, 16, 48, 64, 96
        self.encode2 = nn.Sequential(conv_block(at1, at2, size, stride=2), conv_block(at2, at2, size))
        self.encode4 = conv_block(at2, 32, size, stride=2)
        self.join = conv_block(32 + 1 + size.context_channels, at4, size)
        self.encode8 = nn.Sequential(conv_block(at4, at8, size, stride=2), conv_block(at8, at8, size))
        self.encode16 = nn.Sequential(conv_block(at8, at16, size, stride=2), conv_block(at16, at16, size))
        self.up16, self.decode8 = nn.ConvTranspose2d(at16, at8, 2, 2), conv_block(2 * at8, at8, size)
        self.up8, self.decode4 = nn.ConvTranspose2d(at8, at4, 2, 2), conv_block(2 * at4, 32, size)
        self.up_context = nn.ConvTranspose2d(size.context_channels, 8, 2, 2)
        self.up4, self.decode2 = nn.ConvTranspose2d(32, at2, 2, 2), conv_block(2 * at2 + 8, at2, size)
        self.up2, self.decode1 = nn.ConvTranspose2d(at2, 12, 2, 2), conv_block(12 + at1, 16, size)
        self.head = nn.Conv2d(16, 1, 1)

    def forward(self, frame: Tensor, distance: Tensor, context: Tensor | None) -> Tensor:
        assert context is not None
        dtype = self.head.weight.dtype
        fused = self.fusion.fuse(frame, distance).to(dtype)
        map4 = (distance.clamp(max=LIMIT) / MARGIN).unsqueeze(1).to(dtype)
        x2 = self.encode2(fused)
        context = context.to(dtype)
        x4 = self.join(torch.cat([self.encode4(x2), map4, context], dim=1))
        x8 = self.encode8(x4)
        y = self.decode8(torch.cat([self.up16(self.encode16(x8)), x8], dim=1))
        y = self.decode4(torch.cat([self.up8(y), x4], dim=1))
        y = self.decode2(torch.cat([self.up4(y), x2, self.up_context(context)], dim=1))
        y = self.decode1(torch.cat([self.up2(y), fused], dim=1))
        logits: Tensor = self.head(y)
        return logits.squeeze(1)
