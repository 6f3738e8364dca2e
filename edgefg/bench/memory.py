"""Memory of this process: how much is resident, and whether a long run adds to it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import OptionError
from ..imaging.io import Image
from ..segmentation.pipeline import Pipeline
from ..utils.progress import Progress
from ..utils.validation import check_count

_STATUS = Path("/proc/self/status")
_SAMPLES = 400
# Allocators keep what a first rush of frames needed.
_WARM_UP_SHARE = 0.2


@dataclass(frozen=True)
class MemorySlope:
    """What frames added to the resident memory after the warm-up, by a line of least squares.

    Attributes:
        frames: How many ran, the warm-up's fifth included.
        mb_per_10000_frames: Its slope, in 1e6 bytes.
        first_mib: What was resident at the end of the warm-up.
        last_mib: And at the end.
    """

    frames: int
    mb_per_10000_frames: float
    first_mib: float
    last_mib: float


def resident_mib() -> float | None:
    """What is resident now; None where the system does not say."""
    if not _STATUS.is_file():
        return None
    (line,) = (line for line in _STATUS.read_text().splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) / 1024


def check_soak(count: int) -> None:
    """Refuses a long run that would say nothing.

    Raises:
        OptionError: There are too few frames for a line, or the system does not say how much is resident.
    """
    check_count("soak", count, at_least=_SAMPLES)
    if resident_mib() is None:
        raise OptionError("soak= needs a system with /proc/self/status, which tells of memory; this one has none")


def memory_slope(
    pipeline: Pipeline,
    frames: Sequence[Image],
    count: int,
    progress: Progress = lambda what, done, total: None,
) -> MemorySlope:
    """Runs frames through a pipeline, and looks at the memory in between.

    Args:
        pipeline: What runs.
        frames: Are handed in again and again.
        count: How many in all.
        progress: Told at each look.

    Raises:
        OptionError: See `check_soak`.
    """
    check_soak(count)
    every = count // _SAMPLES
    seen: list[tuple[int, float]] = []
    for number, _ in enumerate(pipeline.map(frames[number % len(frames)] for number in range(count))):
        if number % every == 0:
            seen.append((number, resident_mib() or 0.0))
            progress("a long run", number, count)
    numbers, mib = np.array(seen[int(_WARM_UP_SHARE * len(seen)) :]).T
    slope_mib, _ = np.polyfit(numbers, mib, 1)
    return MemorySlope(
        frames=count,
        mb_per_10000_frames=round(float(slope_mib) * 1.048576 * 10_000, 4),
        first_mib=round(float(mib[0]), 2),
        last_mib=round(float(mib[-1]), 2),
    )
