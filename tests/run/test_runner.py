"""The work of ``edgefg run``."""

import json
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgefg.bundle.bundle import Bundle
from edgefg.errors import FrameError, MediaError, MissingFileError, OptionError, OutputError
from edgefg.imaging.io import Image
from edgefg.imaging.levels import ValueRange
from edgefg.media.reader import open_video
from edgefg.media.writers import JsonWriter
from edgefg.run.outputs import Outputs
from edgefg.run.runner import RunOptions, RunSummary, run
from edgefg.segmentation.options import InferenceOptions

from ..support.images import tiff
from ..support.run_rig import names, no_progress
from ..support.run_rig import video as video
from ..support.videos import spoil, write_numbered

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


class TestTimes:
    """Of a recording with pauses, as motion-triggered cameras make them."""

    TIMES_S = (0, 0.04, 0.08, 1.0, 1.5, 61.5, 61.54, 61.58)

    @pytest.fixture
    def pauses(self, tmp_path: Path) -> Path:
        stamps = [round(time_s * 1000) for time_s in self.TIMES_S]
        return write_numbered(tmp_path / "pauses.mkv", frames=8, stamps=stamps, tick_s=Fraction(1, 1000))

    def test_json_has_those_of_the_file(self, run_tiny: Runner, pauses: Path, tmp_path: Path) -> None:
        run_tiny(pauses, Outputs(json=tmp_path / "a.jsonl"))
        lines = (tmp_path / "a.jsonl").read_text().splitlines()
        assert [json.loads(line)["time_s"] for line in lines] == list(self.TIMES_S)

    def test_videos_have_those_of_the_file(self, run_tiny: Runner, pauses: Path, tmp_path: Path) -> None:
        run_tiny(pauses, Outputs(mask=tmp_path / "mask.mp4", overlay=tmp_path / "overlay.mp4"))
        for name in ("mask.mp4", "overlay.mp4"):
            times_s = [frame.time_s for frame in open_video(tmp_path / name).timed()]
            assert times_s == pytest.approx(self.TIMES_S, abs=1e-3)

    def test_a_constant_rate_on_demand(self, run_tiny: Runner, pauses: Path, tmp_path: Path) -> None:
        run_tiny(pauses, Outputs(mask=tmp_path / "mask.mp4", output_fps=5))
        times_s = [frame.time_s for frame in open_video(tmp_path / "mask.mp4").timed()]
        assert times_s == pytest.approx([number / 5 for number in range(len(times_s))])
        assert len(times_s) == round(61.6 * 5) + 1

    def test_the_background_ages_in_them(self, run_tiny: Runner, pauses: Path, tmp_path: Path) -> None:
        run_tiny(pauses, Outputs(json=tmp_path / "a.jsonl"))
        lines = (tmp_path / "a.jsonl").read_text().splitlines()
        ages = [json.loads(line)["background_age_s"] for line in lines]
        assert ages[-1] - ages[0] == pytest.approx(61.58)

    @pytest.mark.parametrize("step_s", [3600, 86_400, 1 / 1000])
    def test_a_rate_beyond_the_usual(self, run_tiny: Runner, step_s: float, tmp_path: Path) -> None:
        stamps = [round(number * step_s * 1000) for number in range(6)]
        source = write_numbered(tmp_path / "a.mkv", frames=6, stamps=stamps, tick_s=Fraction(1, 1000))
        outputs = Outputs(overlay=tmp_path / "overlay.mp4", json=tmp_path / "a.jsonl")
        assert run_tiny(source, outputs).damage is None
        times_s = [frame.time_s for frame in open_video(tmp_path / "overlay.mp4").timed()]
        assert times_s == pytest.approx([number * step_s for number in range(6)], abs=1e-3)

    @pytest.mark.parametrize("fps", [0, -1, float("nan"), 1e9, "fast"])
    def test_a_rate_that_makes_no_sense(self, fps: object) -> None:
        with pytest.raises(OptionError, match="output_fps must be a number above 0 and at most 1000"):
            Outputs(output_fps=fps)  # type: ignore[arg-type]


