"""The montage: which frames it shows, and how they lie."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgefg.datasets.sequences import LabelledSequence, open_dataset
from edgefg.evaluate.evaluate import FrameScore
from edgefg.evaluate.methods import Answer
from edgefg.evaluate.metrics import count
from edgefg.evaluate.montage import MontageRecorder

Writer = Callable[..., Path]


@pytest.fixture
def sequence(tmp_path: Path, write_sequence: Writer) -> LabelledSequence:
    return open_dataset(write_sequence(tmp_path / "scene", range(1, 8))).sequences[0]


def show(
    recorder: MontageRecorder, sequence: LabelledSequence, index: int, mask: np.ndarray, method: str = "edgefg"
) -> None:
    path = sequence.inputs[index]
    truth = sequence.truth(path)
    recorder(FrameScore(method, sequence, Answer(path, mask), truth, count(mask, truth)))


def dimmed(sequence: LabelledSequence, index: int, columns: int) -> np.ndarray:
    """The truth as a mask, without the box's last columns."""
    mask = sequence.truth(sequence.inputs[index]) == 255
    left = int(np.flatnonzero(mask.any(0))[0])
    mask[:, left + 16 - columns :] = False
    return mask


def test_it_chooses_the_best_the_median_and_the_worst(sequence: LabelledSequence) -> None:
    recorder = MontageRecorder()
    for index, columns in enumerate((4, 0, 12, 8, 2)):
        show(recorder, sequence, index, dimmed(sequence, index, columns))
    chosen = recorder.choose("edgefg")
    numbers = {name: sequence.inputs.index(kept.path) for name, kept in chosen.items()}
    assert numbers == {"best": 1, "median": 0, "worst": 2}
    assert chosen["best"].f == 1


def test_of_two_frames_where_nothing_is_right_the_one_with_more_wrong_pixels_is_worse(
    sequence: LabelledSequence,
) -> None:
    recorder = MontageRecorder()
    for index, share in enumerate((1, 24, 3)):
        mask = np.zeros((48, 64), bool)
        mask[40 : 40 + 8 * share // 24] = True
        show(recorder, sequence, index, mask & (sequence.truth(sequence.inputs[index]) == 0))
    assert recorder.choose("edgefg")["worst"].path == sequence.inputs[1]


def test_frames_without_foreground_are_not_shown(sequence: LabelledSequence) -> None:
    cv2.imwrite(str(sequence.masks[sequence.inputs[0]]), np.zeros((48, 64), np.uint8))
    recorder = MontageRecorder()
    show(recorder, sequence, 0, np.zeros((48, 64), bool))
    assert recorder.choose("edgefg") == {}
    assert picture(recorder).any()


def test_each_method_has_a_row_of_frames_truths_and_masks(sequence: LabelledSequence) -> None:
    recorder = MontageRecorder()
    for method in ("edgefg", "mog2"):
        show(recorder, sequence, 0, dimmed(sequence, 0, 8), method)
    drawn = picture(recorder)
    assert drawn.shape[0] % 2 == 0
    row = drawn[: drawn.shape[0] // 2]
    # A frame of 64x48 fills a tile of 160x120 under a line of text; its box is at the upper left.
    frame, truth, mask = (row[16:136, left : left + 160] for left in (0, 160, 320))
    assert frame[20, 20].tolist() == [230, 240, 250]
    assert frame[60, 20].max() < 100
    assert (truth[20, 5:35] == 255).all()
    assert (mask[20, 5:15] == 255).all()
    assert not mask[20, 25:35].any()


def test_masks_of_0_and_255_are_shown_like_those_of_bool(sequence: LabelledSequence) -> None:
    drawn = []
    for kind in (bool, np.uint8):
        recorder = MontageRecorder()
        mask = dimmed(sequence, 0, 4)
        show(recorder, sequence, 0, mask if kind is bool else np.where(mask, 255, 0).astype(np.uint8))
        drawn.append(picture(recorder))
    assert np.array_equal(*drawn)


def picture(recorder: MontageRecorder) -> np.ndarray:
    decoded = cv2.imdecode(np.frombuffer(recorder.draw(), np.uint8), cv2.IMREAD_COLOR)
    assert decoded is not None
    return decoded
