"""The cost of a network: the multiply-adds of its convolutions."""

import torch
from torch import Tensor, nn


def multiply_adds(module: nn.Module, *inputs: Tensor | None) -> int:
    """Counts the multiply-adds of all convolutions in one forward pass (an operation count is twice this)."""
    total = 0

    def count(layer: nn.Module, _: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal total
        if isinstance(layer, nn.ConvTranspose2d):
            # Kernel and stride are equal here, so every output value comes from one tap.
            total += output.numel() * layer.in_channels
        elif isinstance(layer, nn.Conv2d):
            total += output.numel() * layer.in_channels // layer.groups * layer.kernel_size[0] * layer.kernel_size[1]

    hooks = [m.register_forward_hook(count) for m in module.modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d)]
    try:
        with torch.inference_mode():
            module(*inputs)
    finally:
        for hook in hooks:
            hook.remove()
    return total
