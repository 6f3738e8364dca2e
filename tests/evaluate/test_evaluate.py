"""Evaluations: which frames are scored against which background, what is refused, and how it is reported."""

import json
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgefg.bundle.bundle import Bundle
from edgefg.datasets.sequences import Dataset, fingerprint, open_dataset, scene_split
from edgefg.errors import (
    BundleError,
    DataError,
    FrameError,
    MissingDependencyError,
    MissingFileError,
    OptionError,
)
from edgefg.evaluate.evaluate import Evaluation, FrameScore, evaluate
from edgefg.evaluate.files import scores_as_csv
from edgefg.evaluate.metrics import Counts
from edgefg.evaluate.table import evaluation_table

Writer = Callable[..., Path]
MEASURES = {"recall", "specificity", "fpr", "fnr", "pwc", "precision", "f"}


@pytest.fixture
def dataset(tmp_path: Path, write_sequence: Writer, write_set: Writer) -> Dataset:
    """A sequence of 20 frames whose median is clean, and a set of 3."""
    write_sequence(tmp_path / "baseline/highway", range(1, 21))
    write_set(tmp_path / "indoor/set1")
    return open_dataset(tmp_path)


@pytest.fixture
def sequence_only(dataset: Dataset) -> Dataset:
    return replace(dataset, sequences=dataset.sequences[:1])


def f_of(evaluation: Evaluation, method: str = "edgefg") -> dict[str, float]:
    return {name: score.counts.measures.f for name, score in evaluation.methods[method].sequences.items()}


