"""The work of ``edgefg run``."""

import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgefg.bundle.bundle import Bundle
from edgefg.errors import FrameError, MediaError, MissingFileError, OptionError, OutputError
from edgefg.imaging.io import Image
from edgefg.media.reader import open_video
from edgefg.media.writers import JsonWriter
from edgefg.run.outputs import Outputs
from edgefg.run.runner import RunOptions, RunSummary, run
from edgefg.segmentation.options import InferenceOptions

from ..support.run_rig import names, no_progress
from ..support.run_rig import video as video

pytest.importorskip("av")

Runner = Callable[..., RunSummary]


@pytest.fixture
def run_tiny(tiny_bundle: Bundle, video: Path) -> Runner:
    """Runs the tiny bundle on ``video`` unless told otherwise."""

    def run_on(source: Path | str = video, outputs: Outputs | None = None, **options: object) -> RunSummary:
        chosen = {"bundle": tiny_bundle.path, "outputs": outputs or Outputs(), **options}
        return run(RunOptions(str(source), **chosen), no_progress)  # type: ignore[arg-type]

    return run_on


class TestOutputs:
    def test_writes_what_was_asked_for(self, run_tiny: Runner, tmp_path: Path) -> None:
        outputs = Outputs(tmp_path / "mask.mp4", tmp_path / "overlay.mp4", tmp_path / "all.jsonl")
        summary = run_tiny(outputs=outputs)
        assert summary.outputs == (outputs.mask, outputs.overlay, outputs.json)
        assert names(tmp_path) == {"in.mp4", "mask.mp4", "overlay.mp4", "all.jsonl"}

    def test_masks_show_the_box_that_moves(self, run_tiny: Runner, tmp_path: Path) -> None:
        run_tiny(outputs=Outputs(mask=tmp_path / "mask.mp4"))
        first, *_, last = (frame[..., 0] > 127 for frame in open_video(tmp_path / "mask.mp4"))
        assert first[:16, :16].all()
        assert not first[20:].any()
        assert last[:16, 44:60].all()
        assert not last[:, :40].any()

    def test_videos_have_a_frame_for_each_frame(self, run_tiny: Runner, tmp_path: Path) -> None:
        run_tiny(outputs=Outputs(overlay=tmp_path / "overlay.mp4"))
        source = open_video(tmp_path / "overlay.mp4")
        assert (source.count, source.size, source.fps) == (12, (64, 48), 10)

    def test_json_has_a_record_for_each_frame(self, run_tiny: Runner, tmp_path: Path) -> None:
        run_tiny(outputs=Outputs(json=tmp_path / "a.jsonl"))
        records = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text().splitlines()]
        assert [record["frame"] for record in records] == list(range(12))
        assert records[3]["time_s"] == 0.3
        assert records[3]["foreground"] == pytest.approx(256 / 3072, rel=0.2)
        assert records[3]["regions"][0]["area_px"] == pytest.approx(256, rel=0.2)
        assert records[3]["background_id"] == 1
        assert records[3]["timing"]["total_ms"] > 0

    def test_none_is_fine(self, run_tiny: Runner) -> None:
        assert run_tiny().frames == 12

    def test_odd_frames_run_too(self, run_tiny: Runner, write_video: Callable[..., Path], tmp_path: Path) -> None:
        cv2.imwrite(str(tmp_path / "a.png"), np.zeros((49, 65, 3), np.uint8))
        run_tiny(tmp_path / "a.png", Outputs(mask=tmp_path / "mask.mp4"), background="first")
        assert open_video(tmp_path / "mask.mp4").size == (66, 50)


