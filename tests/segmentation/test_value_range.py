"""Frames of more than 8 bits through Segmenter and Pipeline."""

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from edgefg.bundle.bundle import Bundle
from edgefg.errors import FrameError, OptionError
from edgefg.segmentation.pipeline import Pipeline
from edgefg.segmentation.segmenter import Segmenter

WALL = (np.linspace(7000, 7080, 64) + np.zeros((48, 1))).astype(np.uint16)
WARM = WALL.copy()
WARM[:16, :16] = 7400


def has_found_it(mask: npt.NDArray[np.uint8]) -> bool:
    return bool(mask[:12, :12].all()) and not mask[24:].any()


def test_thermal_counts_without_a_range_show_nothing(tiny_bundle: Bundle) -> None:
    with Segmenter(tiny_bundle, policy="fixed") as segmenter:
        segmenter.segment(WALL)
        assert not segmenter.segment(WARM).mask.any()


@pytest.mark.parametrize("value_range", ["auto", (7000, 7400)])
@pytest.mark.parametrize("scale", [1, 0.01])
def test_a_range_shows_what_changed(value_range: object, scale: float, tiny_bundle: Bundle) -> None:
    """In counts of 16 bits and, scaled, in degrees as floating point."""
    chosen = value_range if value_range == "auto" else (7000 * scale, 7400 * scale)
    wall, warm = (WALL, WARM) if scale == 1 else ((one * scale).astype(np.float32) for one in (WALL, WARM))
    with Segmenter(tiny_bundle, policy="fixed", value_range=chosen) as segmenter:  # type: ignore[arg-type]
        segmenter.segment(wall)
        # The range of degrees that is found is wide: at least one degree, so that it is no noise.
        assert has_found_it(segmenter.segment(warm).mask)


def test_the_background_has_the_same_range(tiny_bundle: Bundle, tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "wall.png"), WALL)
    for background in (WALL, tmp_path / "wall.png"):
        with Segmenter(tiny_bundle, background=background, policy="fixed", value_range=(7000, 7400)) as segmenter:
            assert has_found_it(segmenter.segment(WARM).mask)


def test_each_camera_of_a_pipeline_has_its_own(tiny_bundle: Bundle) -> None:
    ranges = {"a": "auto", "b": (70, 74)}
    with Pipeline(tiny_bundle, policy="fixed", value_range=ranges) as pipeline:  # type: ignore[arg-type]
        for frame in (WALL, WARM):
            pipeline.submit(frame, camera="a")
            pipeline.submit((frame / 100).astype(np.float32), camera="b")
        pipeline.flush()
        pipeline.close()
        last = {result.camera: result for result in pipeline}
    assert has_found_it(last["a"].mask) and has_found_it(last["b"].mask)


def test_a_range_for_all_cameras(tiny_bundle: Bundle) -> None:
    with Pipeline(tiny_bundle, policy="fixed", value_range=(7000, 7400)) as pipeline:
        *_, last = pipeline.map([WALL, WARM])
    assert has_found_it(last.mask)


def test_floating_point_without_a_range_is_refused(tiny_bundle: Bundle) -> None:
    with Segmenter(tiny_bundle) as segmenter, pytest.raises(FrameError, match="pass value_range"):
        segmenter.segment(WALL.astype(np.float32))


def test_a_range_that_makes_no_sense(tiny_bundle: Bundle) -> None:
    for value_range in ((2, 1), "wide", {"a": (2, 1)}):
        with pytest.raises(OptionError, match="value_range must be two finite numbers"):
            Pipeline(tiny_bundle, value_range=value_range)  # type: ignore[arg-type]
    with pytest.raises(OptionError, match="value_range must be two finite numbers"):
        Segmenter(tiny_bundle, value_range=(2, 1))