class TestBackgrounds:
    def test_unseen_compares_with_the_median(self, dataset: Dataset, tiny_bundle: Bundle) -> None:
        evaluation = evaluate(dataset, bundle=tiny_bundle)
        assert (evaluation.protocol, evaluation.background) == ("unseen", "median")
        assert f_of(evaluation) == {"baseline/highway": 1, "indoor/set1": 1}

    def test_the_background_of_the_protocol_unseen_is_the_median(self, dataset: Dataset, tiny_bundle: Bundle) -> None:
        assert evaluate(dataset, background="protocol", bundle=tiny_bundle).background == "median"

    def test_first_leaves_a_ghost_but_sets_use_their_own(self, dataset: Dataset, tiny_bundle: Bundle) -> None:
        f = f_of(evaluate(dataset, background="first", bundle=tiny_bundle))
        assert 0 < f["baseline/highway"] < 1
        assert f["indoor/set1"] == 1

    def test_scene_compares_with_the_frame_that_it_names(self, sequence_only: Dataset, tiny_bundle: Bundle) -> None:
        (sequence,) = sequence_only.sequences
        fullest = scene_split(sequence, 0).test[3]
        everything = np.full((48, 64), 255, np.uint8)
        cv2.imwrite(str(sequence.masks[fullest]), everything)
        clean = evaluate(sequence_only, protocol="scene", background="median", bundle=tiny_bundle)
        ghosts = evaluate(sequence_only, protocol="scene", bundle=tiny_bundle)
        assert ghosts.background == "protocol"
        assert f_of(ghosts)["baseline/highway"] < f_of(clean)["baseline/highway"]

    def test_an_image_is_for_sets_too(
        self, dataset: Dataset, tiny_bundle: Bundle, tmp_path: Path, make_scene: Callable[..., np.ndarray]
    ) -> None:
        image = tmp_path / "clean.png"
        cv2.imwrite(str(image), make_scene(size=(128, 96)))
        assert set(f_of(evaluate(dataset, background=str(image), bundle=tiny_bundle)).values()) == {1}
        cv2.imwrite(str(image), np.full((48, 64, 3), 240, np.uint8))
        assert max(f_of(evaluate(dataset, background=str(image), bundle=tiny_bundle)).values()) < 0.5

    def test_an_image_of_another_shape(self, dataset: Dataset, tiny_bundle: Bundle, tmp_path: Path) -> None:
        cv2.imwrite(str(tmp_path / "wide.png"), np.zeros((48, 128, 3), np.uint8))
        with pytest.raises(FrameError, match=r"wide\.png: expected .* baseline/highway's frames, 64x48.* found 128x48"):
            evaluate(dataset, background=str(tmp_path / "wide.png"), bundle=tiny_bundle)

    def test_no_such_image(self, dataset: Dataset, tiny_bundle: Bundle) -> None:
        with pytest.raises(MissingFileError, match="background='medina': expected median, first, protocol or an image"):
            evaluate(dataset, background="medina", bundle=tiny_bundle)

    def test_no_median_is_made_for_those_who_need_none(
        self, sequence_only: Dataset, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delattr("edgefg.evaluate.evaluate.offline_background")
        evaluate(sequence_only, ["mog2", "knn"])


class TestScoredFrames:
    def test_unseen_scores_all_labelled_frames(self, dataset: Dataset) -> None:
        (scores,) = evaluate(dataset, ["mog2"]).methods.values()
        assert {name: score.frames for name, score in scores.sequences.items()} == {
            "baseline/highway": 20,
            "indoor/set1": 3,
        }

    def test_scene_scores_what_the_split_left_for_tests(self, sequence_only: Dataset) -> None:
        (scores,) = evaluate(sequence_only, ["mog2"], protocol="scene").methods.values()
        counts = scores.sequences["baseline/highway"].counts
        assert scores.sequences["baseline/highway"].frames == 12
        assert counts.tp + counts.fp + counts.fn + counts.tn == 12 * 48 * 64

    def test_another_seed_scores_other_frames(self, sequence_only: Dataset, tiny_bundle: Bundle) -> None:
        one, other = (
            evaluate(sequence_only, protocol="scene", background="first", bundle=tiny_bundle, seed=seed)
            for seed in (0, 1)
        )
        assert (one.seed, other.seed) == (0, 1)
        assert f_of(one) != f_of(other)

    def test_the_same_call_gives_the_same_scores(self, dataset: Dataset, tiny_bundle: Bundle) -> None:
        one, other = (evaluate(dataset, ["edgefg", "mog2"], bundle=tiny_bundle).to_json() for _ in range(2))
        assert one == other

    def test_sets_are_pooled(self, tmp_path: Path, write_set: Writer) -> None:
        write_set(tmp_path / "indoor/set1", frames=1)
        write_set(tmp_path / "indoor/set2", frames=3)
        (scores,) = evaluate(open_dataset(tmp_path), ["mog2"]).methods.values()
        pool = [score.counts for score in scores.sequences.values()]
        assert scores.categories["indoor"] == (pool[0] + pool[1]).measures


class TestSeenFrames:
    @pytest.fixture
    def seasoned(self, dataset: Dataset, tiny_bundle: Bundle) -> Bundle:
        """A bundle that was trained on two of the frames."""
        seen = [fingerprint(path) for path in dataset.sequences[0].inputs[4:6]]
        return replace(tiny_bundle, card={"seen_frames": seen})

    def test_are_refused(self, sequence_only: Dataset, seasoned: Bundle) -> None:
        with pytest.raises(DataError, match=r"names 2 of the 20 tested frames, .*in000005\.png first.*allow_seen=True"):
            evaluate(sequence_only, bundle=seasoned)

    def test_are_scored_on_demand(self, sequence_only: Dataset, seasoned: Bundle) -> None:
        found = evaluate(sequence_only, bundle=seasoned, allow_seen=True)
        assert f_of(found)["baseline/highway"] == 1
        assert found.to_json()["seen_frames"] == 2
        assert "trained on 2 of the 20 tested frames" in str(evaluation_table(found).title)
        assert scores_as_csv(found).splitlines()[1].split(",")[4] == "2"

    def test_are_none_where_the_bundle_saw_others(self, sequence_only: Dataset, tiny_bundle: Bundle) -> None:
        found = evaluate(sequence_only, bundle=tiny_bundle, allow_seen=True)
        assert found.seen_frames == 0
        assert "trained on" not in str(evaluation_table(found).title)

    def test_do_not_matter_where_they_are_not_tested(self, dataset: Dataset, seasoned: Bundle) -> None:
        sets = replace(dataset, sequences=dataset.sequences[1:])
        assert f_of(evaluate(sets, bundle=seasoned))["indoor/set1"] == 1

    def test_do_not_matter_to_other_methods(self, dataset: Dataset, seasoned: Bundle) -> None:
        assert evaluate(dataset, ["mog2"], bundle=seasoned).bundle is None

    def test_a_garbled_card_is_refused(self, sequence_only: Dataset, tiny_bundle: Bundle) -> None:
        with pytest.raises(BundleError, match="expected a list as seen_frames of its card, found int"):
            evaluate(sequence_only, bundle=replace(tiny_bundle, card={"seen_frames": 7}))

    def test_a_bundle_without_a_card_is_taken(self, sequence_only: Dataset, tiny_bundle: Bundle) -> None:
        evaluate(sequence_only, bundle=replace(tiny_bundle, card=None))


class TestMethods:
    def test_both_stages_and_the_map_alone_stand_side_by_side(self, dataset: Dataset, tiny_bundle: Bundle) -> None:
        assert list(evaluate(dataset, bundle=tiny_bundle).methods) == ["edgefg", "edgefg-map"]

    def test_the_map_alone_is_left_out_where_the_bundle_cannot_run_it(
        self, dataset: Dataset, tiny_bundle: Bundle
    ) -> None:
        bundle = replace(tiny_bundle, decision=replace(tiny_bundle.decision, foreground_distance=None))
        assert list(evaluate(dataset, bundle=bundle).methods) == ["edgefg"]

    def test_the_map_alone_by_name_is_refused_there(self, dataset: Dataset, tiny_bundle: Bundle) -> None:
        bundle = replace(tiny_bundle, decision=replace(tiny_bundle.decision, foreground_distance=None))
        with pytest.raises(BundleError, match=r"decision\.foreground_distance"):
            evaluate(dataset, ["edgefg-map"], bundle=bundle)

    def test_the_map_alone_may_not_see_frames_it_was_trained_on(
        self, sequence_only: Dataset, tiny_bundle: Bundle
    ) -> None:
        seen = [fingerprint(path) for path in sequence_only.sequences[0].inputs]
        with pytest.raises(DataError, match="allow_seen=True"):
            evaluate(sequence_only, ["edgefg-map"], bundle=replace(tiny_bundle, card={"seen_frames": seen}))

    def test_a_library_that_is_missing_is_said_before_the_work(
        self, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, "pybgs", None)
        told: list[object] = []
        with pytest.raises(MissingDependencyError, match="the method pawcs needs"):
            evaluate(dataset, ["mog2", "pawcs"], progress=lambda *step: told.append(step))
        assert told == []

    def test_observers_are_told_of_each_frame(self, sequence_only: Dataset, tiny_bundle: Bundle) -> None:
        seen: list[FrameScore] = []
        evaluation = evaluate(sequence_only, ["edgefg", "mog2"], bundle=tiny_bundle, observers=[seen.append])
        assert [frame.method for frame in seen] == ["edgefg"] * 20 + ["mog2"] * 20
        of_network = [frame for frame in seen if frame.method == "edgefg"]
        assert [frame.answer.path for frame in of_network] == list(sequence_only.sequences[0].inputs)
        total = sum((frame.counts for frame in of_network), Counts())
        assert total == evaluation.methods["edgefg"].sequences["baseline/highway"].counts


class TestBadInput:
    @pytest.mark.parametrize("methods", [[], ["edgefg", "vibe"]])
    def test_methods(self, dataset: Dataset, methods: list[str]) -> None:
        with pytest.raises(
            OptionError, match=r"methods=.*edgefg, edgefg-full, edgefg-map, mog2, knn, cnt, subsense, pawcs"
        ):
            evaluate(dataset, methods)

    def test_protocol(self, dataset: Dataset) -> None:
        with pytest.raises(OptionError, match="protocol must be one of unseen, scene, live"):
            evaluate(dataset, ["mog2"], protocol="seen")

    def test_no_bundle_there(self, dataset: Dataset, tmp_path: Path) -> None:
        with pytest.raises(MissingFileError, match="gone"):
            evaluate(dataset, bundle=tmp_path / "gone")

    def test_a_set_too_small_for_scene(self, tmp_path: Path, write_set: Writer) -> None:
        with pytest.raises(DataError, match="set1: expected 3 labelled frames or more for the protocol scene"):
            evaluate(open_dataset(write_set(tmp_path / "set1", frames=2)), ["mog2"], protocol="scene")

    def test_a_truncated_frame(self, dataset: Dataset) -> None:
        file = dataset.sequences[0].inputs[7]
        os.truncate(file, 100)
        with pytest.raises(DataError, match=r"in000008\.png: expected a complete image"):
            evaluate(dataset, ["mog2"])

    def test_a_mask_of_another_size(self, dataset: Dataset) -> None:
        sequence = dataset.sequences[0]
        cv2.imwrite(str(sequence.masks[sequence.labelled[2]]), np.zeros((24, 32), np.uint8))
        with pytest.raises(DataError, match=r"gt000003\.png: expected 64x48"):
            evaluate(dataset, ["mog2"])


class TestReport:
    def test_json(self, dataset: Dataset, tiny_bundle: Bundle) -> None:
        report = json.loads(json.dumps(evaluate(dataset, ["edgefg", "mog2"], bundle=tiny_bundle).to_json()))
        assert list(report) == ["protocol", "background", "seed", "data", "part", "seen_frames", "method", "bundle"]
        assert report["data"] == str(dataset.source)
        assert list(report["method"]) == ["edgefg", "mog2"]
        of_network = report["method"]["edgefg"]
        assert set(of_network) == {"overall", "categories", "sequences"}
        assert set(of_network["overall"]) == set(of_network["categories"]["baseline"]) == MEASURES
        assert set(of_network["sequences"]["baseline/highway"]) == MEASURES | {"frames"}
        assert report["bundle"]["name"] == "tiny"
        assert report["bundle"]["decision"] == tiny_bundle.manifest["decision"]
        assert report["bundle"]["protocol"] is None

    def test_a_scene_without_movement_has_no_nan(self, sequence_only: Dataset, tiny_bundle: Bundle) -> None:
        (sequence,) = sequence_only.sequences
        for path in sequence.inputs:
            cv2.imwrite(str(path), np.full((48, 64, 3), 90, np.uint8))
            cv2.imwrite(str(sequence.masks[path]), np.zeros((48, 64), np.uint8))
        report = json.dumps(evaluate(sequence_only, bundle=tiny_bundle).to_json(), allow_nan=False)
        assert json.loads(report)["method"]["edgefg"]["overall"]["f"] is None

    def test_a_method_named_twice_is_scored_once(self, dataset: Dataset) -> None:
        assert list(evaluate(dataset, ["knn", "mog2", "knn"]).methods) == ["knn", "mog2"]

    def test_progress_reaches_its_total(self, dataset: Dataset) -> None:
        told: list[tuple[str, int, int]] = []
        evaluate(dataset, ["mog2", "knn"], progress=lambda *step: told.append(step))
        assert [done for _, done, _ in told] == list(range(1, 47))
        assert told[0] == ("mog2 baseline/highway", 1, 46)
