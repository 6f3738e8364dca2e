"""Precision over recall: counted level by level, by the same rules as the scores."""

import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgefg.bundle.bundle import Bundle
from edgefg.datasets.sequences import Dataset, open_dataset
from edgefg.errors import MissingDependencyError
from edgefg.evaluate.curve import CurveRecorder, draw_curves, require_plots
from edgefg.evaluate.evaluate import Evaluation, evaluate

Writer = Callable[..., Path]


@pytest.fixture
def dataset(tmp_path: Path, write_sequence: Writer, write_set: Writer) -> Dataset:
    write_sequence(tmp_path / "baseline/highway", range(1, 9))
    write_sequence(tmp_path / "shadow/yard", range(1, 5))
    write_set(tmp_path / "indoor/set1")
    return open_dataset(tmp_path)


@pytest.fixture
def recorded(dataset: Dataset, tiny_bundle: Bundle) -> tuple[Evaluation, CurveRecorder]:
    recorder = CurveRecorder()
    methods = ["edgefg", "edgefg-map", "mog2"]
    # The first frame as the background leaves ghosts: a curve at 1 everywhere would say little.
    return evaluate(dataset, methods, bundle=tiny_bundle, background="first", observers=[recorder]), recorder


def test_the_curve_passes_through_the_score_at_the_threshold(recorded: tuple[Evaluation, CurveRecorder]) -> None:
    evaluation, recorder = recorded
    curves = recorder.curves(evaluation)
    for method in ("edgefg", "edgefg-map"):
        assert len(curves[method]) == 255
        # The levels begin at 1, and the lowest level at the threshold of one half is 128.
        assert curves[method][127] == evaluation.methods[method].overall
        assert evaluation.methods[method].overall.f < 0.95


def test_recall_never_rises_with_the_level(recorded: tuple[Evaluation, CurveRecorder]) -> None:
    evaluation, recorder = recorded
    recall = [measures.recall for measures in recorder.curves(evaluation)["edgefg-map"]]
    assert recall == sorted(recall, reverse=True)
    assert recall[0] > recall[-1]


def test_a_method_without_levels_has_no_curve(recorded: tuple[Evaluation, CurveRecorder]) -> None:
    evaluation, recorder = recorded
    assert set(recorder.curves(evaluation)) == {"edgefg", "edgefg-map"}


def test_the_picture_has_all_methods(recorded: tuple[Evaluation, CurveRecorder]) -> None:
    pytest.importorskip("matplotlib")
    evaluation, recorder = recorded
    png = draw_curves(evaluation, recorder.curves(evaluation))
    picture = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    # The colours that matplotlib gives to the first three: blue, orange, green.
    for colour in ((180, 119, 31), (14, 127, 255), (44, 160, 44)):
        assert (picture == colour).all(-1).sum() > 20


def test_a_scene_without_movement_draws_too(dataset: Dataset, tiny_bundle: Bundle) -> None:
    pytest.importorskip("matplotlib")
    for sequence in dataset.sequences:
        for mask in sequence.masks.values():
            cv2.imwrite(str(mask), np.zeros((48, 64), np.uint8))
    recorder = CurveRecorder()
    evaluation = evaluate(dataset, ["edgefg"], bundle=tiny_bundle, observers=[recorder])
    assert draw_curves(evaluation, recorder.curves(evaluation)).startswith(b"\x89PNG")


def test_without_matplotlib_it_is_said_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingDependencyError, match=r"curve= needs .*matplotlib.*pip install \"edgefg\[plot\]\""):
        require_plots("curve")
