"""Calibration samples: which pairs are drawn, what names them, and what is refused."""

import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from edgefg.calibration.quality import check_frames, check_some_change
from edgefg.calibration.recording import sample_recording
from edgefg.calibration.sample import Sample
from edgefg.calibration.sequences import sample_sequences, share_out
from edgefg.datasets.sequences import open_dataset, scene_split
from edgefg.errors import DataError, MediaError, MissingFileError

SIZE = (64, 48)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory, write_sequence: Any, write_set: Any) -> Path:
    """Two categories: one with two sequences of 30 and 60 frames, one with a set of 8."""
    root = tmp_path_factory.mktemp("calibration") / "data"
    write_sequence(root / "baseline" / "street", range(1, 31))
    write_sequence(root / "baseline" / "yard", range(1, 91))
    write_set(root / "indoor" / "set01", frames=8)
    return root


def draw(root: Path, pairs: int = 40, seed: int = 0, **options: Any) -> Sample:
    return sample_sequences(open_dataset(root), SIZE, pairs, seed, **options)


class TestSequences:
    def test_categories_and_sequences_get_alike_many(self, data: Path) -> None:
        sample = draw(data, 48)
        sequences = Counter(pair.frame.file.rsplit("/", 1)[0] for pair in sample.pairs)
        # The set has only 8 of the 24 that would be its share; the others take what it leaves.
        assert sequences == {"indoor/set01": 8, "baseline/street": 20, "baseline/yard": 20}

    def test_no_frame_is_drawn_twice_and_none_is_its_own_background(self, data: Path) -> None:
        sample = draw(data)
        assert len({pair.frame.file for pair in sample.pairs}) == len(sample.pairs)
        assert all(pair.frame.file != pair.background.file for pair in sample.pairs)

    def test_backgrounds_are_frames_that_were_drawn_too(self, data: Path) -> None:
        """The others are left to judge by."""
        pairs = [pair for pair in draw(data).pairs if pair.category == "baseline"]
        assert {pair.background.file for pair in pairs} <= {pair.frame.file for pair in pairs}

    def test_a_single_frame_of_a_sequence_has_another_as_its_background(
        self, data: Path, write_sequence: Any, tmp_path: Path
    ) -> None:
        root = Path(shutil.copytree(data, tmp_path / "data"))
        for number in range(40):
            write_sequence(root / "many" / f"s{number}", range(1, 4))
        single = [pair for pair in draw(root, 60).pairs if pair.category == "many"]
        assert len(single) == len({pair.frame.file.rsplit("/", 1)[0] for pair in single})
        assert all(pair.frame.file != pair.background.file for pair in single)

    def test_a_set_keeps_its_own_background(self, data: Path) -> None:
        backgrounds = {pair.background.file for pair in draw(data).pairs if pair.category == "indoor"}
        assert backgrounds == {"indoor/set01/background.png"}

    def test_images_have_the_networks_size(self, data: Path) -> None:
        for background, frame in (pair.images for pair in draw(data).pairs):
            assert background.shape == frame.shape == (48, 64, 3)
            assert background.dtype == frame.dtype == np.uint8

    def test_only_frames_inside_the_temporal_region_are_drawn(self, data: Path, tmp_path: Path) -> None:
        root = Path(shutil.copytree(data, tmp_path / "data"))
        (root / "baseline/yard/temporalROI.txt").write_text("41 90\n")
        numbers = {
            int(Path(shot.file).stem[2:])
            for pair in draw(root, 60).pairs
            for shot in (pair.frame, pair.background)
            if shot.file.startswith("baseline/yard")
        }
        assert min(numbers) >= 41

    def test_outside_the_spatial_region_the_frame_shows_the_background(self, data: Path, tmp_path: Path) -> None:
        root = Path(shutil.copytree(data, tmp_path / "data"))
        roi = np.zeros((48, 64), np.uint8)
        roi[:, 32:] = 255
        for name in ("street", "yard"):
            cv2.imwrite(str(root / f"baseline/{name}/ROI.bmp"), roi)
        for pair in draw(root).pairs:
            if pair.category == "baseline":
                np.testing.assert_array_equal(pair.images[0][:, :32], pair.images[1][:, :32])

    def test_the_protocol_scene_gives_none_of_its_tested_frames(self, data: Path) -> None:
        dataset = open_dataset(data / "baseline")
        splits = {sequence.path.name: scene_split(sequence, 3) for sequence in dataset.sequences}
        sample = sample_sequences(dataset, SIZE, 64, 0, split_seed=3)
        for pair in sample.pairs:
            for shot in (pair.frame, pair.background):
                _, name, file = shot.file.split("/")
                assert file in {path.name for path in splits[name].train}

    def test_two_sequences_of_one_name_are_refused(self, data: Path, tmp_path: Path) -> None:
        for root in ("a", "b"):
            shutil.copytree(data / "baseline", tmp_path / root / "baseline")
        with pytest.raises(DataError, match="baseline/street twice"):
            draw(tmp_path)

    def test_a_truncated_frame_is_named(self, data: Path, tmp_path: Path) -> None:
        root = Path(shutil.copytree(data, tmp_path / "data"))
        for path in (root / "baseline/yard/input").iterdir():
            path.write_bytes(path.read_bytes()[:60])
        with pytest.raises(DataError, match=r"yard/input/in0000\d\d\.png"):
            draw(root, 64)

    def test_shares_never_exceed_what_is_there(self) -> None:
        assert share_out(10, {"a": 2, "b": 100, "c": 3}) == {"a": 2, "b": 5, "c": 3}
        assert share_out(10, {"a": 2, "b": 3}) == {"a": 2, "b": 3}
        assert share_out(0, {"a": 2}) == {"a": 0}


