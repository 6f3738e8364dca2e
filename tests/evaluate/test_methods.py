"""The compared methods: which frames they see, what they learn from, and what they call foreground."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from edgefg.bundle.bundle import Bundle
from edgefg.datasets.sequences import LabelledSequence, open_dataset
from edgefg.errors import BundleError, OptionError
from edgefg.evaluate.baselines import PEERS
from edgefg.evaluate.methods import NETWORKS, open_method
from edgefg.imaging.io import Image

from ..conftest import installed_peer

Writer = Callable[..., Path]
CLASSICAL = [installed_peer(name) for name in PEERS]
METHODS = [*NETWORKS, *CLASSICAL]
LEARN_FROM_NO_FRAME_ON_DEMAND = ("mog2", "knn")
# They smooth their masks, so that a box loses corners.
MIN_IOU = {"subsense": 0.7, "pawcs": 0.7}


@pytest.fixture
def sequence(tmp_path: Path, write_sequence: Writer) -> LabelledSequence:
    return open_dataset(write_sequence(tmp_path / "scene", range(1, 41))).sequences[0]


@pytest.fixture
def pairs(tmp_path: Path, write_set: Writer) -> LabelledSequence:
    return open_dataset(write_set(tmp_path / "set", frames=3)).sequences[0]


def unused() -> Image:
    raise AssertionError("asked for a background that it has no use for")


def masks_of(
    method: str, sequence: LabelledSequence, tested: tuple[Path, ...], background: Callable[[], Image]
) -> list[Image]:
    with open_method(method) as opened:
        return [answer.mask > 0 for answer in opened.answers(sequence, frozenset(tested), background)]


def iou(a: npt.NDArray[np.bool_], b: npt.NDArray[np.bool_]) -> float:
    return float(np.count_nonzero(a & b) / np.count_nonzero(a | b))


def own_background(sequence: LabelledSequence) -> Callable[[], Image]:
    background = sequence.background()
    assert background is not None
    return lambda: background


@pytest.mark.parametrize("name", METHODS)
def test_masks_come_for_the_tested_frames_in_order(name: str, sequence: LabelledSequence, tiny_bundle: Bundle) -> None:
    tested = sequence.inputs[30:10:-5]
    with open_method(name, tiny_bundle) as method:
        got = list(method.answers(sequence, frozenset(tested), lambda: sequence.frame(sequence.inputs[0])))
    assert [answer.path for answer in got] == sorted(tested)
    assert {answer.mask.shape for answer in got} == {(48, 64)}
    assert all((answer.levels is None) == (name in PEERS) for answer in got)


def test_the_network_compares_with_the_given_background(
    sequence: LabelledSequence, tiny_bundle: Bundle, make_scene: Callable[..., Image]
) -> None:
    with open_method("edgefg", tiny_bundle) as method:
        for answer in method.answers(sequence, frozenset(sequence.labelled), make_scene):
            assert np.array_equal(answer.mask, sequence.truth(answer.path))


def test_the_map_alone_finds_the_same_boxes(
    sequence: LabelledSequence, tiny_bundle: Bundle, make_scene: Callable[..., Image]
) -> None:
    with open_method("edgefg-map", tiny_bundle) as method:
        for answer in method.answers(sequence, frozenset(sequence.labelled), make_scene):
            assert iou(answer.mask > 0, sequence.truth(answer.path) > 0) > 0.75


def test_the_map_alone_needs_a_bundle_that_was_calibrated_for_it(tiny_bundle: Bundle) -> None:
    bundle = replace(tiny_bundle, decision=replace(tiny_bundle.decision, foreground_distance=None))
    with (
        pytest.raises(BundleError, match=r"decision\.foreground_distance.*edgefg build"),
        open_method("edgefg-map", bundle),
    ):
        pass


def test_the_network_reads_tested_frames_only(
    sequence: LabelledSequence, tiny_bundle: Bundle, make_scene: Callable[..., Image]
) -> None:
    sequence.inputs[5].unlink()
    with open_method("edgefg", tiny_bundle) as method:
        assert len(list(method.answers(sequence, frozenset(sequence.inputs[:3]), make_scene))) == 3


@pytest.mark.parametrize("name", CLASSICAL)
def test_classical_methods_learn_from_frames_that_are_not_tested(
    name: str, sequence: LabelledSequence, make_scene: Callable[..., Image]
) -> None:
    *before, last = sequence.inputs
    for path in before:
        cv2.imwrite(str(path), make_scene())
    (mask,) = masks_of(name, sequence, (last,), unused)
    assert iou(mask, sequence.truth(last) == 255) >= MIN_IOU.get(name, 1)


@pytest.mark.parametrize("name", CLASSICAL)
def test_classical_methods_start_afresh_with_each_sequence(name: str, sequence: LabelledSequence) -> None:
    with open_method(name) as method:
        first, second = (list(method.answers(sequence, frozenset(sequence.inputs), unused)) for _ in range(2))
    assert all(np.array_equal(one.mask, other.mask) for one, other in zip(first, second, strict=True))


@pytest.mark.parametrize("name", CLASSICAL)
def test_in_a_set_they_know_the_background_before_the_first_frame(name: str, pairs: LabelledSequence) -> None:
    (mask,) = masks_of(name, pairs, pairs.labelled[:1], own_background(pairs))
    assert iou(mask, pairs.truth(pairs.labelled[0]) == 255) >= MIN_IOU.get(name, 1)


@pytest.mark.parametrize("name", LEARN_FROM_NO_FRAME_ON_DEMAND)
def test_in_a_set_they_learn_from_no_frame(name: str, tmp_path: Path, write_set: Writer) -> None:
    folder = write_set(tmp_path / "long", frames=60)
    for number in range(60):  # all frames are the first one: whoever learns lets its box fade into the background
        cv2.imwrite(str(folder / f"{number}.png"), cv2.imread(str(folder / "0.png")))
    (sequence,) = open_dataset(folder).sequences
    masks = masks_of(name, sequence, sequence.labelled, own_background(sequence))
    assert np.array_equal(masks[-1], masks[0])
    assert masks[0].any()


@pytest.mark.parametrize("name", ["mog2", "knn"])
def test_a_shadow_is_not_foreground(name: str, tmp_path: Path, write_set: Writer) -> None:
    folder = write_set(tmp_path / "set", frames=1)
    light = np.full((48, 64, 3), 160, np.uint8)
    shaded = light.copy()
    shaded[16:32, 16:32] = 110
    cv2.imwrite(str(folder / "0.png"), shaded)
    (sequence,) = open_dataset(folder).sequences
    (mask,) = masks_of(name, sequence, sequence.labelled, lambda: light)
    assert not mask.any()


def test_an_unknown_method_is_refused() -> None:
    with (
        pytest.raises(OptionError, match="methods='vibe': expected one of edgefg, edgefg-full, edgefg-map, mog2, knn"),
        open_method("vibe"),
    ):
        pass