class TestLevels:
    @pytest.fixture
    def thermal(self, tmp_path: Path) -> Path:
        """A scene between 7000 and 7080 counts with a warm box that moves, as a stack of TIFF."""
        wall = np.linspace(7000, 7080, 64) + np.zeros((48, 1))
        frames = []
        for step in range(12):
            frame = wall.astype(np.uint16)
            frame[:16, 4 * step : 4 * step + 16] = 7400
            frames.append(frame)
        (tmp_path / "thermal.tif").write_bytes(tiff(frames))
        return tmp_path / "thermal.tif"

    def test_counts_that_span_little_give_a_hint_and_no_mask(self, run_tiny: Runner, thermal: Path) -> None:
        summary = run_tiny(thermal)
        assert summary.foreground == 0
        assert dict(summary.lines())["hint"].startswith("its 16-bit levels lie between 7000 and 7400")

    @pytest.mark.parametrize("value_range", ["auto", (7000, 7400)])
    def test_a_range_finds_what_moves(self, value_range: ValueRange, run_tiny: Runner, thermal: Path) -> None:
        summary = run_tiny(thermal, value_range=value_range)
        assert summary.foreground == pytest.approx(256 / 3072, rel=0.3)
        told = dict(summary.lines())
        assert "hint" not in told
        assert "becomes 0, " in told["levels"]

    def test_the_background_has_the_same_range(self, run_tiny: Runner, thermal: Path, tmp_path: Path) -> None:
        wall = (np.linspace(7000, 7080, 64) + np.zeros((48, 1))).astype(np.uint16)
        cv2.imwrite(str(tmp_path / "empty.png"), wall)
        summary = run_tiny(thermal, value_range=(7000, 7400), background=str(tmp_path / "empty.png"))
        assert summary.foreground == pytest.approx(256 / 3072, rel=0.3)

    def test_floating_point(self, run_tiny: Runner, tmp_path: Path) -> None:
        frames = [np.full((48, 64), 20, np.float32) for _ in range(6)]
        for step, frame in enumerate(frames):
            frame[:16, 8 * step : 8 * step + 16] = 36
        (tmp_path / "celsius.tif").write_bytes(tiff(frames))
        with pytest.raises(MediaError, match="pass value_range=auto or LOW:HIGH"):
            run_tiny(tmp_path / "celsius.tif")
        assert run_tiny(tmp_path / "celsius.tif", value_range=(15, 40)).foreground > 0.05


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
    def test_frames_before_the_first_key_frame_are_left_out(self, run_tiny: Runner, tmp_path: Path) -> None:
        source = write_numbered(tmp_path / "middle.avi", "mpeg4", 40, 12, lost=range(5))
        summary = run_tiny(source, Outputs(mask=tmp_path / "mask.mp4", json=tmp_path / "a.jsonl"))
        assert summary.frames == 28
        assert "begins between two key frames: its first 7 frames are skipped" in str(summary.damage)
        assert len(list(open_video(tmp_path / "mask.mp4"))) == 28

    def test_damaged_frames_in_the_middle_are_left_out(self, run_tiny: Runner, tmp_path: Path) -> None:
        source = spoil(write_numbered(tmp_path / "holes.mp4", frames=48), [15], size=60)
        summary = run_tiny(source, Outputs(mask=tmp_path / "mask.mp4", json=tmp_path / "a.jsonl"))
        times_s = [json.loads(line)["time_s"] for line in (tmp_path / "a.jsonl").read_text().splitlines()]
        assert 36 <= summary.frames < 48
        assert times_s[-1] == pytest.approx(47 / 25)
        assert f"only {summary.frames} frames can be decoded, with {48 - summary.frames} damaged skipped" in str(
            summary.damage
        )

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
