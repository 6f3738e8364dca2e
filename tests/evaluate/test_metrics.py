"""The measures: a hand-counted example, properties that hold for any masks, and the means of means."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from edgefg.datasets.labels import LEVELS, MOVING, OUTSIDE, SHADOW, STATIC, UNKNOWN
from edgefg.errors import DataError
from edgefg.evaluate.metrics import Counts, Measures, SequenceScore, count, summarise

SHAPE = (3, 5)
masks = arrays(np.bool_, SHAPE)
truths = arrays(np.uint8, SHAPE, elements=st.sampled_from(LEVELS))
pixel_numbers = st.integers(0, 10**12)
any_counts = st.builds(Counts, tp=pixel_numbers, fp=pixel_numbers, fn=pixel_numbers, tn=pixel_numbers)


class TestHandCounted:
    # Row by row: moving, static, shadow, and two levels that are not scored.
    TRUTH = np.array(
        [
            [MOVING, MOVING, MOVING, MOVING, MOVING],
            [STATIC, STATIC, STATIC, STATIC, STATIC],
            [SHADOW, SHADOW, UNKNOWN, OUTSIDE, UNKNOWN],
        ],
        np.uint8,
    )
    MASK = np.array([[1, 1, 1, 0, 0], [1, 0, 0, 0, 0], [1, 0, 1, 1, 0]], np.bool_)

    def test_counts(self) -> None:
        assert count(self.MASK, self.TRUTH) == Counts(tp=3, fp=2, fn=2, tn=5)

    def test_a_mask_of_bytes_counts_the_same(self) -> None:
        assert count(self.MASK.astype(np.uint8) * 255, self.TRUTH) == count(self.MASK, self.TRUTH)

    def test_measures(self) -> None:
        assert Counts(tp=3, fp=2, fn=2, tn=5).measures == Measures(
            recall=3 / 5, specificity=5 / 7, fpr=2 / 7, fnr=2 / 5, pwc=100 * 4 / 12, precision=3 / 5, f=3 / 5
        )


class TestProperties:
    @given(masks, truths)
    def test_each_scored_pixel_is_counted_once(self, mask: np.ndarray, truth: np.ndarray) -> None:
        counts = count(mask, truth)
        scored = np.isin(truth, (STATIC, SHADOW, MOVING)).sum()
        assert counts.tp + counts.fp + counts.fn + counts.tn == scored

    @given(masks, truths, st.permutations(range(SHAPE[0])))
    def test_the_order_of_frames_does_not_matter(
        self, rows: np.ndarray, truths_of_rows: np.ndarray, order: list[int]
    ) -> None:
        frames = [count(rows[row : row + 1], truths_of_rows[row : row + 1]) for row in range(SHAPE[0])]
        assert sum(frames, Counts()) == sum([frames[row] for row in order], Counts()) == count(rows, truths_of_rows)

    @given(masks, masks)
    def test_swapping_prediction_and_truth_swaps_recall_and_precision(self, one: np.ndarray, other: np.ndarray) -> None:
        there = count(one, other.astype(np.uint8) * 255).measures
        back = count(other, one.astype(np.uint8) * 255).measures
        assert (there.recall, there.precision) == pytest.approx((back.precision, back.recall), nan_ok=True)
        assert (there.f, there.pwc) == pytest.approx((back.f, back.pwc), nan_ok=True)

    @given(truths)
    def test_the_truth_itself_is_faultless(self, truth: np.ndarray) -> None:
        counts = count(truth == MOVING, truth)
        assert (counts.fp, counts.fn) == (0, 0)
        assert counts.measures.f == (1 if MOVING in truth else pytest.approx(math.nan, nan_ok=True))

    @given(masks, truths, masks)
    def test_unscored_pixels_do_not_matter(self, mask: np.ndarray, truth: np.ndarray, other: np.ndarray) -> None:
        unscored = np.isin(truth, (OUTSIDE, UNKNOWN))
        assert count(np.where(unscored, other, mask), truth) == count(mask, truth)

    @given(masks, truths)
    def test_shadow_counts_as_static(self, mask: np.ndarray, truth: np.ndarray) -> None:
        assert count(mask, np.where(truth == SHADOW, STATIC, truth).astype(np.uint8)) == count(mask, truth)

    @given(any_counts)
    def test_measures_stay_in_range(self, counts: Counts) -> None:
        of_counts = counts.measures
        for share in (of_counts.recall, of_counts.specificity, of_counts.fpr, of_counts.fnr, of_counts.precision):
            assert math.isnan(share) or 0 <= share <= 1
        assert math.isnan(of_counts.pwc) or 0 <= of_counts.pwc <= 100

    @given(any_counts)
    def test_complements_add_up_to_one(self, counts: Counts) -> None:
        of_counts = counts.measures
        assert of_counts.recall + of_counts.fnr == pytest.approx(1 if counts.tp + counts.fn else math.nan, nan_ok=True)
        assert of_counts.specificity + of_counts.fpr == pytest.approx(
            1 if counts.tn + counts.fp else math.nan, nan_ok=True
        )

    @given(any_counts)
    def test_f_is_the_harmonic_mean_and_never_above_the_mean(self, counts: Counts) -> None:
        recall, precision, f = counts.measures.recall, counts.measures.precision, counts.measures.f
        if counts.tp:
            assert f == pytest.approx(2 * recall * precision / (recall + precision))
            assert f <= (recall + precision) / 2 + 1e-12

    @given(any_counts)
    def test_json_has_no_nan(self, counts: Counts) -> None:
        json.dumps(counts.measures.to_json(), allow_nan=False)


class TestEmptyCases:
    def test_nothing_scored_leaves_all_undefined(self) -> None:
        assert set(Counts().measures.to_json().values()) == {None}

    def test_an_empty_scene_left_empty_has_no_f_but_specificity(self) -> None:
        of_counts = Counts(tn=9).measures
        assert math.isnan(of_counts.f)
        assert math.isnan(of_counts.recall)
        assert (of_counts.specificity, of_counts.pwc) == (1, 0)

    def test_finding_nothing_where_something_moves_scores_zero(self) -> None:
        assert (Counts(fn=3, tn=6).measures.f, Counts(fn=3, tn=6).measures.recall) == (0, 0)

    def test_finding_only_what_is_not_there_scores_zero(self) -> None:
        assert Counts(fp=3, tn=6).measures.f == 0


class TestSummary:
    BAD, GOOD, BEST = Counts(tp=1, fp=1, fn=1, tn=1), Counts(tp=300, fp=100, fn=100), Counts(tp=10, tn=10)

    def test_a_category_is_the_mean_of_its_sequences(self) -> None:
        summary = summarise([SequenceScore("a", "x", 1, self.BAD), SequenceScore("b", "x", 9, self.GOOD)])
        assert summary.categories["x"].f == pytest.approx((0.5 + 0.75) / 2)

    def test_overall_is_the_mean_of_the_categories(self) -> None:
        scores = [SequenceScore(name, "x", 1, self.BAD) for name in "abc"] + [SequenceScore("d", "y", 1, self.BEST)]
        assert summarise(scores).overall.f == pytest.approx((0.5 + 1) / 2)

    def test_sets_of_a_category_are_counted_together(self) -> None:
        scores = [SequenceScore("a", "x", 3, self.BAD, pooled=True), SequenceScore("b", "x", 3, self.GOOD, pooled=True)]
        assert summarise(scores).categories["x"] == (self.BAD + self.GOOD).measures

    def test_sets_beside_a_sequence_count_as_one(self) -> None:
        pool = [SequenceScore(name, "x", 3, self.BAD, pooled=True) for name in "abc"]
        summary = summarise([*pool, SequenceScore("d", "x", 90, self.BEST)])
        assert summary.categories["x"].f == pytest.approx((0.5 + 1) / 2)

    def test_an_undefined_measure_is_left_out_of_the_mean(self) -> None:
        summary = summarise([SequenceScore("a", "x", 1, Counts(tn=5)), SequenceScore("b", "x", 1, self.BAD)])
        assert summary.categories["x"].f == 0.5
        assert summary.categories["x"].specificity == pytest.approx((1 + 0.5) / 2)

    def test_an_empty_summary_has_no_nan_in_json(self) -> None:
        assert json.loads(json.dumps(summarise([]).to_json(), allow_nan=False))["overall"]["f"] is None

    def test_json_of_a_sequence(self) -> None:
        of_sequence = summarise([SequenceScore("x/a", "x", 7, self.BEST)]).to_json()["sequences"]
        assert of_sequence == {
            "x/a": {
                "recall": 1,
                "specificity": 1,
                "fpr": 0,
                "fnr": 0,
                "pwc": 0,
                "precision": 1,
                "f": 1,
                "frames": 7,
            }
        }

    def test_a_name_twice_is_refused(self) -> None:
        with pytest.raises(DataError, match="x/a twice"):
            summarise([SequenceScore("x/a", "x", 1, self.BAD)] * 2)


class TestBadInput:
    TRUTH = np.zeros(SHAPE, np.uint8)

    @pytest.mark.parametrize("shape", [(5, 3), (3, 5, 1), (15,)])
    def test_another_size(self, shape: tuple[int, ...]) -> None:
        with pytest.raises(DataError, match="of one size"):
            count(np.zeros(shape, np.bool_), self.TRUTH)

    def test_images_with_channels(self) -> None:
        with pytest.raises(DataError, match="of one size"):
            count(np.zeros((3, 5, 3), np.bool_), np.zeros((3, 5, 3), np.uint8))

    def test_a_mask_with_shadows(self) -> None:
        with pytest.raises(DataError, match="0 and 255, got uint8 with 127"):
            count(np.full(SHAPE, 127, np.uint8), self.TRUTH)

    def test_a_mask_of_probabilities(self) -> None:
        with pytest.raises(DataError, match="got float64"):
            count(np.zeros(SHAPE), self.TRUTH)  # type: ignore[arg-type]

    def test_a_truth_of_other_levels(self) -> None:
        with pytest.raises(DataError, match=r"levels .* got uint8 with 1"):
            count(np.zeros(SHAPE, np.bool_), np.ones(SHAPE, np.uint8))

    def test_a_truth_of_another_type(self) -> None:
        with pytest.raises(DataError, match="got int64"):
            count(np.zeros(SHAPE, np.bool_), np.zeros(SHAPE, np.int64))  # type: ignore[arg-type]
