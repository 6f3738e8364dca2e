"""Shapes of the networks' arrays, and their sizes in memory."""

import numpy as np

from ...bundle.bundle import Bundle
from ..io_spec import handed_on


class Shapes:
    """Shapes of the networks' arrays for a batch of one."""

    def __init__(self, bundle: Bundle) -> None:
        width, height = bundle.input_size
        self.frame = (1, height, width, 3)
        self.features = (1, bundle.feature_channels, height // 4, width // 4)
        self.handed_on = {name: (1, *(side or 1 for side in port.shape)) for name, port in handed_on(bundle).items()}
        self.distance = self.handed_on["distance"]
        self.probability = (1, height, width)


def uint8_bytes(shape: tuple[int, ...]) -> int:
    return int(np.prod(shape))


def float32_bytes(shape: tuple[int, ...]) -> int:
    return uint8_bytes(shape) * 4