class TestDigest:
    @pytest.mark.parametrize(
        ("seed", "digest"),
        [
            (0, "605772ab33e131f661b6893d344d9a75dcb88f6648ba288b404ad92006c6ee43"),
            (1, "384a95ebdacc70125473c02291a7f7bcdcfb3509f5919722614c0301f5028c17"),
        ],
    )
    def test_is_the_same_on_every_python_and_machine(
        self, seed: int, digest: str, write_sequence: Any, tmp_path: Path
    ) -> None:
        """Frames of whole numbers in bitmaps, whose bytes no release of a library changes."""
        folder = write_sequence(tmp_path / "baseline" / "street", range(1, 41), suffix=".bmp")
        ramp = np.add.outer(np.arange(48), np.arange(64)).astype(np.uint8)
        for step, path in enumerate(sorted((folder / "input").iterdir())):
            frame = cv2.merge([ramp, ramp, ramp])
            frame[16:32, step : step + 16] = 250
            cv2.imwrite(str(path), frame)
        assert draw(folder, 32, seed).digest == digest

    def test_the_pixels_depend_on_the_region_of_interest(self, data: Path, tmp_path: Path) -> None:
        copy = Path(shutil.copytree(data, tmp_path / "copy"))
        before = draw(copy)
        assert before.pixels == draw(data).pixels
        roi = np.zeros((48, 64), np.uint8)
        roi[:, 32:] = 255
        cv2.imwrite(str(copy / "baseline/street/ROI.bmp"), roi)
        after = draw(copy)
        assert after.digest == before.digest
        assert after.pixels != before.pixels

    def test_does_not_depend_on_where_the_data_lie(self, data: Path, tmp_path: Path) -> None:
        copy = Path(shutil.copytree(data, tmp_path / "elsewhere" / "copy"))
        assert draw(copy).digest == draw(data).digest

    def test_depends_on_the_seed(self, data: Path) -> None:
        assert draw(data, seed=1).digest != draw(data, seed=0).digest

    def test_depends_on_the_pixels(self, data: Path, tmp_path: Path) -> None:
        copy = Path(shutil.copytree(data, tmp_path / "copy"))
        used = draw(data).pairs[0].frame.file.split("/")
        path = copy / used[0] / used[1] / "input" / used[2]
        image = cv2.imread(str(path))
        assert image is not None
        image[0, 0] ^= 1
        cv2.imwrite(str(path), image)
        assert draw(copy).digest != draw(data).digest

    def test_another_process_gives_the_same(self, data: Path) -> None:
        """Another hash seed, that is: sets and dictionaries must have no say."""
        code = (
            "import sys; from edgefg.datasets.sequences import open_dataset; "
            "from edgefg.calibration.sequences import sample_sequences; "
            "print(sample_sequences(open_dataset(sys.argv[1]), (64, 48), 40, 0).digest)"
        )
        ended = subprocess.run([sys.executable, "-c", code, str(data)], capture_output=True, text=True, check=True)
        assert ended.stdout.strip() == draw(data).digest

    def test_the_record_names_files_and_counts(self, data: Path) -> None:
        sample = draw(data, 48)
        record = sample.to_json()
        assert record["digest"] == sample.digest
        assert record["categories"] == {"baseline": 40, "indoor": 8}
        assert len(record["pairs"]) == 48
        assert str(data) not in str(record)


