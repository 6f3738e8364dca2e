"""Memory over a long run: that a leak shows, and that the pipeline has none."""

import mmap
import sys
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pytest

from edgefg import Pipeline
from edgefg.bench.memory import check_soak, memory_slope, resident_mib
from edgefg.bundle.bundle import Bundle
from edgefg.errors import OptionError

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")


class Leak:
    """What a pipeline that kept 8,192 bytes of each frame would be: new pages, as the heap may have free ones."""

    def __init__(self) -> None:
        self.kept: list[mmap.mmap] = []

    def map(self, frames: Iterable[Any]) -> Iterator[None]:
        for _ in frames:
            pages = mmap.mmap(-1, 8192)
            pages.write(bytes([1]) * 8192)
            self.kept.append(pages)
            yield None


def test_a_leak_is_seen_as_large_as_it_is() -> None:
    found = memory_slope(Leak(), [np.zeros((48, 64, 3), np.uint8)], 4000)  # type: ignore[arg-type]
    assert found.mb_per_10000_frames == pytest.approx(81.92, rel=0.1)
    assert found.last_mib - found.first_mib == pytest.approx(4000 * 0.8 * 8192 / (1 << 20), rel=0.1)


def test_what_is_resident_is_what_the_system_says() -> None:
    resource = pytest.importorskip("resource")
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    found = resident_mib()
    assert found is not None
    assert 10 < found <= peak_mib + 1


@pytest.mark.parametrize("count", [0, -1, 399])
def test_too_few_frames_for_a_line(count: int) -> None:
    with pytest.raises(OptionError, match="400 or more"):
        check_soak(count)


@pytest.mark.soak
def test_the_pipeline_keeps_nothing_of_20000_frames(tiny_bundle: Bundle, frames: list[np.ndarray]) -> None:
    pytest.importorskip("openvino")
    with Pipeline(tiny_bundle) as pipeline:
        assert memory_slope(pipeline, frames, 20_000).mb_per_10000_frames < 1
