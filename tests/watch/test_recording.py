"""Clips: their times, their sizes, their disk, and what happens when it is full."""

import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

pytest.importorskip("av")

from edgefg.errors import OutputError
from edgefg.watch.record.cleanup import checked_folder, prune, writing_to
from edgefg.watch.record.recording import ClipRecorder
from edgefg.watch.record.split_video import SplitVideo
from edgefg.watch.work_queue import WorkQueue

EVENT = "00112233445566ff"


def frame(level: int = 100, size: tuple[int, int] = (64, 48)) -> npt.NDArray[np.uint8]:
    return np.full((size[1], size[0], 3), level, np.uint8)


def times_s(path: Path) -> list[float]:
    import av

    with av.open(str(path)) as video:
        return [float(one.time or 0) for one in video.decode(video=0)]


class TestSplitVideo:
    def test_frames_lie_where_their_times_put_them(self, tmp_path: Path) -> None:
        video = SplitVideo(tmp_path, "door", 60)
        for at_s in (100.0, 100.5, 103.0):
            video.write(frame(), at_s)
        video.close()
        assert times_s(tmp_path / "door.mp4") == pytest.approx([0, 0.5, 3.0], abs=0.02)

    def test_another_size_is_another_file(self, tmp_path: Path) -> None:
        video = SplitVideo(tmp_path, "door", 60)
        video.write(frame(), 1.0)
        video.write(frame(size=(80, 60)), 1.1)
        video.close()
        assert {path.name for path in tmp_path.iterdir()} == {"door.mp4", "door-2.mp4"}

    def test_a_long_one_goes_on_in_another(self, tmp_path: Path) -> None:
        video = SplitVideo(tmp_path, "door", 1.0)
        assert [video.write(frame(), at_s) for at_s in (0.0, 0.5, 1.0, 1.5)] == [False, False, True, False]
        video.close()
        assert len(list(tmp_path.iterdir())) == 2

    def test_a_folder_that_goes_away(self, tmp_path: Path) -> None:
        video = SplitVideo(tmp_path / "none", "door", 60)
        for _ in range(2):
            with pytest.raises(OutputError):
                video.write(frame(), 1.0)
        video.close()