class TestSummary:
    def test_says_what_was_done(self, run_tiny: Runner, video: Path, tmp_path: Path) -> None:
        told = dict(run_tiny(outputs=Outputs(mask=tmp_path / "mask.mp4")).lines())
        assert told["source"] == f"{video}: 12 frames of 64x48"
        assert told["background"] == "median of 12 frames from all over the source: offline, it looks ahead"
        assert told["networks"].startswith("tiny, fp32 at 64x48, mode full, on openvino ")
        assert told["wrote"] == str(tmp_path / "mask.mp4")

    def test_tells_how_far_it_is(self, tiny_bundle: Bundle, video: Path) -> None:
        steps: list[tuple[str, int, int | None]] = []
        run(RunOptions(str(video), tiny_bundle.path), lambda *step: steps.append(step))
        assert steps[0] == ("median background", 0, None)
        assert steps[-1] == ("segmenting", 12, 12)

    def test_the_engine_can_be_chosen(self, run_tiny: Runner) -> None:
        pytest.importorskip("onnxruntime")
        assert run_tiny(inference=InferenceOptions(engine="onnxruntime")).engine.startswith("onnxruntime ")

    def test_a_threshold_can_be_chosen(self, run_tiny: Runner) -> None:
        def run_at(threshold: float) -> RunSummary:
            return run_tiny(inference=InferenceOptions(threshold=threshold))

        assert run_at(1.0).foreground < run_at(0.01).foreground


class TestBackground:
    def test_first_frame(self, run_tiny: Runner, tmp_path: Path) -> None:
        summary = run_tiny(background="first", outputs=Outputs(json=tmp_path / "a.jsonl"))
        record = json.loads((tmp_path / "a.jsonl").read_text().splitlines()[0])
        assert summary.background == "the first frame"
        assert (record["foreground"], record["background_adopted"]) == (0, False)

    def test_image(self, run_tiny: Runner, make_scene: Callable[..., Image], tmp_path: Path) -> None:
        cv2.imwrite(str(tmp_path / "empty.png"), make_scene())
        assert run_tiny(background=str(tmp_path / "empty.png")).foreground == pytest.approx(256 / 3072, rel=0.2)

    def test_image_of_another_size_but_the_same_shape(
        self, run_tiny: Runner, make_scene: Callable[..., Image], tmp_path: Path
    ) -> None:
        cv2.imwrite(str(tmp_path / "large.png"), make_scene(size=(128, 96)))
        assert run_tiny(background=str(tmp_path / "large.png")).frames == 12

    def test_image_of_another_shape(self, run_tiny: Runner, tmp_path: Path) -> None:
        cv2.imwrite(str(tmp_path / "square.png"), np.zeros((64, 64, 3), np.uint8))
        with pytest.raises(FrameError, match=r"expected the frames' shape, 64x48 or a multiple of it, found 64x64"):
            run_tiny(background=str(tmp_path / "square.png"), outputs=Outputs(mask=tmp_path / "mask.mp4"))
        assert names(tmp_path) == {"in.mp4", "square.png"}

    def test_the_median_of_one_frame_would_hide_everything(
        self, run_tiny: Runner, write_video: Callable[..., Path], tmp_path: Path
    ) -> None:
        with pytest.raises(OptionError, match="background=IMG"):
            run_tiny(write_video(tmp_path / "one.mp4", frames=1))

    def test_missing_image(self, run_tiny: Runner) -> None:
        with pytest.raises(MissingFileError, match="expected median, first, an image file or a STATE"):
            run_tiny(background="medain")

    def test_a_large_source_is_sampled_small(self, run_tiny: Runner, write_video: Callable[..., Path]) -> None:
        """Otherwise 64 frames of a 4K video would need 1.6 GB."""
        source = write_video(Path(run_tiny().source).with_name("wide.mp4"), size=(1280, 960), frames=3)
        assert run_tiny(source).frames == 3


