"""The convolution that both networks are made of."""

from torch import nn

from .sizes import Size


def conv_block(channels_in: int, channels_out: int, size: Size, *, stride: int = 1, dilation: int = 1) -> nn.Sequential:
    """Returns a padded 3x3 convolution, batch normalisation if `size` has it, and ReLU."""
    conv = nn.Conv2d(channels_in, channels_out, 3, stride, dilation, dilation, bias=not size.batch_norm)
    nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
    if conv.bias is not None:
        nn.init.zeros_(conv.bias)
    norm = [nn.BatchNorm2d(channels_out)] if size.batch_norm else []
    return nn.Sequential(conv, *norm, nn.ReLU(inplace=True))
