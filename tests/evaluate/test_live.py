"""The protocol ``live``: every frame in order, in the frames' own time, and without a given background."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgefg.bundle.bundle import Bundle
from edgefg.datasets.sequences import Dataset, open_dataset
from edgefg.errors import OptionError
from edgefg.evaluate.evaluate import evaluate
from edgefg.evaluate.methods import timed_frames
from edgefg.evaluate.table import events_table

Writer = Callable[..., Path]


@pytest.fixture
def street(tmp_path: Path, write_sequence: Writer) -> Dataset:
    """Forty frames, a second apart by their numbers; an object stands in the first."""
    return open_dataset(write_sequence(tmp_path / "baseline/street", range(1, 1001, 25)))


def f_of(dataset: Dataset, bundle: Bundle, **options: str) -> float:
    return evaluate(dataset, ["edgefg"], bundle=bundle, **options).methods["edgefg"].overall.f  # type: ignore[arg-type]


def test_time_passes_by_the_frames_numbers(street: Dataset) -> None:
    (sequence,) = street.sequences
    assert [time_s for _, time_s in timed_frames(sequence)][:3] == [0.0, 1.0, 2.0]


def test_the_background_heals_from_the_first_frame(street: Dataset, tiny_bundle: Bundle) -> None:
    live, first = f_of(street, tiny_bundle, protocol="live"), f_of(street, tiny_bundle, background="first")
    assert first < live < 1


def test_a_set_is_compared_with_its_own_background(tmp_path: Path, write_set: Writer, tiny_bundle: Bundle) -> None:
    assert f_of(open_dataset(write_set(tmp_path / "indoor/set1")), tiny_bundle, protocol="live") == 1


def test_frames_without_a_label_are_seen_too(tmp_path: Path, write_sequence: Writer, tiny_bundle: Bundle) -> None:
    """Only the last frame is scored: by then the ghost of the first frame is gone, because all others were seen."""
    folder = write_sequence(tmp_path / "baseline/street", range(1, 1001, 25))
    (folder / "temporalROI.txt").write_text("976 976")
    assert f_of(open_dataset(folder), tiny_bundle, protocol="live") == 1


def test_the_same_call_gives_the_same_scores(street: Dataset, tiny_bundle: Bundle) -> None:
    one, other = (evaluate(street, bundle=tiny_bundle, protocol="live").to_json() for _ in range(2))
    assert one == other


def test_the_events_of_the_scene_are_counted(street: Dataset, tiny_bundle: Bundle) -> None:
    (sequence,) = street.sequences
    for path in sequence.inputs[20:]:
        cv2.imwrite(str(path), np.clip(sequence.frame(path) * 1.6 + 30, 0, 255).astype(np.uint8))
    found = evaluate(street, ["edgefg", "mog2"], bundle=tiny_bundle, protocol="live")
    assert found.scene_events["edgefg"]["street"].total() > 0
    assert "mog2" not in found.scene_events
    assert events_table(found).row_count == 1
    assert found.to_json()["scene_events"]["edgefg"] == found.scene_events["edgefg"]


def test_a_calm_scene_has_no_events(street: Dataset, tiny_bundle: Bundle) -> None:
    found = evaluate(street, ["edgefg"], bundle=tiny_bundle, protocol="live")
    assert found.scene_events == {"edgefg": {"street": {}}}


@pytest.mark.parametrize("background", ["first", "median", "protocol"])
def test_a_given_background_is_refused(street: Dataset, tiny_bundle: Bundle, background: str) -> None:
    with pytest.raises(OptionError, match="in the protocol live methods make their own"):
        evaluate(street, bundle=tiny_bundle, protocol="live", background=background)


def test_skipping_is_scored_against_one_background_only(street: Dataset, tiny_bundle: Bundle) -> None:
    with pytest.raises(OptionError, match="skip_below= compares frames with one background"):
        evaluate(street, ["edgefg"], bundle=tiny_bundle, protocol="live", skip_below=[1.0])
