"""``edgefg run`` and Ctrl-C: what is done by then is kept, and nothing else."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgefg.bundle.bundle import Bundle
from edgefg.imaging.io import Image
from edgefg.media.reader import open_video
from edgefg.run.outputs import Outputs
from edgefg.run.runner import RunOptions, RunSummary, run
from edgefg.utils.progress import Progress

from ..support.run_rig import names, no_progress
from ..support.run_rig import video as video

pytest.importorskip("av")


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
        assert len(list(open_video(tmp_path / "mask.mp4"))) == len(records)
        assert len(list(open_video(tmp_path / "overlay.mp4"))) == len(records)

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
        assert len(list(open_video(video.with_name("mask.mp4")))) == 3

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
