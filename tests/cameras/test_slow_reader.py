"""A reader three times too slow, for 5 s; see camera_slow_reader.py."""

from pathlib import Path

import numpy as np
import pytest

from ..support import camera_slow_reader, rtsp

pytest.importorskip("av")
pytestmark = pytest.mark.rtsp


def test_a_reader_three_times_too_slow_never_falls_behind(tmp_path: Path) -> None:
    """Reading every frame, it would fall behind by 667 ms each second."""
    if reason := rtsp.missing():
        pytest.skip(reason)
    ages = camera_slow_reader.run(tmp_path, seconds=5)
    print(ages)
    assert ages.dropped > 50
    assert np.median(ages.true_ms) < 150
    assert abs(ages.slope_ms_per_s) < 5
    # The camera tells the truth about it, but for what decoding and the server's own queue take.
    assert np.median(np.abs(ages.true_ms - ages.told_ms)) < 50
