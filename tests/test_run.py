"""The work of ``edgefg run``."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from edgefg.bundle import Bundle
from edgefg.errors import FrameError, MissingFileError, OptionError, OutputError, VideoError
from edgefg.images import Image
from edgefg.outputs import Outputs
from edgefg.progress import Progress
from edgefg.runner import RunOptions, RunSummary, run
from edgefg.sinks import JsonWriter
from edgefg.video import open_source

pytest.importorskip("av")
Runner = Callable[..., RunSummary]


def no_progress(what: str, done: int, total: int | None) -> None:
    pass


@pytest.fixture
def video(write_video: Callable[..., Path], tmp_path: Path) -> Path:
    return write_video(tmp_path / "in.mp4", frames=12)


@pytest.fixture
def run_tiny(tiny_bundle: Bundle, video: Path) -> Runner:
    """Runs the tiny bundle on ``video`` unless told otherwise."""

    def run_on(source: Path | str = video, outputs: Outputs | None = None, **options: object) -> RunSummary:
        chosen = {"bundle": tiny_bundle.path, "outputs": outputs or Outputs(), **options}
        return run(RunOptions(str(source), **chosen), no_progress)  # type: ignore[arg-type]

    return run_on


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


class TestOutputs:
    def test_writes_what_was_asked_for(self, run_tiny: Runner, tmp_path: Path) -> None:
        outputs = Outputs(tmp_path / "mask.mp4", tmp_path / "overlay.mp4", tmp_path / "all.jsonl")
        summary = run_tiny(outputs=outputs)
        assert summary.outputs == (outputs.mask, outputs.overlay, outputs.json)
        assert names(tmp_path) == {"in.mp4", "mask.mp4", "overlay.mp4", "all.jsonl"}

    def test_masks_show_the_box_that_moves(self, run_tiny: Runner, tmp_path: Path) -> None:
        run_tiny(outputs=Outputs(mask=tmp_path / "mask.mp4"))
        first, *_, last = (frame[..., 0] > 127 for frame in open_source(tmp_path / "mask.mp4"))
        assert first[:16, :16].all()
        assert not first[20:].any()
        assert last[:16, 44:60].all()
        assert not last[:, :40].any()

    def test_videos_have_a_frame_for_each_frame(self, run_tiny: Runner, tmp_path: Path) -> None:
        run_tiny(outputs=Outputs(overlay=tmp_path / "overlay.mp4"))
        source = open_source(tmp_path / "overlay.mp4")
        assert (source.count, source.size, source.fps) == (12, (64, 48), 10)

    def test_json_has_a_record_for_each_frame(self, run_tiny: Runner, tmp_path: Path) -> None:
        run_tiny(outputs=Outputs(json=tmp_path / "a.jsonl"))
        records = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text().splitlines()]
        assert [record["frame"] for record in records] == list(range(12))
        assert records[3]["time_s"] == 0.3
        assert records[3]["foreground"] == pytest.approx(256 / 3072, rel=0.2)
        assert records[3]["blobs"][0]["area_px"] == pytest.approx(256, rel=0.2)
        assert records[3]["background_id"] == 1
        assert records[3]["timing"]["total_ms"] > 0

    def test_none_is_fine(self, run_tiny: Runner) -> None:
        assert run_tiny().frames == 12

    def test_odd_frames_run_too(self, run_tiny: Runner, write_video: Callable[..., Path], tmp_path: Path) -> None:
        cv2.imwrite(str(tmp_path / "a.png"), np.zeros((49, 65, 3), np.uint8))
        run_tiny(tmp_path / "a.png", Outputs(mask=tmp_path / "mask.mp4"), background="first")
        assert open_source(tmp_path / "mask.mp4").size == (66, 50)


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
        assert run_tiny(engine="onnxruntime").engine.startswith("onnxruntime ")

    def test_a_threshold_can_be_chosen(self, run_tiny: Runner) -> None:
        assert run_tiny(threshold=1.0).foreground < run_tiny(threshold=0.01).foreground


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
        with pytest.raises(OptionError, match="--background IMG"):
            run_tiny(write_video(tmp_path / "one.mp4", frames=1))

    def test_missing_image(self, run_tiny: Runner) -> None:
        with pytest.raises(MissingFileError, match="expected median, first or an image file"):
            run_tiny(background="medain")

    def test_a_large_source_is_sampled_small(self, run_tiny: Runner, write_video: Callable[..., Path]) -> None:
        """Otherwise 64 frames of a 4K video would need 1.6 GB."""
        source = write_video(Path(run_tiny().source).with_name("wide.mp4"), size=(1280, 960), frames=3)
        assert run_tiny(source).frames == 3


class TestRefusedBeforeAnyWork:
    def test_one_file_for_two_results(self, run_tiny: Runner, tmp_path: Path) -> None:
        path = tmp_path / "out.mp4"
        with pytest.raises(OptionError, match=r"--overlay .*out\.mp4: expected a file of its own, .* also --mask"):
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
        with pytest.raises(VideoError, match=r"text\.mp4: expected a video"):
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
        assert len(list(open_source(tmp_path / "mask.mp4"))) == summary.frames
        assert len(list(open_source(tmp_path / "overlay.mp4"))) == summary.frames
        assert len((tmp_path / "a.jsonl").read_text().splitlines()) == summary.frames

    def test_a_broken_image_in_a_folder(self, run_tiny: Runner, tmp_path: Path) -> None:
        folder = tmp_path / "f"
        folder.mkdir()
        for number in range(4):
            cv2.imwrite(str(folder / f"{number}.png"), np.zeros((48, 64, 3), np.uint8))
        (folder / "2.png").write_text("not an image")
        summary = run_tiny(folder, Outputs(mask=tmp_path / "mask.mp4"), background="first")
        assert summary.frames == 2
        assert len(list(open_source(tmp_path / "mask.mp4"))) == 2


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
        assert len(list(open_source(tmp_path / "mask.mp4"))) == 5


class TestCtrlCOnTheCommand:
    """In a process of its own, on a source that would take far longer than the test."""

    @pytest.fixture
    def long_source(self, make_scene: Callable[..., Image], tmp_path: Path) -> Path:
        folder = tmp_path / "frames"
        folder.mkdir()
        cv2.imwrite(str(folder / "0.png"), make_scene(boxes=((0, 0, 16, 16),)))
        for number in range(1, 20_000):
            (folder / f"{number}.png").hardlink_to(folder / "0.png")
        return folder

    def start(self, source: Path, bundle: Bundle, folder: Path, *words: str) -> "subprocess.Popen[str]":
        outputs = ("--mask", "mask.mp4", "--overlay", "overlay.mp4", "--json", "a.jsonl")
        command = [sys.executable, "-m", "edgefg", "run", str(source), "--bundle", str(bundle.path), *outputs, *words]
        # As a shell starts a job in the background.
        deaf = ("sh", "-c", 'trap "" INT; exec "$@"', "sh")
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.Popen([*deaf, *command], cwd=folder, text=True, **pipes)

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_files_are_completed(
        self, long_source: Path, tiny_bundle: Bundle, tmp_path: Path, number: signal.Signals
    ) -> None:
        process = self.start(long_source, tiny_bundle, tmp_path, "--background", "first")
        wait_until(lambda: size_of_file(tmp_path / ".a.part.jsonl") > 0, process)
        process.send_signal(number)
        out, err = process.communicate(timeout=30)
        assert process.returncode == 130
        assert err == "stopped before the end\n"
        assert names(tmp_path) == {"frames", "mask.mp4", "overlay.mp4", "a.jsonl"}
        records = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text().splitlines()]
        assert 0 < len(records) < 20_000
        assert f"{len(records)} frames of 64x48" in out
        assert len(list(open_source(tmp_path / "mask.mp4"))) == len(records)
        assert len(list(open_source(tmp_path / "overlay.mp4"))) == len(records)

    def test_while_the_background_is_made_nothing_is_left(self, tiny_bundle: Bundle, tmp_path: Path) -> None:
        folder = tmp_path / "frames"
        folder.mkdir()
        cv2.imwrite(str(folder / "0.png"), np.zeros((48, 64, 3), np.uint8))
        # Reading the second image for the median waits for a writer that never comes.
        os.mkfifo(folder / "1.png")
        process = self.start(folder, tiny_bundle, tmp_path)
        wait_until((tmp_path / ".a.part.jsonl").exists, process)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
        assert (process.returncode, out, err) == (130, "", "stopped before the end\n")
        assert names(tmp_path) == {"frames"}


class TestCtrlCInProcess:
    @pytest.fixture(autouse=True)
    def listens(self) -> Iterator[None]:
        """A test run in the background would ignore Ctrl-C."""
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        yield
        signal.signal(signal.SIGINT, before)

    @staticmethod
    def presses_at(frame: int, times: int = 1) -> Progress:
        """Presses Ctrl-C when so many frames are done; 0 is while the background is made."""

        def progress(what: str, done: int, total: int | None) -> None:
            if done == frame:
                for _ in range(times):
                    signal.raise_signal(signal.SIGINT)

        return progress

    def run_pressing(self, progress: Progress, bundle: Bundle, video: Path) -> RunSummary:
        outputs = Outputs(video.with_name("mask.mp4"), json=video.with_name("a.jsonl"))
        return run(RunOptions(str(video), bundle.path, outputs=outputs), progress)

    def test_the_frame_in_work_is_finished(self, tiny_bundle: Bundle, video: Path) -> None:
        summary = self.run_pressing(self.presses_at(3), tiny_bundle, video)
        assert (summary.interrupted, summary.frames) == (True, 3)
        assert len(list(open_source(video.with_name("mask.mp4")))) == 3

    def test_at_the_last_frame(self, tiny_bundle: Bundle, video: Path) -> None:
        assert self.run_pressing(self.presses_at(12), tiny_bundle, video).frames == 12

    def test_before_the_first_frame_nothing_is_left(self, tiny_bundle: Bundle, video: Path) -> None:
        with pytest.raises(KeyboardInterrupt):
            self.run_pressing(self.presses_at(0), tiny_bundle, video)
        assert names(video.parent) == {"in.mp4"}

    def test_twice_stops_at_once_and_nothing_is_left(self, tiny_bundle: Bundle, video: Path) -> None:
        with pytest.raises(KeyboardInterrupt):
            self.run_pressing(self.presses_at(3, times=2), tiny_bundle, video)
        assert names(video.parent) == {"in.mp4"}

    def test_the_handler_before_comes_back(self, tiny_bundle: Bundle, video: Path) -> None:
        before = signal.getsignal(signal.SIGINT)
        self.run_pressing(self.presses_at(3), tiny_bundle, video)
        assert signal.getsignal(signal.SIGINT) is before

    def test_a_thread_may_run_too(self, tiny_bundle: Bundle, video: Path) -> None:
        """Only the main thread may handle signals."""
        with ThreadPoolExecutor() as pool:
            summary = pool.submit(self.run_pressing, no_progress, tiny_bundle, video).result(timeout=60)
        assert summary.frames == 12


def size_of_file(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def wait_until(condition: Callable[[], bool], process: "subprocess.Popen[str]") -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, "the run did not get that far"
        time.sleep(0.02)


class TestTheBackground:
    def test_is_refreshed_in_the_time_of_the_source_and_saved(
        self,
        edgefg: Callable[..., Any],
        tiny_bundle: Bundle,
        write_video: Callable[..., Path],
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        video, state = write_video(tmp_path / "street.mp4", frames=30), tmp_path / "state.npz"
        words = ("run", video, "--bundle", tiny_bundle.path, "--save-background", state)
        ended = edgefg(*words, "--background", "first", "--refresh", "selective")
        assert ended.code == 0
        assert "the first frame, then selective" in ended.out
        again = edgefg(*words, "--background", state)
        assert again.code == 0
        assert f"background  {state}" in again.out
        monkeypatch.chdir(tmp_path)
        assert edgefg(*words, "--background", "./state.npz").code == 0

    def test_is_shown_in_the_overlay(
        self, edgefg: Callable[..., Any], tiny_bundle: Bundle, write_video: Callable[..., Path], tmp_path: Path
    ) -> None:
        video = write_video(tmp_path / "street.mp4")
        words = ("run", video, "--bundle", tiny_bundle.path, "--overlay", tmp_path / "overlay.mp4")
        assert edgefg(*words, "--inset").code == 0
        assert (tmp_path / "overlay.mp4").stat().st_size

    @pytest.mark.parametrize(
        ("words", "says"),
        [
            (("--refresh", "sometimes"), "policy must be"),
            (("--save-background", "state.txt"), "ends in .npz"),
            (("--save-background", "no/such/state.npz"), "does not exist"),
            (("--background", "nowhere.npz"), "no such file"),
        ],
    )
    def test_bad_options_are_one_line(
        self,
        words: tuple[str, ...],
        says: str,
        edgefg: Callable[..., Any],
        tiny_bundle: Bundle,
        write_video: Callable[..., Path],
        tmp_path: Path,
    ) -> None:
        ended = edgefg("run", write_video(tmp_path / "street.mp4"), "--bundle", tiny_bundle.path, *words)
        assert ended.code == 2
        assert says in ended.err
        assert ended.err.count("\n") == 1
