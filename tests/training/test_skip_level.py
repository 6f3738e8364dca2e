"""Which distance lets frames skip stage 2: cases that can be told by hand."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from edgefg import Pipeline, Segmenter
from edgefg.bundle.bundle import Bundle

level_of = pytest.importorskip("edgefg.build.training.skip_level")

STILL = level_of.SkipFrame(peak=3.2, tp=0, fp=0, moving=0)
BUSY = level_of.SkipFrame(peak=25.0, tp=900, fp=50, moving=1000)


def test_it_ends_below_the_first_frame_that_counts() -> None:
    assert level_of.skip_level([[STILL, BUSY]]) == 25.0


def test_a_small_object_lost_counts_in_its_own_category() -> None:
    faint = level_of.SkipFrame(peak=7.1, tp=80, fp=0, moving=100)
    # In a category of large objects it drowns.
    assert level_of.skip_level([[STILL, BUSY, replace(BUSY, tp=99_000, moving=99_000), faint]]) > 7.5
    assert level_of.skip_level([[STILL, BUSY], [faint, STILL]]) == 7.0


def test_what_is_harmless_above_a_loss_is_not_trusted() -> None:
    # Losing its hits costs F; losing the false alarms of the louder one then makes up for it.
    hits = level_of.SkipFrame(peak=5.2, tp=100, fp=0, moving=100)
    alarms = level_of.SkipFrame(peak=9.2, tp=0, fp=1000, moving=0)
    assert level_of.skip_level([[STILL, hits, alarms, BUSY]]) == 5.0


def test_false_alarms_alone_may_go() -> None:
    alarms = level_of.SkipFrame(peak=9.2, tp=0, fp=40, moving=0)
    assert level_of.skip_level([[alarms], [BUSY]]) == 25.0


def test_where_no_frame_would_skip_nothing_is_proven() -> None:
    assert level_of.skip_level([[BUSY]]) is None
    assert level_of.skip_level([]) is None


@pytest.mark.parametrize("owner", [Segmenter, Pipeline])
def test_the_bundles_level_is_the_default(
    owner: Callable[..., Segmenter | Pipeline], tiny_bundle: Bundle, make_scene: Callable[..., np.ndarray]
) -> None:
    still, busy = make_scene(), make_scene(boxes=((20, 12, 16, 16),))
    calibrated = replace(tiny_bundle, decision=replace(tiny_bundle.decision, skip_below=0.1))

    def skipped(bundle: Bundle, **options: object) -> list[bool]:
        with owner(bundle, policy="fixed", **options) as one:
            if isinstance(one, Segmenter):
                one.background.set(still)
                return [one.segment(frame).stage2_skipped for frame in (still, busy)]
            one.backgrounds[""].set(still)
            return [result.stage2_skipped for result in one.map([still, busy])]

    assert skipped(calibrated) == [True, False]
    assert skipped(calibrated, skip_below=None) == [False, False]
    assert skipped(tiny_bundle) == [False, False]
    assert skipped(calibrated, mode="map") == [False, False]