class TestClips:
    def test_hold_the_time_before_and_no_more(self, tmp_path: Path) -> None:
        clips = ClipRecorder(tmp_path, "door", 1.0, 100)
        for index in range(50):
            clips._add(frame(), index / 10)
        clips._start("clip", b"jpeg")
        for index in range(50, 60):
            clips._add(frame(), index / 10)
        clips.close()
        assert times_s(tmp_path / "clip.mp4")[-1] == pytest.approx(1.95, abs=0.1)
        assert (tmp_path / "clip.jpg").read_bytes() == b"jpeg"

    def test_the_next_one_begins_where_the_last_ended(self, tmp_path: Path) -> None:
        clips = ClipRecorder(tmp_path, "door", 5.0, 100)
        for number, name in enumerate(("one", "two")):
            clips._start(name, None)
            for index in range(10):
                clips._add(frame(), number * 1.0 + index / 10)
            clips._stop()
        clips.close()
        assert len(times_s(tmp_path / "two.mp4")) == 10

    def test_without_pre_roll(self, tmp_path: Path) -> None:
        clips = ClipRecorder(tmp_path, "door", 0.0, 100)
        for index in range(20):
            clips._add(frame(), index / 10)
        clips._start("clip", None)
        clips._add(frame(), 2.0)
        clips.close()
        assert len(times_s(tmp_path / "clip.mp4")) <= 2

    def test_a_slow_disk_drops_frames_and_nothing_waits(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        clips = ClipRecorder(tmp_path, "door", 1.0, 100)
        monkeypatch.setattr(
            "edgefg.watch.record.recording._compressed", lambda _: time.sleep(0.2) or np.zeros(1, np.uint8)
        )
        started_s = time.monotonic()
        for index in range(200):
            clips.add(frame(), index / 100)
        assert time.monotonic() - started_s < 2
        assert clips.queue.dropped > 100
        clips.queue._jobs.clear()
        clips.close()


class TestDisk:
    def test_the_oldest_go_first_and_only_our_own(self, tmp_path: Path) -> None:
        for number in range(5):
            (tmp_path / f"door-2026010{number}T000000-{EVENT}.mp4").write_bytes(bytes(400_000))
        foreign = [f"yard-20260101T000000-{EVENT}.mp4", "door-holiday.mp4", "door-20260101T000000.txt"]
        for name in foreign:
            (tmp_path / name).write_bytes(bytes(400_000))
        prune(tmp_path, "door", 1.0)
        left = {path.name for path in tmp_path.iterdir()}
        assert left == {f"door-20260103T000000-{EVENT}.mp4", f"door-20260104T000000-{EVENT}.mp4", *foreign}

    @pytest.mark.parametrize("other", ["door-2", "door-20", "door-20260101T000000", "doors", "adoor"])
    def test_a_name_that_begins_like_another_camera(self, tmp_path: Path, other: str) -> None:
        (tmp_path / f"{other}-20260101T000000-{EVENT}.mp4").write_bytes(bytes(400_000))
        (tmp_path / f"{other}-20260101T000000.mp4").write_bytes(bytes(400_000))
        prune(tmp_path, "door", 0.1)
        assert len(list(tmp_path.iterdir())) == 2

    @pytest.mark.parametrize("name", ["door-20260101T000000", f"door-20260101T000000-{EVENT}"])
    def test_pieces_go_in_the_order_in_which_they_were_filmed(self, tmp_path: Path, name: str) -> None:
        for suffix in ("", *(f"-{piece}" for piece in range(2, 13))):
            (tmp_path / f"{name}{suffix}.mp4").write_bytes(bytes(400_000))
        (tmp_path / "door-20260101T000001.mp4").write_bytes(bytes(400_000))
        prune(tmp_path, "door", 1.3)
        left = {path.name for path in tmp_path.iterdir()}
        assert left == {f"{name}-11.mp4", f"{name}-12.mp4", "door-20260101T000001.mp4"}

    def test_motion_that_never_ends_fills_no_disk(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("edgefg.watch.record.recording._MAX_CLIP_S", 1.0)
        name = f"door-20260101T000000-{EVENT}"
        clips = ClipRecorder(tmp_path, "door", 0.0, 0.0)
        clips._start(name, b"jpeg")
        for index in range(80):
            clips._add(frame(), index / 20)
        # All but the newest and the one in the making.
        assert sorted(path.name for path in tmp_path.iterdir()) == [f".{name}-4.part.mp4", f"{name}-3.mp4"]
        clips.close()

    def test_a_folder_is_made(self, tmp_path: Path) -> None:
        assert checked_folder(tmp_path / "a" / "b", "record").is_dir()
        assert list((tmp_path / "a" / "b").iterdir()) == []


class TestLeftovers:
    """What a run that was killed did not complete."""

    OWN = (f".door-20260101T000000-{EVENT}.part.mp4", ".door-20260101T000000-2.part.mp4")
    FOREIGN = (
        f".yard-20260101T000000-{EVENT}.part.mp4",
        f".door-20-20260101T000000-{EVENT}.part.mp4",
        ".door-holiday.part.mp4",
        "door-20260101T000000.mp4",
    )

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        for name in (*self.OWN, *self.FOREIGN):
            (tmp_path / name).touch()
        return tmp_path

    def names(self, folder: Path) -> set[str]:
        return {path.name for path in folder.iterdir()}

    def test_are_removed_and_only_our_own(self, folder: Path) -> None:
        with writing_to(folder, ["door", "window"]):
            assert self.names(folder) == set(self.FOREIGN)

    def test_stay_while_another_process_may_write_them(self, folder: Path) -> None:
        code = "import sys; from edgefg.watch.record.cleanup import writing_to; from pathlib import Path\n"
        code += "with writing_to(Path(sys.argv[1]), []): print('begun', flush=True); sys.stdin.read()"
        words = [sys.executable, "-c", code, str(folder)]
        with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
            assert other.stdout is not None
            assert other.stdout.readline() == "begun\n"
            with writing_to(folder, ["door"]):
                assert self.names(folder) == {*self.OWN, *self.FOREIGN}
            other.kill()
            other.wait()
        with writing_to(folder, ["door"]):
            assert self.names(folder) == set(self.FOREIGN)

    def test_stay_where_the_disk_knows_no_locks(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(*_: object) -> None:
            raise OSError("not supported")

        monkeypatch.setattr("edgefg.watch.record.cleanup.fcntl.flock", refuse)
        with writing_to(folder, ["door"]):
            assert self.names(folder) == {*self.OWN, *self.FOREIGN}

    def test_nothing_stays_open(self, folder: Path) -> None:
        before = len(list(Path("/proc/self/fd").iterdir()))
        with writing_to(folder, ["door"]):
            pass
        assert len(list(Path("/proc/self/fd").iterdir())) == before


class TestWorkQueue:
    def test_errors_are_counted_and_reported(self) -> None:
        work = WorkQueue("test", 10)

        def fail() -> None:
            raise OutputError("the disk is full")

        work.put(fail)
        work.close()
        assert (work.failed, work.problem) == (1, "the disk is full")

    def test_an_unforeseen_error_ends_nothing(self) -> None:
        work = WorkQueue("test", 10)
        done = threading.Event()

        def fail() -> None:
            raise ZeroDivisionError("of all things")

        work.put(fail)
        work.put(done.set)
        assert done.wait(10)
        work.put(fail)
        work.close()
        assert (work.failed, work.problem) == (2, "ZeroDivisionError: of all things")

    def test_it_is_well_again_after_a_job_that_works(self) -> None:
        work = WorkQueue("test", 10)
        done: list[int] = []

        def fail() -> None:
            raise OSError("gone")

        work.put(fail)
        work.put(lambda: done.append(1))
        work.close()
        assert (done, work.failed, work.problem) == ([1], 1, "")

    def test_what_is_needed_is_never_dropped(self) -> None:
        work = WorkQueue("test", 1)
        done: list[int] = []
        work.put(lambda: time.sleep(0.3))
        for number in range(20):
            work.put(lambda number=number: done.append(number), needed=number % 2 == 0)  # type: ignore[misc]
        work.close()
        assert set(range(0, 20, 2)) <= set(done)
        assert done == sorted(done)
        assert work.dropped > 0

    def test_after_the_end_nothing_is_taken(self) -> None:
        work = WorkQueue("test", 10)
        work.close()
        assert not work.put(lambda: None)
        work.close()
