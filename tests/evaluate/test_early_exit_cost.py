"""The cost of skipping stage 2: shares and losses that can be told beforehand."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from edgefg import Pipeline
from edgefg.bundle.bundle import Bundle
from edgefg.datasets.sequences import Dataset
from edgefg.errors import OptionError
from edgefg.evaluate.evaluate import evaluate
from edgefg.evaluate.metrics import Counts, count

from ..support.evaluate_rig import dataset as dataset


def test_share_and_loss_are_those_of_the_frames_below_the_level(dataset: Dataset, tiny_bundle: Bundle) -> None:
    # The tiny bundle's distance is that of colours over 255: 0.68 for the dim box, 1.3 and more for the bright ones.
    found = evaluate(dataset, bundle=tiny_bundle, skip_below=[0.1, 1, 10])
    none, dim, all_ = found.skip_scores
    assert [score.level for score in found.skip_scores] == [0.1, 1, 10]
    assert (none.skip_rate, none.f_loss, none.largest_f_loss) == (0, 0, 0)
    assert none.scores == found.methods["edgefg"]
    assert dim.skip_rate == pytest.approx(2 / 13)
    assert dim.skip_rates == {"baseline/highway": 0.2, "indoor/set1": 0}
    # A fifth of the foreground is missed: F is 2 * 8 / (2 * 8 + 2).
    assert dim.largest_f_loss == pytest.approx(1 - 16 / 18)
    assert dim.f_loss == pytest.approx((1 - 16 / 18) / 2)
    assert (all_.skip_rate, all_.scores.overall.f, all_.f_loss) == (1, 0, 1)


def test_masks_are_those_of_a_pipeline_that_skips(dataset: Dataset, tiny_bundle: Bundle, make_scene: Any) -> None:
    pytest.importorskip("openvino")
    sequence = dataset.sequences[0]
    found = evaluate(replace(dataset, sequences=(sequence,)), bundle=tiny_bundle, skip_below=[1])
    with Pipeline(tiny_bundle, skip_below=1) as pipeline:
        pipeline.backgrounds[""].set(make_scene())
        results = list(pipeline.map([sequence.frame(path) for path in sequence.labelled]))
    truths = [sequence.truth(path) for path in sequence.labelled]
    counts = sum((count(result.mask, truth) for result, truth in zip(results, truths, strict=True)), Counts())
    assert found.skip_scores[0].scores.sequences["baseline/highway"].counts == counts
    assert found.skip_scores[0].skip_rate == np.mean([result.stage2_skipped for result in results])


@pytest.mark.parametrize("level", [0, -1, float("nan"), float("inf")])
def test_a_level_that_makes_no_sense(level: float, dataset: Dataset, tiny_bundle: Bundle) -> None:
    with pytest.raises(OptionError, match="skip_below must be a number above 0"):
        evaluate(dataset, bundle=tiny_bundle, skip_below=[5, level])


def test_without_edgefg_there_is_nothing_to_skip(dataset: Dataset) -> None:
    with pytest.raises(OptionError, match="skip_below= needs edgefg among the methods, got mog2"):
        evaluate(dataset, methods=["mog2"], skip_below=[5])
