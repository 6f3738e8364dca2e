"""Labelled sequences: what is found, what a mask means, how frames are divided, and what is refused."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgefg.datasets.sequences import MOVING, OUTSIDE, SHADOW, STATIC, UNKNOWN, fingerprint, open_dataset, scene_split
from edgefg.errors import DataError, OptionError

Writer = Callable[..., Path]


@pytest.fixture
def root(tmp_path: Path, write_sequence: Writer, write_set: Writer) -> Path:
    """Two CDnet2014 sequences and three sets."""
    write_sequence(tmp_path / "cdnet2014/baseline/highway", range(470, 480))
    write_sequence(tmp_path / "cdnet2014/shadow/cubicle", range(1, 11))
    for name in ("set1", "set2", "set10"):
        write_set(tmp_path / "indoor" / name)
    return tmp_path


class TestFinding:
    def test_a_root_is_searched(self, root: Path) -> None:
        found = open_dataset(root)
        assert [sequence.name for sequence in found.sequences] == [
            "cdnet2014/baseline/highway",
            "cdnet2014/shadow/cubicle",
            "indoor/set1",
            "indoor/set2",
            "indoor/set10",
        ]
        assert found.root == root

    def test_the_category_is_the_folder_above(self, root: Path) -> None:
        assert [sequence.category for sequence in open_dataset(str(root)).sequences] == [
            "baseline",
            "shadow",
            "indoor",
            "indoor",
            "indoor",
        ]

    def test_one_sequence_folder(self, root: Path) -> None:
        found = open_dataset(root / "cdnet2014/baseline/highway")
        assert [(sequence.name, sequence.category) for sequence in found.sequences] == [("highway", "baseline")]
        assert found.root == root / "cdnet2014/baseline"

    def test_the_current_folder(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(root / "indoor/set2")
        (sequence,) = open_dataset(".").sequences
        assert (sequence.name, sequence.category) == ("set2", "indoor")

    def test_a_part_of_a_list_keeps_its_order(self, root: Path) -> None:
        file = root / "splits.json"
        file.write_text(json.dumps({"train": ["indoor/set10", "cdnet2014/shadow/cubicle"], "test": ["indoor/set1"]}))
        found = open_dataset(file, "train")
        assert [sequence.name for sequence in found.sequences] == ["indoor/set10", "cdnet2014/shadow/cubicle"]
        assert (found.root, found.source, found.part) == (root, file, "train")

    def test_the_only_part_needs_no_name(self, root: Path) -> None:
        (root / "splits.json").write_text('{"test": ["indoor/set1"]}')
        assert open_dataset(root / "splits.json").part == "test"

    def test_a_link_back_up_ends(self, root: Path) -> None:
        (root / "indoor/again").symlink_to(root, target_is_directory=True)
        assert len(open_dataset(root).sequences) == 5

    def test_a_linked_category_is_found(self, root: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
        elsewhere = tmp_path_factory.mktemp("elsewhere")
        (elsewhere / "mounted").symlink_to(root / "indoor", target_is_directory=True)
        assert len(open_dataset(elsewhere).sequences) == 3

    def test_hidden_and_foreign_files_do_not_matter(self, root: Path) -> None:
        folder = root / "cdnet2014/baseline/highway"
        (folder / "input/._in000470.png").write_bytes(b"\0")
        (folder / "input/Thumbs.db").write_bytes(b"\0")
        assert len(open_dataset(folder).sequences[0].inputs) == 10


class TestFrames:
    def test_a_set_has_its_background_and_a_sequence_none(self, root: Path) -> None:
        of_name = {sequence.name: sequence for sequence in open_dataset(root).sequences}
        background = of_name["indoor/set1"].background()
        assert background is not None
        assert background.shape == (48, 64, 3)
        assert of_name["cdnet2014/baseline/highway"].background() is None

    def test_fingerprint_depends_on_contents_only(self, tmp_path: Path) -> None:
        (tmp_path / "a").write_bytes(b"same")
        (tmp_path / "b").write_bytes(b"same")
        assert fingerprint(tmp_path / "a") == fingerprint(tmp_path / "b") == "0967115f2813a354"

    def test_fingerprint_of_nothing(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match=r"gone\.jpg"):
            fingerprint(tmp_path / "gone.jpg")


class TestTruth:
    def test_all_levels_are_kept(self, tmp_path: Path, write_sequence: Writer) -> None:
        folder = write_sequence(tmp_path / "scene", range(1, 4))
        mask = np.zeros((48, 64), np.uint8)
        mask[0, :4] = SHADOW, OUTSIDE, UNKNOWN, MOVING
        cv2.imwrite(str(folder / "groundtruth/gt000001.png"), mask)
        (sequence,) = open_dataset(folder).sequences
        assert np.array_equal(sequence.truth(sequence.labelled[0]), mask)

    def test_outside_the_roi_is_85(self, tmp_path: Path, write_sequence: Writer) -> None:
        folder = write_sequence(tmp_path / "scene", range(1, 4))
        roi = np.full((48, 64), 255, np.uint8)
        roi[:, :8] = 0
        cv2.imwrite(str(folder / "ROI.bmp"), roi)
        (sequence,) = open_dataset(folder).sequences
        truth = sequence.truth(sequence.labelled[0])
        assert set(np.unique(truth[:, :8])) == {OUTSIDE}
        assert set(np.unique(truth[:, 8:])) == {STATIC, MOVING}
        assert np.array_equal(sequence.roi(), roi == 255)

    def test_the_roi_may_be_absent(self, tmp_path: Path, write_sequence: Writer) -> None:
        folder = write_sequence(tmp_path / "scene", range(1, 4))
        (folder / "ROI.bmp").unlink()
        (sequence,) = open_dataset(folder).sequences
        assert sequence.roi() is None
        assert OUTSIDE not in sequence.truth(sequence.labelled[0])

    def test_a_few_levels_between_are_unknown(self, tmp_path: Path, write_sequence: Writer) -> None:
        folder = write_sequence(tmp_path / "scene", range(1, 4))
        mask = np.zeros((48, 64), np.uint8)
        mask[10:20, 10:20] = 255
        mask[10, 10:20] = 128
        cv2.imwrite(str(folder / "groundtruth/gt000001.png"), mask)
        (sequence,) = open_dataset(folder).sequences
        assert set(np.unique(sequence.truth(sequence.labelled[0])[10, 10:20])) == {UNKNOWN}

    @pytest.mark.parametrize("level", [1, 7, 128])
    def test_masks_of_other_levels_are_refused(self, tmp_path: Path, write_sequence: Writer, level: int) -> None:
        folder = write_sequence(tmp_path / "scene", range(1, 4))
        mask = np.zeros((48, 64), np.uint8)
        mask[:4, :4] = level
        cv2.imwrite(str(folder / "groundtruth/gt000001.png"), mask)
        (sequence,) = open_dataset(folder).sequences
        with pytest.raises(DataError, match=rf"gt000001\.png.*0, 50, 85, 170 and 255, found {level}"):
            sequence.truth(sequence.labelled[0])


class TestSceneSplit:
    @pytest.fixture
    def folder(self, tmp_path: Path, write_sequence: Writer) -> Path:
        return write_sequence(tmp_path / "scene", range(1, 41))

    def test_shares_cover_all_frames_once(self, folder: Path) -> None:
        (sequence,) = open_dataset(folder).sequences
        split = scene_split(sequence, 0)
        assert (len(split.train), len(split.validate), len(split.test)) == (12, 4, 24)
        assert sorted(split.train + split.validate + split.test) == list(sequence.labelled)

    def test_frames_stay_in_order(self, folder: Path) -> None:
        split = scene_split(open_dataset(folder).sequences[0], 0)
        assert list(split.train) == sorted(split.train)
        assert list(split.test) == sorted(split.test)

    def test_the_frames_never_change(self, folder: Path) -> None:
        split = scene_split(open_dataset(folder).sequences[0], 7)
        assert [path.stem for path in split.validate] == ["in000002", "in000013", "in000015", "in000024"]

    def test_the_place_does_not_matter(self, folder: Path, tmp_path: Path) -> None:
        moved = shutil.copytree(folder, tmp_path / "another/name")
        here, there = (scene_split(open_dataset(path).sequences[0], 3) for path in (folder, moved))
        assert [path.name for path in here.test] == [path.name for path in there.test]

    def test_another_seed_divides_otherwise(self, folder: Path) -> None:
        (sequence,) = open_dataset(folder).sequences
        assert scene_split(sequence, 0).test != scene_split(sequence, 1).test

    def test_the_background_is_the_fullest_tested_frame(self, folder: Path) -> None:
        (sequence,) = open_dataset(folder).sequences
        fullest = scene_split(sequence, 0).test[5]
        cv2.imwrite(str(sequence.masks[fullest]), np.full((48, 64), 255, np.uint8))
        split = scene_split(sequence, 0)
        assert split.background == fullest
        assert fullest in split.test

    def test_the_smallest_sequence(self, tmp_path: Path, write_set: Writer) -> None:
        split = scene_split(open_dataset(write_set(tmp_path / "set", frames=3)).sequences[0], 0)
        assert (len(split.train), len(split.validate), len(split.test)) == (1, 1, 1)

    def test_too_few_frames(self, tmp_path: Path, write_set: Writer) -> None:
        (sequence,) = open_dataset(write_set(tmp_path / "set", frames=2)).sequences
        with pytest.raises(DataError, match=r"set.*expected 3 labelled frames or more .*found 2"):
            scene_split(sequence, 0)


class TestBadRoots:
    def test_nothing_there(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match=r"gone.*expected a folder of sequences or a JSON file"):
            open_dataset(tmp_path / "gone")

    def test_an_empty_folder(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match=r"expected a sequence .*found none"):
            open_dataset(tmp_path)

    def test_the_wrong_level(self, root: Path) -> None:
        with pytest.raises(DataError, match="input: expected a sequence"):
            open_dataset(root / "cdnet2014/baseline/highway/input")

    def test_a_part_of_a_folder(self, root: Path) -> None:
        with pytest.raises(OptionError, match="part='train': expected a JSON file"):
            open_dataset(root, "train")

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "not JSON",
            "[]",
            '{"train": "indoor/set1"}',
            '{"train": [1]}',
            "\ud800".encode("utf-16", "surrogatepass"),
        ],
    )
    def test_a_list_of_another_shape(self, tmp_path: Path, text: str | bytes) -> None:
        file = tmp_path / "splits.json"
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        with pytest.raises(DataError, match=r"splits\.json: expected"):
            open_dataset(file, "train")

    def test_an_image_as_data(self, root: Path) -> None:
        with pytest.raises(DataError, match=r"ROI\.bmp: expected a folder"):
            open_dataset(root / "cdnet2014/baseline/highway/ROI.bmp")

    @pytest.mark.parametrize("part", [None, "tset"])
    def test_no_such_part(self, root: Path, part: str | None) -> None:
        (root / "splits.json").write_text('{"train": ["indoor/set1"], "test": ["indoor/set2"]}')
        with pytest.raises(OptionError, match="train, test"):
            open_dataset(root / "splits.json", part)

    def test_an_empty_part(self, root: Path) -> None:
        (root / "splits.json").write_text('{"train": []}')
        with pytest.raises(DataError, match="'train', found an empty list"):
            open_dataset(root / "splits.json")

    @pytest.mark.parametrize("entry", ["indoor/set99", "indoor"])
    def test_a_listed_folder_that_is_no_sequence(self, root: Path, entry: str) -> None:
        (root / "splits.json").write_text(json.dumps({"train": [entry]}))
        with pytest.raises(DataError, match=f"expected a sequence's folder at .*{entry}, found none"):
            open_dataset(root / "splits.json")

    def test_a_sequence_listed_twice(self, root: Path) -> None:
        (root / "splits.json").write_text('{"train": ["indoor/set1", "indoor/set1/"]}')
        with pytest.raises(DataError, match="found 'indoor/set1/' twice"):
            open_dataset(root / "splits.json")


class TestBadImages:
    @pytest.fixture
    def folder(self, tmp_path: Path, write_sequence: Writer) -> Path:
        return write_sequence(tmp_path / "scene", range(1, 5), suffix=".jpg")

    @pytest.mark.parametrize("kept", [0.0, 0.1, 0.5, 0.98])
    def test_a_truncated_frame(self, folder: Path, kept: float) -> None:
        (sequence,) = open_dataset(folder).sequences
        file = sequence.inputs[1]
        os.truncate(file, int(file.stat().st_size * kept))
        with pytest.raises(DataError, match=r"in000002\.jpg: expected .*(empty|cut short)"):
            sequence.frame(file)

    def test_a_truncated_mask(self, folder: Path) -> None:
        (sequence,) = open_dataset(folder).sequences
        mask_file = sequence.masks[sequence.labelled[1]]
        os.truncate(mask_file, mask_file.stat().st_size - 20)
        with pytest.raises(DataError, match=r"gt000002\.png: expected a complete image"):
            sequence.truth(sequence.labelled[1])

    def test_a_truncated_roi(self, folder: Path) -> None:
        os.truncate(folder / "ROI.bmp", 2000)
        (sequence,) = open_dataset(folder).sequences
        with pytest.raises(DataError, match=r"ROI\.bmp: expected a complete image"):
            sequence.roi()

    def test_a_text_as_frame(self, folder: Path) -> None:
        (sequence,) = open_dataset(folder).sequences
        sequence.inputs[1].write_text("not an image")
        with pytest.raises(DataError, match=r"in000002\.jpg: OpenCV cannot decode this image"):
            sequence.frame(sequence.inputs[1])

    def test_a_frame_that_went_away(self, folder: Path) -> None:
        (sequence,) = open_dataset(folder).sequences
        sequence.inputs[1].unlink()
        with pytest.raises(DataError, match=r"in000002\.jpg: cannot read this image"):
            sequence.frame(sequence.inputs[1])

    def test_a_frame_of_another_size(self, folder: Path) -> None:
        (sequence,) = open_dataset(folder).sequences
        cv2.imwrite(str(sequence.inputs[1]), np.zeros((50, 64, 3), np.uint8))
        with pytest.raises(DataError, match=r"in000002\.jpg: expected 64x48 like in000001\.jpg, found 64x50"):
            sequence.frame(sequence.inputs[1])

    def test_a_mask_of_another_size(self, folder: Path) -> None:
        (sequence,) = open_dataset(folder).sequences
        cv2.imwrite(str(sequence.masks[sequence.labelled[1]]), np.zeros((48, 60), np.uint8))
        with pytest.raises(DataError, match=r"gt000002\.png: expected 64x48 .* found 60x48"):
            sequence.truth(sequence.labelled[1])

    def test_a_roi_of_another_size(self, folder: Path) -> None:
        cv2.imwrite(str(folder / "ROI.bmp"), np.full((96, 128), 255, np.uint8))
        (sequence,) = open_dataset(folder).sequences
        with pytest.raises(DataError, match=r"ROI\.bmp: expected 64x48 .* found 128x96"):
            sequence.truth(sequence.labelled[0])

    def test_an_empty_roi(self, folder: Path) -> None:
        cv2.imwrite(str(folder / "ROI.bmp"), np.zeros((48, 64), np.uint8))
        (sequence,) = open_dataset(folder).sequences
        with pytest.raises(DataError, match=r"ROI\.bmp: expected 255 inside"):
            sequence.truth(sequence.labelled[0])

    def test_a_background_of_another_size(self, tmp_path: Path, write_set: Writer) -> None:
        folder = write_set(tmp_path / "set")
        cv2.imwrite(str(folder / "background.png"), np.zeros((24, 32, 3), np.uint8))
        (sequence,) = open_dataset(folder).sequences
        with pytest.raises(DataError, match=r"background\.png: expected 64x48 .* found 32x24"):
            sequence.background()


@pytest.mark.skipif("EDGEFG_DATA" not in os.environ, reason="EDGEFG_DATA names no copy of the data sets")
def test_real_data_fits_together() -> None:
    for sequence in open_dataset(os.environ["EDGEFG_DATA"]).sequences:
        sequence.background()
        for path in sequence.labelled[:: max(1, len(sequence.labelled) // 5)]:
            assert sequence.frame(path).shape[:2] == sequence.truth(path).shape
