"""Clips: their times, their sizes, their disk, and what happens when it is full."""

import time
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

pytest.importorskip("av")

from edgefg.errors import OutputError
from edgefg.watch.backlog import Backlog
from edgefg.watch.recording import ClipRecorder, Film, checked_folder, prune


def frame(level: int = 100, size: tuple[int, int] = (64, 48)) -> npt.NDArray[np.uint8]:
    return np.full((size[1], size[0], 3), level, np.uint8)


def times_s(path: Path) -> list[float]:
    import av

    with av.open(str(path)) as video:
        return [float(one.time or 0) for one in video.decode(video=0)]


class TestFilm:
    def test_frames_lie_where_their_times_put_them(self, tmp_path: Path) -> None:
        film = Film(tmp_path, "door", 60)
        for at_s in (100.0, 100.5, 103.0):
            film.write(frame(), at_s)
        film.close()
        assert times_s(tmp_path / "door.mp4") == pytest.approx([0, 0.5, 3.0], abs=0.02)

    def test_another_size_is_another_file(self, tmp_path: Path) -> None:
        film = Film(tmp_path, "door", 60)
        film.write(frame(), 1.0)
        film.write(frame(size=(80, 60)), 1.1)
        film.close()
        assert {path.name for path in tmp_path.iterdir()} == {"door.mp4", "door-2.mp4"}

    def test_a_long_one_goes_on_in_another(self, tmp_path: Path) -> None:
        film = Film(tmp_path, "door", 1.0)
        assert [film.write(frame(), at_s) for at_s in (0.0, 0.5, 1.0, 1.5)] == [False, False, True, False]
        film.close()
        assert len(list(tmp_path.iterdir())) == 2

    def test_a_folder_that_goes_away(self, tmp_path: Path) -> None:
        film = Film(tmp_path / "none", "door", 60)
        for _ in range(2):
            with pytest.raises(OutputError):
                film.write(frame(), 1.0)
        film.close()


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
        monkeypatch.setattr("edgefg.watch.recording._packed", lambda _: time.sleep(0.2) or np.zeros(1, np.uint8))
        started_s = time.monotonic()
        for index in range(200):
            clips.add(frame(), index / 100)
        assert time.monotonic() - started_s < 2
        assert clips.backlog.dropped > 100
        clips.backlog._jobs.clear()
        clips.close()


class TestDisk:
    def test_the_oldest_go_first_and_only_our_own(self, tmp_path: Path) -> None:
        for number in range(5):
            (tmp_path / f"door-2026010{number}T000000-x.mp4").write_bytes(bytes(400_000))
        foreign = ["yard-20260101T000000-x.mp4", "door-holiday.mp4", "door-20260101T000000.txt"]
        for name in foreign:
            (tmp_path / name).write_bytes(bytes(400_000))
        prune(tmp_path, "door", 1.0)
        left = {path.name for path in tmp_path.iterdir()}
        assert left == {"door-20260103T000000-x.mp4", "door-20260104T000000-x.mp4", *foreign}

    def test_a_name_that_begins_like_another_camera(self, tmp_path: Path) -> None:
        (tmp_path / "door-2-20260101T000000-x.mp4").write_bytes(bytes(400_000))
        prune(tmp_path, "door", 0.1)
        assert len(list(tmp_path.iterdir())) == 1

    def test_a_folder_is_made(self, tmp_path: Path) -> None:
        assert checked_folder(tmp_path / "a" / "b", "--record").is_dir()
        assert list((tmp_path / "a" / "b").iterdir()) == []


class TestBacklog:
    def test_errors_are_counted_and_told(self) -> None:
        backlog = Backlog("test", 10)

        def fail() -> None:
            raise OutputError("the disk is full")

        backlog.put(fail)
        backlog.close()
        assert (backlog.failed, backlog.problem) == (1, "the disk is full")

    def test_it_is_well_again_after_a_job_that_works(self) -> None:
        backlog = Backlog("test", 10)
        done: list[int] = []

        def fail() -> None:
            raise OSError("gone")

        backlog.put(fail)
        backlog.put(lambda: done.append(1))
        backlog.close()
        assert (done, backlog.failed, backlog.problem) == ([1], 1, "")

    def test_what_is_needed_is_never_dropped(self) -> None:
        backlog = Backlog("test", 1)
        done: list[int] = []
        backlog.put(lambda: time.sleep(0.3))
        for number in range(20):
            backlog.put(lambda number=number: done.append(number), needed=number % 2 == 0)  # type: ignore[misc]
        backlog.close()
        assert set(range(0, 20, 2)) <= set(done)
        assert done == sorted(done)
        assert backlog.dropped > 0

    def test_after_the_end_nothing_is_taken(self) -> None:
        backlog = Backlog("test", 10)
        backlog.close()
        assert not backlog.put(lambda: None)
        backlog.close()
