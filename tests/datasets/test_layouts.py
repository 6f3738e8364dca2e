"""Which frames and masks of a sequence's folder belong together, and what a folder must not lack."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from edgefg.datasets.sequences import open_dataset
from edgefg.errors import DataError

Writer = Callable[..., Path]


class TestLabelledFrames:
    def test_numbering_from_zero(self, tmp_path: Path, write_sequence: Writer) -> None:
        (sequence,) = open_dataset(write_sequence(tmp_path / "IBMtest2", range(10))).sequences
        assert [path.name for path in sequence.labelled[:2]] == ["in000000.png", "in000001.png"]

    def test_numbers_may_have_gaps(self, tmp_path: Path, write_sequence: Writer) -> None:
        (sequence,) = open_dataset(write_sequence(tmp_path / "thinned", [5, 9, 30])).sequences
        assert [sequence.masks[path].name for path in sequence.labelled] == [
            "gt000005.png",
            "gt000009.png",
            "gt000030.png",
        ]

    def test_frames_outside_temporal_roi_are_inputs_only(self, tmp_path: Path, write_sequence: Writer) -> None:
        folder = write_sequence(tmp_path / "office", range(1, 11))
        (folder / "temporalROI.txt").write_text("4 8")
        (folder / "groundtruth/gt000002.png").unlink()
        (sequence,) = open_dataset(folder).sequences
        assert len(sequence.inputs) == 10
        assert [path.stem for path in sequence.labelled] == [f"in{number:06d}" for number in range(4, 9)]

    def test_without_temporal_roi_the_masks_decide(self, tmp_path: Path, write_sequence: Writer) -> None:
        folder = write_sequence(tmp_path / "office", range(1, 11))
        (folder / "temporalROI.txt").unlink()
        (folder / "groundtruth/gt000002.png").unlink()
        (sequence,) = open_dataset(folder).sequences
        assert len(sequence.labelled) == 9

    def test_frames_of_a_set_are_in_natural_order(self, tmp_path: Path, write_set: Writer) -> None:
        (sequence,) = open_dataset(write_set(tmp_path / "set", frames=12)).sequences
        assert [path.stem for path in sequence.labelled] == [str(number) for number in range(12)]


class TestIncompleteSequences:
    @pytest.fixture
    def sequence(self, tmp_path: Path, write_sequence: Writer) -> Path:
        return write_sequence(tmp_path / "baseline/highway", range(470, 480))

    @pytest.fixture
    def pairs(self, tmp_path: Path, write_set: Writer) -> Path:
        return write_set(tmp_path / "indoor/set1")

    def test_a_missing_mask(self, sequence: Path) -> None:
        (sequence / "groundtruth/gt000473.png").unlink()
        with pytest.raises(DataError, match=r"highway/groundtruth/gt000473\.png: expected the mask of in000473\.png"):
            open_dataset(sequence)

    def test_a_missing_mask_of_a_set(self, pairs: Path) -> None:
        (pairs / "1_mask.png").unlink()
        with pytest.raises(DataError, match=r"set1/1_mask\.png: expected the mask of 1\.png"):
            open_dataset(pairs)

    def test_no_masks_at_all(self, sequence: Path) -> None:
        shutil.rmtree(sequence / "groundtruth")
        with pytest.raises(DataError, match="highway/groundtruth: expected the folder of masks"):
            open_dataset(sequence)

    def test_no_frames(self, sequence: Path) -> None:
        for path in (sequence / "input").iterdir():
            path.unlink()
        with pytest.raises(DataError, match="highway/input: expected frames"):
            open_dataset(sequence)

    def test_a_set_without_background(self, pairs: Path) -> None:
        (pairs / "background.png").unlink()
        with pytest.raises(DataError, match=r"set1: expected background\.jpg"):
            open_dataset(pairs)

    def test_a_set_without_frames(self, pairs: Path) -> None:
        for number in range(3):
            (pairs / f"{number}.png").unlink()
        with pytest.raises(DataError, match="set1: expected frames"):
            open_dataset(pairs)

    @pytest.mark.parametrize("text", ["", "470", "470 to 480", "-1 5", "1 2 3"])
    def test_a_garbled_temporal_roi(self, sequence: Path, text: str) -> None:
        (sequence / "temporalROI.txt").write_text(text)
        with pytest.raises(DataError, match=r"temporalROI\.txt: expected the numbers of the first"):
            open_dataset(sequence)

    def test_a_temporal_roi_beyond_the_frames(self, sequence: Path) -> None:
        (sequence / "temporalROI.txt").write_text("1000 2000")
        with pytest.raises(DataError, match=r"highway: expected frames .* 1000 to 2000, found none"):
            open_dataset(sequence)

    def test_a_frame_without_a_number(self, sequence: Path) -> None:
        (sequence / "input/frame.png").write_bytes(b"")
        with pytest.raises(DataError, match=r"input/frame\.png: expected a number"):
            open_dataset(sequence)

    def test_a_number_twice(self, sequence: Path) -> None:
        (sequence / "input/in470.jpg").write_bytes(b"")
        with pytest.raises(DataError, match=r"expected each number once.*in000470\.png|in470\.jpg"):
            open_dataset(sequence)
