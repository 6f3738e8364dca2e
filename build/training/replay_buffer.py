"""Reuse of distance maps: while stage 1 is frozen a pair has one map, which costs as much as a step."""

import torch
from torch import Tensor

CAPACITY = 1024
"""Capacity of the pool in pairs: 0.4 GB of whole frames."""


class Replay:
    """A pool of recent pairs that fills each batch up."""

    def __init__(self, batch: int, capacity: int = CAPACITY) -> None:
        self.batch = batch
        self.capacity = capacity
        self._pool: list[tuple[Tensor, ...]] = []
        self._oldest = 0

    def fill(self, fresh: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Adds pairs from the pool, these included, until there are `batch` of them.

        A batch has its full size from the first step on, with repeated pairs if needed: compiled networks would be
        compiled again for any other size.

        Args:
            fresh: Tensors with the new pairs along the first axis, at most `batch` of them.
        """
        missing = self.batch - len(fresh[0])
        if missing == 0:
            return fresh
        for pair in zip(*fresh, strict=True):
            if len(self._pool) < self.capacity:
                self._pool.append(pair)
            else:
                self._pool[self._oldest] = pair
                self._oldest = (self._oldest + 1) % self.capacity
        chosen = torch.randint(len(self._pool), (missing,)).tolist()
        drawn = zip(*(self._pool[index] for index in chosen), strict=True)
        return tuple(torch.cat([new, torch.stack(old)]) for new, old in zip(fresh, drawn, strict=True))
