"""What skipping stage 2 on quiet frames costs: shares and losses that can be told beforehand."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from edgefg import Pipeline
from edgefg.bundle.bundle import Bundle
from edgefg.datasets.sequences import Dataset, open_dataset
from edgefg.errors import OptionError
from edgefg.evaluate.evaluate import evaluate
from edgefg.evaluate.metrics import Counts, count

Writer = Callable[..., Path]


@pytest.fixture
def dataset(tmp_path: Path, write_sequence: Writer, write_set: Writer, make_scene: Any) -> Dataset:
    """A sequence of ten frames with a bright box, in two of which it is dim; and a set of three."""
    scene = write_sequence(tmp_path / "data/baseline/highway")
    for number in (3, 7):
        file = scene / f"input/in{number:06d}.png"
        image = cv2.imread(str(file))
        assert image is not None
        clean = make_scene()
        cv2.imwrite(str(file), np.where(image > 200, clean + 100, clean).astype(np.uint8))
    write_set(tmp_path / "data/indoor/set1")
    return open_dataset(tmp_path / "data")


def test_share_and_loss_are_those_of_the_frames_below_the_level(dataset: Dataset, tiny_bundle: Bundle) -> None:
    # The tiny bundle's distance is that of colours over 255: 0.68 for the dim box, 1.3 and more for the bright ones.
    found = evaluate(dataset, bundle=tiny_bundle, quiet=[0.1, 1, 10])
    none, dim, all_ = found.quiet
    assert [score.level for score in found.quiet] == [0.1, 1, 10]
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
    found = evaluate(replace(dataset, sequences=(sequence,)), bundle=tiny_bundle, quiet=[1])
    with Pipeline(tiny_bundle, skip_below=1) as pipeline:
        pipeline.backgrounds[""].set(make_scene())
        results = list(pipeline.map([sequence.frame(path) for path in sequence.labelled]))
    truths = [sequence.truth(path) for path in sequence.labelled]
    counts = sum((count(result.mask, truth) for result, truth in zip(results, truths, strict=True)), Counts())
    assert found.quiet[0].scores.sequences["baseline/highway"].counts == counts
    assert found.quiet[0].skip_rate == np.mean([result.stage2_skipped for result in results])


@pytest.mark.parametrize("level", [0, -1, float("nan"), float("inf")])
def test_a_level_that_makes_no_sense(level: float, dataset: Dataset, tiny_bundle: Bundle) -> None:
    with pytest.raises(OptionError, match="skip_below must be a number above 0"):
        evaluate(dataset, bundle=tiny_bundle, quiet=[5, level])


def test_without_edgefg_there_is_nothing_to_skip(dataset: Dataset) -> None:
    with pytest.raises(OptionError, match="--quiet: expected edgefg among the methods, got mog2"):
        evaluate(dataset, methods=["mog2"], quiet=[5])


def test_the_command_prints_and_writes_them(dataset: Dataset, tiny_bundle: Bundle, edgefg: Any, tmp_path: Path) -> None:
    words = "--bundle", tiny_bundle.path, "--quiet", 1, "--quiet", 10, "--json", tmp_path / "scores.json"
    ended = edgefg("evaluate", dataset.source, *words)
    assert (ended.code, ended.err) == (0, "")
    assert re.search(r"^ +1 +15\.4% +0\.9444 +0\.0556 +0\.1111 *$", ended.out, re.MULTILINE)
    scores = json.loads((tmp_path / "scores.json").read_text())["quiet"]
    assert [score["level"] for score in scores] == [1, 10]
    assert scores[0]["skip_rates"]["baseline/highway"] == 0.2
    assert scores[0]["overall"]["f"] == pytest.approx(17 / 18)
