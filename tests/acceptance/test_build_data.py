"""What a build calibrates and judges on: found out from what the user named."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnxruntime")
pytest.importorskip("torch")

from edgefg.build.acceptance.frames import scenes_from_recording
from edgefg.build.data import choose_scenes, draw_sample, open_footage
from edgefg.build.options import BuildOptions
from edgefg.calibration.sample import Sample, SampledFrame, file_sha256
from edgefg.errors import DataError, MissingFileError, OptionError

OPTIONS = BuildOptions(Path("out"), size="lite", input_size=(64, 48), samples=32)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory, write_sequence: Any) -> Path:
    root: Path = tmp_path_factory.mktemp("data")
    write_sequence(root / "baseline" / "street", range(1, 49))
    write_sequence(root / "baseline" / "yard", range(1, 9), suffix=".jpg")
    (root / "splits.json").write_text('{"train": ["baseline/street"], "validate": ["baseline/yard"]}')
    return root


def test_a_json_file_is_a_data_set(data: Path) -> None:
    assert open_footage(str(data / "splits.json"), "train").dataset is not None


def test_a_folder_of_sequences_is_a_data_set(data: Path) -> None:
    assert open_footage(str(data)).dataset is not None


def test_a_folder_of_images_is_a_recording(data: Path) -> None:
    assert open_footage(str(data / "baseline/street/input")).recording is not None


def test_a_broken_sequence_is_no_recording(data: Path, tmp_path: Path) -> None:
    folder = tmp_path / "street"
    shutil.copytree(data / "baseline" / "street", folder)
    for mask in (folder / "groundtruth").iterdir():
        mask.unlink()
    with pytest.raises(DataError, match="expected the mask of in000001"):
        open_footage(str(folder))


def test_a_video_is_a_recording(write_video: Any, tmp_path: Path) -> None:
    assert open_footage(str(write_video(tmp_path / "camera.mp4"))).recording is not None


@pytest.mark.parametrize(
    ("name", "part", "error"),
    [
        ("", None, DataError),  # a folder with nothing in it
        ("none.json", None, DataError),
        ("none.mp4", "train", OptionError),
    ],
)
def test_what_is_not_there(name: str, part: str | None, error: type[Exception], tmp_path: Path) -> None:
    with pytest.raises(error):
        open_footage(str(tmp_path / name), part)


def test_a_recording_that_is_not_there_is_named_when_it_is_read(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match=r"none\.mp4"):
        draw_sample(open_footage(str(tmp_path / "none.mp4")), OPTIONS, {})


def test_a_part_that_is_not_there(data: Path) -> None:
    with pytest.raises(OptionError, match="part='test'"):
        open_footage(str(data / "splits.json"), "test")


def test_the_part_validate_judges_unless_told_otherwise(data: Path) -> None:
    footage = open_footage(str(data / "splits.json"), "train")
    scenes = choose_scenes(None, footage, draw_sample(footage, OPTIONS, {}))
    assert [(scene.name, scene.count) for scene in scenes] == [("baseline/yard", 8)]


def test_else_what_was_not_calibrated_on_judges(data: Path) -> None:
    footage = open_footage(str(data / "baseline/street"))
    sample = draw_sample(footage, OPTIONS, {})
    (scene,) = choose_scenes(None, footage, sample)
    used = {shot.file.rsplit("/", 1)[1] for pair in sample.pairs for shot in (pair.frame, pair.background)}
    judged = {name for name, _, _ in scene.frames()}
    assert judged
    assert not used & judged
    # Frames of one file content may stand in two places: what counts is the content.
    assert len(judged) <= 48 - len(used)


def test_a_frame_that_was_only_a_background_does_not_judge(data: Path) -> None:
    """Where one frame of a sequence is drawn, its background is one that was not."""
    footage = open_footage(str(data / "baseline/street"))
    (first, *_) = draw_sample(footage, OPTIONS, {}).pairs
    one = Sample(0, "street", (replace(first, frame=SampledFrame("elsewhere.png", "0" * 64)),))
    (scene,) = choose_scenes(None, footage, one)
    assert first.background.file.rsplit("/", 1)[1] not in {name for name, _, _ in scene.frames()}
    recording = open_footage(str(data / "baseline/street/input"))
    (scene,) = choose_scenes(None, recording, one, 256)
    assert first.background.file.rsplit("/", 1)[1] not in {name for name, _, _ in scene.frames()}


def test_a_small_data_set_keeps_a_quarter_for_judging(data: Path) -> None:
    footage = open_footage(str(data / "baseline/street"))
    sample = draw_sample(footage, replace(OPTIONS, samples=256), {})
    assert len(sample.pairs) == 36  # three quarters of 48
    assert sum(scene.count for scene in choose_scenes(None, footage, sample)) == 12
    named = draw_sample(footage, replace(OPTIONS, samples=256, verify="other.mp4"), {})
    assert len(named.pairs) == 48


def test_a_frame_that_was_calibrated_on_as_a_background_does_not_verify(
    data: Path, write_sequence: Any, tmp_path: Path
) -> None:
    footage = open_footage(str(data / "baseline/street"))
    sample = draw_sample(footage, OPTIONS, {})
    (first, *_) = sample.pairs
    background = first.background.file
    sample = replace(sample, pairs=(replace(first, frame=SampledFrame("elsewhere.png", "0" * 64)),))
    other = write_sequence(tmp_path / "other", range(1, 2))
    shutil.copy(data / "baseline/street/input" / background.rsplit("/", 1)[1], other / "input/in000001.png")
    with pytest.raises(DataError, match=r"in000001\.png: expected frames to verify on that were not calibrated on"):
        choose_scenes(open_footage(str(other)), footage, sample)


def test_the_clip_judges_where_nothing_is_named() -> None:
    (scene,) = choose_scenes(None, None, None)
    name, frame, truth = next(iter(scene.frames()))
    assert (scene.name, name, truth) == ("people.mp4", "frame 0", None)
    assert frame.ndim == 3


def test_a_scene_of_the_protocol_scene_is_calibrated_on_its_training_frames(data: Path) -> None:
    footage = open_footage(str(data / "baseline/street"))
    with pytest.raises(DataError, match="found 14"):  # 30% of 48
        draw_sample(footage, OPTIONS, {"protocol": "scene", "seed": 3})


def test_a_recording_is_judged_by_frames_outside_the_sample(data: Path) -> None:
    recording = str(data / "baseline/street/input")
    sample = draw_sample(open_footage(recording), BuildOptions(Path("out"), input_size=(64, 48), samples=256), {})
    assert len(sample.pairs) == 36  # three quarters of 48
    (scene,) = choose_scenes(None, open_footage(recording), sample, 256)
    used = {shot.sha256 for pair in sample.pairs for shot in (pair.frame, pair.background)}
    names = [name for name, _, _ in scene.frames()]
    assert names
    assert not used & {file_sha256(data / "baseline/street/input" / name) for name in names}


def test_a_video_is_judged_by_frames_outside_the_sample(write_video: Any, tmp_path: Path) -> None:
    video = open_footage(str(write_video(tmp_path / "camera.mp4", frames=60)))
    sample = draw_sample(video, OPTIONS, {})
    (scene,) = choose_scenes(None, video, sample, OPTIONS.samples)
    used = {f"frame {shot.index}" for pair in sample.pairs for shot in (pair.frame, pair.background)}
    assert len(used) == 32
    assert not used & {name for name, _, _ in scene.frames()}
    assert len(used | {name for name, _, _ in scene.frames()}) == 60


def test_when_all_frames_were_calibrated_on_none_is_left(data: Path) -> None:
    recording = str(data / "baseline/street/input")
    options = replace(OPTIONS, samples=48, verify=recording)
    sample = draw_sample(open_footage(str(data / "baseline/street")), options, {})
    with pytest.raises(DataError, match="pass others as verify="):
        scenes_from_recording(recording, sample, 256)


def test_truth_and_frame_have_one_size(data: Path) -> None:
    (scene,) = choose_scenes(open_footage(str(data / "splits.json"), "validate"), None, None)
    for _, frame, truth in scene.frames():
        assert truth is not None
        assert truth.shape == frame.shape[:2]
        assert truth.dtype == np.uint8
