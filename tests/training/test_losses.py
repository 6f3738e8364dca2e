"""Labels from two masks, and the losses of both stages."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from edgefg.build.networks.sizes import MARGIN
from edgefg.build.training.labels import (
    BACKGROUND,
    CHANGED,
    FOREGROUND,
    IGNORED,
    OVERLAP,
    UNCHANGED,
    change_labels,
    mask_from_truth,
    shrink_codes,
)
from edgefg.build.training.losses import MAP_MIDDLE, MASK_SMOOTHING, SLACK, contrastive_loss, map_dice_loss, mask_loss


def codes(*values: int) -> "torch.Tensor":
    return torch.tensor(values, dtype=torch.uint8).view(1, 1, -1)


def loss_of(distance: float, label: int, kind: str = "thresholded") -> float:
    shape = (1, 1, 1)
    valid = torch.ones(shape, dtype=torch.bool)
    return float(contrastive_loss(torch.full(shape, distance), torch.full(shape, label), valid, kind))  # type: ignore[arg-type]


def test_truth_levels_become_codes() -> None:
    truth = np.array([[0, 50, 85, 170, 255]], np.uint8)
    assert mask_from_truth(truth).tolist() == [[BACKGROUND, BACKGROUND, IGNORED, IGNORED, FOREGROUND]]


def test_three_classes_from_two_masks() -> None:
    labels, valid = change_labels(codes(0, 1, 0, 1), codes(0, 0, 1, 1))
    assert labels.flatten().tolist() == [UNCHANGED, CHANGED, CHANGED, OVERLAP]
    assert valid.all()


def test_ignored_in_either_mask_is_not_valid() -> None:
    _, valid = change_labels(codes(2, 0, 1), codes(0, 2, 1))
    assert valid.flatten().tolist() == [False, False, True]


def test_a_cell_that_mixes_codes_is_ignored() -> None:
    mask = torch.zeros(1, 4, 8, dtype=torch.uint8)
    mask[:, :, 6:] = FOREGROUND
    mask[:, :2, :4] = FOREGROUND
    assert shrink_codes(mask).tolist() == [[[IGNORED, IGNORED]]]


def test_a_cell_of_one_code_keeps_it() -> None:
    mask = torch.zeros(1, 4, 8, dtype=torch.uint8)
    mask[:, :, 4:] = FOREGROUND
    assert shrink_codes(mask).tolist() == [[[BACKGROUND, FOREGROUND]]]


def test_changed_pixels_are_pushed_apart_up_to_the_margin() -> None:
    assert loss_of(0.0, CHANGED) == pytest.approx(0.5)
    assert loss_of(MARGIN / 2, CHANGED) == pytest.approx(0.125)
    assert loss_of(MARGIN, CHANGED) == loss_of(2 * MARGIN, CHANGED) == 0.0


def test_the_papers_loss_pulls_unchanged_pixels_to_nothing() -> None:
    assert loss_of(MARGIN, UNCHANGED, "paper") == pytest.approx(0.5)
    assert loss_of(0.0, UNCHANGED, "paper") == 0.0


def test_the_thresholded_loss_lets_unchanged_pixels_be() -> None:
    assert loss_of(SLACK, UNCHANGED) == 0.0
    assert loss_of(SLACK + 0.1 * MARGIN, UNCHANGED) == pytest.approx(0.005)


def test_overlap_is_half_of_both() -> None:
    distance = 0.4 * MARGIN
    expected = 0.5 * (loss_of(distance, CHANGED) + loss_of(distance, UNCHANGED))
    assert loss_of(distance, OVERLAP) == pytest.approx(expected)


def test_what_is_ignored_does_not_count() -> None:
    distance = torch.tensor([0.0, 1e6]).view(1, 1, 2)
    labels = torch.tensor([UNCHANGED, UNCHANGED]).view(1, 1, 2)
    valid = torch.tensor([True, False]).view(1, 1, 2)
    assert float(contrastive_loss(distance, labels, valid)) == 0.0


def test_nothing_valid_gives_zero_not_nan() -> None:
    nothing = torch.zeros(1, 1, 2, dtype=torch.bool)
    assert float(contrastive_loss(torch.ones(1, 1, 2), torch.zeros(1, 1, 2, dtype=torch.long), nothing)) == 0.0
    assert float(mask_loss(torch.zeros(1, 1, 2), codes(2, 2))) == 0.0


def test_mask_loss_is_cross_entropy_over_labelled_pixels() -> None:
    logits = torch.tensor([0.0, 0.0, 50.0]).view(1, 1, 3)
    assert float(mask_loss(logits, codes(0, 1, 2))) == pytest.approx(np.log(2), rel=1e-5)


def dice_of(logits: "torch.Tensor", mask: "torch.Tensor") -> float:
    return float(mask_loss(logits, mask, dice=1.0) - mask_loss(logits, mask))


def test_dice_of_a_sure_and_right_mask_is_zero() -> None:
    assert dice_of(torch.tensor([[[50.0, -50.0]]]), codes(1, 0)) == pytest.approx(0, abs=1e-6)


def test_dice_of_a_missed_object_grows_with_it_up_to_one() -> None:
    missed = [dice_of(torch.full((1, 1, size), -50.0), codes(*[1] * size)) for size in (10, 1000, 100_000)]
    assert missed == sorted(missed)
    assert missed[0] == pytest.approx(10 / (10 + MASK_SMOOTHING), abs=1e-4)
    assert missed[-1] == pytest.approx(1, abs=1e-2)


def test_dice_is_the_mean_over_images_so_that_a_small_object_counts_beside_a_large_one() -> None:
    found, missed = torch.full((1, 1, 5000), 50.0), torch.full((1, 1, 5000), -50.0)
    small = torch.zeros(1, 1, 5000, dtype=torch.uint8)
    small[..., :300] = 1
    large = torch.ones_like(small)
    both = dice_of(torch.cat([found, missed]), torch.cat([large, small]))
    assert both == pytest.approx(dice_of(missed, small) / 2, abs=1e-4)
    assert both > 0.3


def test_dice_asks_nothing_where_nothing_is_labelled() -> None:
    assert dice_of(torch.full((1, 1, 1000), 50.0), codes(*[2] * 1000)) == pytest.approx(0, abs=1e-6)


def map_dice_of(distance: float, label: int) -> float:
    shape = (1, 1, 1000)
    valid = torch.ones(shape, dtype=torch.bool)
    return float(map_dice_loss(torch.full(shape, distance), torch.full(shape, label), valid))


def test_map_dice_wants_changed_places_above_the_middle_and_unchanged_ones_below() -> None:
    far, near = 2 * MAP_MIDDLE, 0.0
    assert map_dice_of(far, CHANGED) < 0.01 < 0.9 < map_dice_of(near, CHANGED)
    assert map_dice_of(near, UNCHANGED) < 0.4 < 0.9 < map_dice_of(far, UNCHANGED)


def test_map_dice_asks_nothing_of_overlap() -> None:
    assert map_dice_of(0.0, OVERLAP) == map_dice_of(100.0, OVERLAP) == 0
