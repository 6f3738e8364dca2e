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
from edgefg.watch.record.cleanup import DiskShare, checked_folder, writing_to
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
        completed: list[Path] = []
        video = SplitVideo(tmp_path, "door", 1.0, completed.append)
        for at_s in (0.0, 0.5, 1.0, 1.5):
            video.write(frame(), at_s)
        assert completed == [tmp_path / "door.mp4"]
        video.close()
        assert completed == [tmp_path / "door.mp4", tmp_path / "door-2.mp4"]
        assert set(completed) == set(tmp_path.iterdir())

    def test_replaces_no_video_of_a_run_whose_clock_stood_at_the_same_time(self, tmp_path: Path) -> None:
        (tmp_path / "door.mp4").write_bytes(b"of another run")
        (tmp_path / "door-2.mp4").write_bytes(b"of a third")
        video = SplitVideo(tmp_path, "door", 60)
        video.write(frame(), 1.0)
        video.close()
        assert (tmp_path / "door.mp4").read_bytes() == b"of another run"
        assert len(times_s(tmp_path / "door-3.mp4")) == 1

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

    def test_of_a_slow_camera_the_frame_before_is_in_it(self, tmp_path: Path) -> None:
        """Motion was first seen on that one, ten seconds ago."""
        clips = ClipRecorder(tmp_path, "door", 3.0, 100)
        for index in range(5):
            clips._add(frame(), index * 10.0)
        clips._start("clip", None)
        clips.close()
        assert times_s(tmp_path / "clip.mp4") == pytest.approx([0, 10], abs=0.1)

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
        DiskShare(tmp_path, "door", 1.0).prune()
        left = {path.name for path in tmp_path.iterdir()}
        assert left == {f"door-20260103T000000-{EVENT}.mp4", f"door-20260104T000000-{EVENT}.mp4", *foreign}

    @pytest.mark.parametrize("other", ["door-2", "door-20", "door-20260101T000000", "doors", "adoor"])
    def test_a_name_that_begins_like_another_camera(self, tmp_path: Path, other: str) -> None:
        (tmp_path / f"{other}-20260101T000000-{EVENT}.mp4").write_bytes(bytes(400_000))
        (tmp_path / f"{other}-20260101T000000.mp4").write_bytes(bytes(400_000))
        DiskShare(tmp_path, "door", 0.1).prune()
        assert len(list(tmp_path.iterdir())) == 2

    @pytest.mark.parametrize("name", ["door-20260101T000000", f"door-20260101T000000-{EVENT}"])
    def test_pieces_go_in_the_order_in_which_they_were_filmed(self, tmp_path: Path, name: str) -> None:
        for suffix in ("", *(f"-{piece}" for piece in range(2, 13))):
            (tmp_path / f"{name}{suffix}.mp4").write_bytes(bytes(400_000))
        (tmp_path / "door-20260101T000001.mp4").write_bytes(bytes(400_000))
        DiskShare(tmp_path, "door", 1.3).prune()
        left = {path.name for path in tmp_path.iterdir()}
        assert left == {f"{name}-11.mp4", f"{name}-12.mp4", "door-20260101T000001.mp4"}

    def test_motion_that_never_ends_fills_no_disk(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("edgefg.watch.record.recording.MAX_CLIP_S", 1.0)
        name = f"door-20260101T000000-{EVENT}"
        clips = ClipRecorder(tmp_path, "door", 0.0, 0.0)
        clips._start(name, b"jpeg")
        for index in range(80):
            clips._add(frame(), index / 20)
        # All but the newest and the one in the making.
        left = [f".{name}-4.part.mp4", ".door.order", f"{name}-3.mp4"]
        assert sorted(path.name for path in tmp_path.iterdir()) == left
        clips.close()

    def test_a_folder_is_made(self, tmp_path: Path) -> None:
        assert checked_folder(tmp_path / "a" / "b", "record").is_dir()
        assert list((tmp_path / "a" / "b").iterdir()) == []


class TestOrderOfWriting:
    """What was written last stays, whatever the clock said."""

    SIZE = 400_000

    def write(self, share: DiskShare, path: Path) -> None:
        path.write_bytes(bytes(self.SIZE))
        share.add(path)

    def videos(self, folder: Path) -> set[str]:
        return {path.name for path in folder.iterdir() if path.suffix == ".mp4"}

    @pytest.mark.parametrize("year", ["1970", "2025"])
    def test_a_clip_just_recorded_stays_where_the_clock_stood_wrong(self, tmp_path: Path, year: str) -> None:
        old = [f"door-2026010{number}T000000-{EVENT}.mp4" for number in range(4)]
        for name in old:
            (tmp_path / name).write_bytes(bytes(self.SIZE))
        new = f"door-{year}0101T000020-{EVENT}.mp4"
        self.write(DiskShare(tmp_path, "door", 1.0), tmp_path / new)
        assert self.videos(tmp_path) == {old[-1], new}

    def test_the_order_outlives_the_run(self, tmp_path: Path) -> None:
        """Each run begins in 1970, or earlier than the one before: the oldest still go first."""
        names = [f"door-{year}0101T000020-{EVENT}.mp4" for year in ("2026", "1970", "1999", "1971", "1970")]
        names[-1] = f"door-19700101T000010-{EVENT}.mp4"
        for name in names:
            self.write(DiskShare(tmp_path, "door", 1.3), tmp_path / name)
        assert self.videos(tmp_path) == set(names[-3:])

    def test_clips_and_films_in_one_folder(self, tmp_path: Path) -> None:
        """A film's pieces bear the time at which the run began."""
        clips, film = DiskShare(tmp_path, "door", 1.0), DiskShare(tmp_path, "door", 1.0)
        names = []
        for number in range(2, 6):
            names += [f"door-2026010{number}T000000-{EVENT}.mp4", f"door-20260101T000000-{number}.mp4"]
            self.write(clips, tmp_path / names[-2])
            self.write(film, tmp_path / names[-1])
        assert self.videos(tmp_path) == set(names[-2:])

    def test_one_clip_larger_than_the_limit_stays(self, tmp_path: Path) -> None:
        share = DiskShare(tmp_path, "door", 0.1)
        for number in (2, 1):
            self.write(share, tmp_path / f"door-2026010{number}T000000-{EVENT}.mp4")
        assert self.videos(tmp_path) == {f"door-20260101T000000-{EVENT}.mp4"}

    @pytest.mark.parametrize("damage", [b"", b"\xff\xfe\0garbage", b"door-2026", b"\n\n\n", b"x" * 100_000])
    def test_a_damaged_order_hurts_no_new_clip(self, tmp_path: Path, damage: bytes) -> None:
        share = DiskShare(tmp_path, "door", 0.5)
        self.write(share, tmp_path / f"door-20260101T000000-{EVENT}.mp4")
        (tmp_path / ".door.order").write_bytes(damage)
        new = f"door-19700101T000000-{EVENT}.mp4"
        self.write(share, tmp_path / new)
        assert self.videos(tmp_path) == {new}

    def test_an_order_that_cannot_be_written_hurts_no_new_clip(self, tmp_path: Path) -> None:
        """As on a full disk, where there must be room again all the same."""
        (tmp_path / ".door.order").mkdir()
        share = DiskShare(tmp_path, "door", 0.5)
        for name in ("20260102", "20260101", "19700101"):
            self.write(share, tmp_path / f"door-{name}T000000-{EVENT}.mp4")
        assert self.videos(tmp_path) == {f"door-19700101T000000-{EVENT}.mp4"}
        (tmp_path / ".door.order").rmdir()
        self.write(share, tmp_path / f"door-19690101T000000-{EVENT}.mp4")
        assert len((tmp_path / ".door.order").read_text().split()) == 4

    def test_it_does_not_grow_for_ever(self, tmp_path: Path) -> None:
        share = DiskShare(tmp_path, "door", 0.0)
        for number in range(500):
            path = tmp_path / f"door-19700101T{number:06}-{EVENT}.mp4"
            path.write_bytes(b"1")
            share.add(path)
        assert len((tmp_path / ".door.order").read_text().split()) < 250
        assert self.videos(tmp_path) == {f"door-19700101T000499-{EVENT}.mp4"}

    def test_two_writers_tear_no_line(self, tmp_path: Path) -> None:
        """As two processes would: a lock belongs to the opened file."""

        def write(name: str) -> None:
            share = DiskShare(tmp_path, "door", 1000)
            for number in range(500):
                share.add(tmp_path / f"{name}{number}.mp4")

        writers = [threading.Thread(target=write, args=(name,)) for name in ("a", "b")]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join(60)
        # None of these files exists, so each may be forgotten.
        lines = (tmp_path / ".door.order").read_text().split()
        assert lines
        assert [line for line in lines if line[0] not in "ab" or not line[1:].removesuffix(".mp4").isdigit()] == []

    def test_a_recorder_keeps_to_it(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """From the recorder's own clock on: three runs, each at the same time of 1970."""
        monkeypatch.setattr("edgefg.watch.record.naming.time.time", lambda: 20.0)
        (tmp_path / f"door-20260101T000000-{EVENT}.mp4").write_bytes(bytes(self.SIZE))
        for number in range(3):
            clips = ClipRecorder(tmp_path, "door", 1.0, 0.001)
            name = clips.start(f"{number:016x}", None)
            clips.add(frame(), 1.0)
            clips.close()
            assert clips.queue.failed == 0
            assert self.videos(tmp_path) == {f"{name}.mp4"}


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