class TestRecording:
    def test_a_video_gives_pairs(self, write_video: Any, tmp_path: Path) -> None:
        video = write_video(tmp_path / "camera.mp4", frames=80)
        sample = sample_recording(str(video), SIZE, pairs=40)
        assert len(sample.pairs) == 40
        assert {pair.frame.file for pair in sample.pairs} == {"camera.mp4"}
        assert len({pair.frame.index for pair in sample.pairs}) == 40
        assert all(pair.frame.index != pair.background.index for pair in sample.pairs)
        assert {pair.background.index for pair in sample.pairs} <= {pair.frame.index for pair in sample.pairs}

    def test_a_folder_of_images_gives_pairs(self, data: Path) -> None:
        sample = sample_recording(str(data / "baseline/yard/input"), SIZE, pairs=32)
        assert len({pair.frame.file for pair in sample.pairs}) == 32
        assert all(pair.frame.index is None for pair in sample.pairs)

    def test_the_seed_decides(self, write_video: Any, tmp_path: Path) -> None:
        video = str(write_video(tmp_path / "camera.mp4", frames=80))
        digests = [sample_recording(video, SIZE, 40, seed).digest for seed in (0, 0, 1)]
        assert digests[0] == digests[1] != digests[2]

    def test_a_short_one_is_refused(self, write_video: Any, tmp_path: Path) -> None:
        video = write_video(tmp_path / "camera.mp4", frames=42)
        with pytest.raises(DataError, match="expected 32 pairs or more to calibrate on, found 31"):
            sample_recording(str(video), SIZE)

    def test_one_that_is_cut_short_is_refused(self, write_video: Any, tmp_path: Path) -> None:
        video = write_video(tmp_path / "camera.mp4", frames=200)
        video.write_bytes(video.read_bytes()[:-600])
        with pytest.raises(MediaError, match=r"camera\.mp4: the file is cut short or damaged, only \d+ frames"):
            sample_recording(str(video), SIZE)

    def test_an_unreadable_image_is_named(self, data: Path, tmp_path: Path) -> None:
        frames = Path(shutil.copytree(data / "baseline/yard/input", tmp_path / "frames"))
        (frames / "in000080.png").write_bytes(b"no image")
        with pytest.raises(MediaError, match=r"in000080\.png: OpenCV cannot decode this image"):
            sample_recording(str(frames), SIZE)

    def test_a_single_image_is_refused(self, data: Path) -> None:
        with pytest.raises(DataError, match="expected a recording to calibrate on, found 1 frame"):
            sample_recording(str(data / "indoor/set01/background.png"), SIZE)

    def test_nothing_there(self, tmp_path: Path) -> None:
        with pytest.raises(MissingFileError):
            sample_recording(str(tmp_path / "none.mp4"), SIZE)


class TestQuality:
    rng = np.random.default_rng(0)

    def frames(self, kind: str, count: int = 40) -> list[tuple[str, np.ndarray]]:
        ramp = np.broadcast_to(np.linspace(0, 200, 64, dtype=np.uint8)[None, :, None], (48, 64, 3))
        made = {
            "noise": lambda: self.rng.integers(0, 256, (48, 64, 3), dtype=np.uint8),
            "constant": lambda: np.full((48, 64, 3), 128, np.uint8),
            "scene": lambda: np.clip(ramp + self.rng.normal(0, 10, ramp.shape), 0, 255).astype(np.uint8),
        }[kind]
        return [(f"{kind}{index}.png", made()) for index in range(count)]

    @pytest.mark.parametrize(("kind", "reason"), [("noise", "it is noise"), ("constant", "it is constant")])
    def test_frames_that_show_no_scene_are_refused(self, kind: str, reason: str) -> None:
        with pytest.raises(DataError, match=rf"40 of 40 frames that are none, {kind}0\.png first: {reason}"):
            check_frames("camera", self.frames(kind))

    def test_a_few_black_frames_are_let_through(self) -> None:
        check_frames("camera", self.frames("scene", 38) + self.frames("constant", 2))

    def test_noisy_scenes_are_let_through(self) -> None:
        check_frames("camera", self.frames("scene"))

    def test_a_sample_in_which_nothing_changes_is_refused(self) -> None:
        still = [frame for _, frame in self.frames("scene")]
        with pytest.raises(
            DataError, match=r"pairs to calibrate on in which something has changed, found none among 20"
        ):
            check_some_change("camera", list(zip(still[::2], still[1::2], strict=True)))

    def test_one_moving_thing_is_enough(self) -> None:
        still = [frame for _, frame in self.frames("scene")]
        moved = still[1].copy()
        moved[20:30, 20:30] = 255
        check_some_change("camera", [(still[0], still[2]), (still[0], moved)])