class TestRefusedBeforeAnyWork:
    def test_one_file_for_two_results(self, run_tiny: Runner, tmp_path: Path) -> None:
        path = tmp_path / "out.mp4"
        with pytest.raises(OptionError, match=r"overlay=.*out\.mp4': expected a file of its own, .* also mask="):
            run_tiny(outputs=Outputs(mask=path, overlay=path.parent / "." / "out.mp4"))
        assert names(tmp_path) == {"in.mp4"}

    def test_the_source_as_output(self, run_tiny: Runner, video: Path) -> None:
        before = video.read_bytes()
        with pytest.raises(OptionError, match="also the source"):
            run_tiny(outputs=Outputs(mask=video))
        assert video.read_bytes() == before

    def test_a_link_to_the_source_as_output(self, run_tiny: Runner, video: Path, tmp_path: Path) -> None:
        (tmp_path / "link.mp4").symlink_to(video)
        with pytest.raises(OptionError, match="also the source"):
            run_tiny(outputs=Outputs(mask=tmp_path / "link.mp4"))

    def test_an_image_of_the_source_folder_as_output(self, run_tiny: Runner, tmp_path: Path) -> None:
        cv2.imwrite(str(tmp_path / "1.png"), np.zeros((48, 64, 3), np.uint8))
        with pytest.raises(OptionError, match="also the source"):
            run_tiny(str(tmp_path / "*.png"), Outputs(json=tmp_path / "1.png"))

    def test_the_background_as_output(self, run_tiny: Runner, tmp_path: Path) -> None:
        cv2.imwrite(str(tmp_path / "b.png"), np.zeros((48, 64, 3), np.uint8))
        with pytest.raises(OptionError, match="also the background"):
            run_tiny(background=str(tmp_path / "b.png"), outputs=Outputs(json=tmp_path / "b.png"))

    def test_the_inside_of_a_bundle_as_output(self, run_tiny: Runner, bundle_copy: Bundle) -> None:
        with pytest.raises(OptionError, match="is in, the bundle"):
            run_tiny(bundle=bundle_copy.path, outputs=Outputs(json=bundle_copy.path / "a.jsonl"))

    def test_a_video_that_is_no_mp4(self, run_tiny: Runner, tmp_path: Path) -> None:
        with pytest.raises(OptionError, match=r"ends in \.mp4"):
            run_tiny(outputs=Outputs(mask=tmp_path / "mask.avi"))

    def test_a_folder_that_does_not_exist(self, run_tiny: Runner, tmp_path: Path) -> None:
        outputs = Outputs(mask=tmp_path / "mask.mp4", overlay=tmp_path / "none" / "overlay.mp4")
        with pytest.raises(OutputError, match="its folder does not exist"):
            run_tiny(outputs=outputs)
        assert names(tmp_path) == {"in.mp4"}

    def test_a_source_that_does_not_decode(self, run_tiny: Runner, tmp_path: Path) -> None:
        (tmp_path / "text.mp4").write_text("words")
        with pytest.raises(MediaError, match=r"text\.mp4: expected a video"):
            run_tiny(tmp_path / "text.mp4", Outputs(mask=tmp_path / "mask.mp4"))
        assert names(tmp_path) == {"in.mp4", "text.mp4"}


class TestDamagedSource:
    def test_what_decodes_is_kept_and_playable(
        self, run_tiny: Runner, write_video: Callable[..., Path], tmp_path: Path
    ) -> None:
        source = write_video(tmp_path / "cut.mp4", frames=60)
        source.write_bytes(source.read_bytes()[:-500])
        outputs = Outputs(tmp_path / "mask.mp4", tmp_path / "overlay.mp4", tmp_path / "a.jsonl")
        summary = run_tiny(source, outputs)
        assert 10 < summary.frames < 60
        assert "cut short or damaged" in str(summary.damage)
        assert len(list(open_video(tmp_path / "mask.mp4"))) == summary.frames
        assert len(list(open_video(tmp_path / "overlay.mp4"))) == summary.frames
        assert len((tmp_path / "a.jsonl").read_text().splitlines()) == summary.frames

    def test_a_broken_image_in_a_folder(self, run_tiny: Runner, tmp_path: Path) -> None:
        folder = tmp_path / "f"
        folder.mkdir()
        for number in range(4):
            cv2.imwrite(str(folder / f"{number}.png"), np.zeros((48, 64, 3), np.uint8))
        (folder / "2.png").write_text("not an image")
        summary = run_tiny(folder, Outputs(mask=tmp_path / "mask.mp4"), background="first")
        assert summary.frames == 2
        assert len(list(open_video(tmp_path / "mask.mp4"))) == 2


class TestFullDisk:
    def test_the_other_files_are_kept(self, run_tiny: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        written = []

        def full_at_the_fifth(self: JsonWriter, record: object) -> None:
            written.append(record)
            if len(written) == 5:
                raise OutputError("a.jsonl: cannot write: No space left on device")

        monkeypatch.setattr(JsonWriter, "write", full_at_the_fifth)
        summary = run_tiny(outputs=Outputs(mask=tmp_path / "mask.mp4", json=tmp_path / "a.jsonl"))
        assert isinstance(summary.damage, OutputError)
        assert len(list(open_video(tmp_path / "mask.mp4"))) == 5
