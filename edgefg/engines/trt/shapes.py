"""Shapes of the networks' arrays, and their sizes in memory."""

import numpy as np

from ...bundle.bundle import Bundle
from ..io_spec import handed_on


class Shapes:
    """Shapes of the networks' arrays for a batch."""

    def __init__(self, bundle: Bundle, batch: int = 1) -> None:
        width, height = bundle.input_size
        self.batch = batch
        self.frame = (batch, height, width, 3)
        self.features = (batch, bundle.feature_channels, height // 4, width // 4)
        self.handed_on = {
            name: (batch, *(side or 1 for side in port.shape)) for name, port in handed_on(bundle).items()
        }
        self.distance = self.handed_on["distance"]
        self.probability = (batch, height, width)


def uint8_bytes(shape: tuple[int, ...]) -> int:
    return int(np.prod(shape))


def float32_bytes(shape: tuple[int, ...]) -> int:
    return uint8_bytes(shape) * 4
