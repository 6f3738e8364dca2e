"""The yardstick of a benchmark: an engine's bare loop over frames in memory, as fast as this machine allows."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

MAX_REQUESTS = 4
_WARM_UP = 20


@dataclass(frozen=True)
class BareLoop:
    """A loop over both stages, with some frames in work at once.

    Attributes:
        mode: How OpenVINO was configured; on a GPU, whether a stage is a CUDA graph.
        requests: Frames in work at once.
        run: Runs that many frames, in rotation; returns frames a second.
    """

    mode: str
    requests: int
    run: Callable[[int], float]


@dataclass(frozen=True)
class BareEngine:
    """An engine without us.

    Attributes:
        loops: In every mode, one to four frames at once; none for an engine of which we know no better way than ours.
        pcie_bytes: What a frame moves over the bus ``to_gpu`` and ``from_gpu``; None without a GPU.
    """

    loops: Sequence[BareLoop] = ()
    pcie_bytes: Mapping[str, int] | None = None


def fastest(loops: Sequence[BareLoop], count: int) -> list[BareLoop]:
    """The fastest loop of each mode."""
    for loop in loops:
        loop.run(min(count, _WARM_UP))
    # The best of two, each: one bad moment must not decide.
    rates = {id(loop): max(loop.run(max(1, count // 2)) for _ in range(2)) for loop in loops}
    modes = dict.fromkeys(loop.mode for loop in loops)
    return [max((loop for loop in loops if loop.mode == mode), key=lambda loop: rates[id(loop)]) for mode in modes]
