"""Weights in 8 bits whose products every CPU adds exactly.

An x86 CPU without VNNI multiplies unsigned bytes by signed ones with PMADDUBSW, which adds each product to its
neighbour's in 16 bits and saturates: 255 x 127 + 255 x 127 becomes 32767. OpenVINO and ONNX Runtime both use it.
Neighbours are two input channels of one tap. No sum can saturate, whatever the activations, where two neighbours of
one sign add up to 128 at most. To halve all weights, 7 bits, would do, and cost four times the rounding noise.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

MAX_SUM = 32767 // 255
"""Of two neighbouring weights of one sign: 255 times this fits 16 bits."""

# Of the scale that just holds the largest weight. At twice that scale any two weights may be neighbours.
_WIDER = np.linspace(1, 2, 21)

Columns = tuple[NDArray[np.intp], NDArray[np.intp]]


def round_unsaturated(
    values: NDArray[np.float32], scales: NDArray[np.floating]
) -> tuple[NDArray[np.int8], NDArray[np.floating]]:
    """Round weights to 8 bits so that no sum of two neighbours' products can saturate.

    A wider scale rounds more coarsely and leaves fewer pairs to shrink: each output channel gets the scale at which
    both errors together are least.

    Args:
        values: (O, I, height, width), output channels first.
        scales: (O,), those that just hold the largest weight of each output channel.

    Returns:
        Integers of the shape of `values`, and their (O,) scales.
    """
    rows = values.reshape(len(values), -1)
    neighbours = list(_neighbours(values.shape[1], rows.shape[1] // values.shape[1]))
    integers, chosen = np.zeros(rows.shape, np.int8), scales.copy()
    least = np.full(len(rows), np.inf)
    for wider in _WIDER:
        tried = (scales * wider).astype(scales.dtype)
        along = tried.astype(np.float32)[:, None]
        found = _shrunk(np.clip(np.round(rows / along), -127, 127).astype(np.int16), neighbours)
        error = np.square(rows - found * along, dtype=np.float64).sum(axis=1)
        better = error < least
        least[better], chosen[better] = error[better], tried[better]
        integers[better] = found[better].astype(np.int8)
    return integers.reshape(values.shape), chosen


def _neighbours(channels: int, taps: int) -> Iterator[Columns]:
    """Columns of the weights whose products are added in 16 bits, as groups in which none comes twice."""
    column = np.arange(channels * taps).reshape(channels, taps)
    even = channels // 2 * 2
    yield column[0:even:2].ravel(), column[1:even:2].ravel()
    if channels % 2:
        # ONNX Runtime lays all taps of all channels in a row: with an odd number of them pairs reach into the next tap.
        row = column.T.ravel()
        even = len(row) // 2 * 2
        yield row[0:even:2], row[1:even:2]


def _shrunk(integers: NDArray[np.int16], neighbours: list[Columns]) -> NDArray[np.int16]:
    """Both of two neighbours that are too large together, by half of the excess each.

    A weight never grows and never changes its sign, so that a later group leaves an earlier one as it should be.
    """
    for first, second in neighbours:
        total = integers[:, first] + integers[:, second]
        excess = np.maximum(np.abs(total) - MAX_SUM, 0)
        half = excess // 2
        integers[:, first] -= np.sign(total) * half
        integers[:, second] -= np.sign(total) * (excess - half)
    return integers
