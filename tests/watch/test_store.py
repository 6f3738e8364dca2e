"""The event store: what it keeps and for how long, whatever the disk and the clock do."""

import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("av")

from edgefg.watch.age import DAY_S, SteadyClock, count_expired
from edgefg.watch.events import Event
from edgefg.watch.history import store as store_module
from edgefg.watch.history.reader import reading
from edgefg.watch.record.cleanup import DiskShare

from ..support.store_rig import NOON_S, ids, motion, opened, state, store, stored, written
from ..support.store_rig import impatient as impatient
from ..support.watch_rig import BOX, EMPTY, Scripted, Start, camera, play, wait_until
from ..support.watch_rig import scripted as scripted
from ..support.watch_rig import start as start


class Clock(SteadyClock):
    """One that can be trusted, and shows what a test wants."""

    def __init__(self, now_s: float = NOON_S) -> None:
        self.at_s = now_s

    def now_s(self) -> float | None:
        return self.at_s


class TestEvents:
    def test_a_motion_is_one_event(self, tmp_path: Path) -> None:
        with opened(tmp_path) as one:
            written(one, *motion(1))
        (event,) = stored(tmp_path)
        assert event.to_json() == {
            "id": f"{1:016x}",
            "time": "2026-09-21T14:13:20.000Z",
            "kind": "motion",
            "camera": "door",
            "zone": "mat",
            "area": 0.05,
            "duration_s": 3.0,
            "clip": "door-1.mp4",
            "reason": "quiet",
        }

    def test_a_motion_whose_start_was_lost_is_there_all_the_same(self, tmp_path: Path) -> None:
        with opened(tmp_path) as one:
            written(one, motion(1)[1])
        (event,) = stored(tmp_path)
        assert (event.at_s, event.duration_s) == (NOON_S, 3.0)

    def test_a_motion_that_lasts_has_no_end(self, tmp_path: Path) -> None:
        with opened(tmp_path) as one:
            written(one, motion(1)[0])
        (event,) = stored(tmp_path)
        assert event.end_s is None and event.duration_s is None

    def test_its_length_survives_a_clock_that_is_set_meanwhile(self, tmp_path: Path) -> None:
        begun, ended = motion(1, at_s=20.0)
        with opened(tmp_path) as one:
            written(one, begun, Event(ended.kind, ended.camera, NOON_S, ended.details))
        assert [event.duration_s for event in stored(tmp_path)] == [3.0]

    def test_what_else_happens_is_kept_with_its_details(self, tmp_path: Path) -> None:
        scene = Event("scene", "door", NOON_S, {"scene": "light", "strength": 0.5, "action": "relearned"})
        with opened(tmp_path) as one:
            written(one, scene, state("stalled", NOON_S + 1, reason="no frames"))
        newest, oldest = stored(tmp_path)
        assert oldest.details == scene.details
        assert newest.details["reason"] == "no frames"

    def test_one_that_comes_twice_is_kept_once(self, tmp_path: Path) -> None:
        event = state("live", NOON_S)
        with opened(tmp_path) as one:
            written(one, event, event, *motion(1), *motion(1))
        assert len(stored(tmp_path)) == 2

    @pytest.mark.parametrize(
        "details", [{"strength": float("nan")}, {"scene": object()}, {"scene": 2**70, "area": 2**70}]
    )
    def test_one_that_no_file_can_hold_is_counted_and_in_nobodys_way(
        self, tmp_path: Path, details: dict[str, Any]
    ) -> None:
        with opened(tmp_path) as one:
            written(one, Event("scene", "door", NOON_S, details), *motion(1))
            assert one.dropped == 1
            assert "cannot store an event of kind scene" in one.problem
        assert ids(tmp_path) == {f"{1:016x}"}

    def test_the_next_run_goes_on_in_the_same_file(self, tmp_path: Path) -> None:
        for number in range(3):
            with opened(tmp_path) as one:
                written(one, *motion(number))
        assert [path.name for path in tmp_path.iterdir()] == ["events.db"]
        assert len(stored(tmp_path)) == 3

    def test_two_processes_may_write_one_store(self, tmp_path: Path) -> None:
        with opened(tmp_path) as one, opened(tmp_path, "yard") as other:
            for number in range(10):
                written(one, *motion(number))
                written(other, *motion(100 + number, camera="yard"))
            assert one.problem + other.problem == ""
        assert len(stored(tmp_path)) == 20

    def test_what_waits_is_written_at_the_end(self, tmp_path: Path) -> None:
        with opened(tmp_path) as one:
            for number in range(1500):
                one.publish(motion(number)[0])
        assert len(stored(tmp_path)) == 1500
        assert one.dropped == 0


class TestPresence:
    def live(self, folder: Path, camera: str = "door") -> list[tuple[float, float]]:
        with reading(folder) as history:
            return history.past(camera, None, NOON_S, NOON_S + 1000, 10).live

    def test_gaps_are_where_the_camera_was_away(self, tmp_path: Path) -> None:
        with opened(tmp_path) as one:
            written(one, state("live", NOON_S + 100), state("stalled", NOON_S + 300), state("live", NOON_S + 400))
            written(one, state("live", NOON_S + 500, frozen_feed=True), state("ended", NOON_S + 600))
        assert self.live(tmp_path) == [(NOON_S + 100, NOON_S + 300), (NOON_S + 400, NOON_S + 500)]

    def test_a_kill_ends_it_at_the_last_beat(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        now_s = NOON_S + 100
        monkeypatch.setattr(store_module.time, "time", lambda: now_s)
        one = store(tmp_path)
        written(one, state("live", NOON_S + 100))
        assert one._connection is not None
        now_s = NOON_S + 110
        one._write(one._connection)
        assert self.live(tmp_path) == [(NOON_S + 100, NOON_S + 110)]
        one.close()

    def test_a_clock_that_is_set_makes_no_long_presence(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        now_s = 20.0
        monkeypatch.setattr(store_module.time, "time", lambda: now_s)
        with opened(tmp_path) as one:
            written(one, state("live", 20.0))
            now_s = NOON_S + 500
            written(one, *motion(1))
            now_s = NOON_S + 520
            written(one, *motion(2))
        assert self.live(tmp_path) == [(NOON_S + 500, NOON_S + 520)]

    def test_a_motion_that_a_kill_cut_off_ends_with_it(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(store_module.time, "time", lambda: NOON_S + 50)
        with opened(tmp_path) as one:
            written(one, state("live", NOON_S), motion(1, at_s=NOON_S + 10)[0], motion(2, camera="yard")[0])
        with opened(tmp_path):
            pass
        door, yard = stored(tmp_path, kind="motion")
        assert (door.duration_s, door.details) == (40.0, {"reason": "interrupted"})
        assert yard.end_s is None, "another process may be watching that camera"


class TestRetention:
    def test_what_is_too_old_goes(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        clock = Clock()
        with opened(tmp_path, keep_days=2, clock=clock) as one:
            for day in range(5):
                monkeypatch.setattr(store_module.time, "time", lambda day=day: NOON_S + day * DAY_S)
                written(one, *motion(day, at_s=NOON_S + day * DAY_S))
            clock.at_s = NOON_S + 4.5 * DAY_S
            one._tidy_at_s = 0.0
            written(one, state("live", NOON_S + 4 * DAY_S))
        assert [event.id for event in stored(tmp_path, kind="motion")] == [f"{day:016x}" for day in (4, 3)]

    def test_nothing_goes_while_the_clock_cannot_be_trusted(self, tmp_path: Path) -> None:
        with opened(tmp_path, keep_days=2) as one:
            written(one, *motion(1, at_s=20.0))
            one._tidy_at_s = 0.0
            written(one, *motion(2, at_s=21.0))
        assert len(stored(tmp_path)) == 2

    def test_a_full_file_loses_its_oldest_events_and_no_others(self, tmp_path: Path, impatient: None) -> None:
        with opened(tmp_path, max_mb=0.5) as one:
            for first in range(0, 6000, 500):
                written(one, *(event for number in range(first, first + 500) for event in motion(number)))
            assert (one.dropped, one.problem) == (0, "")
        kept = sorted(int(event.id, 16) for event in stored(tmp_path))
        assert kept == list(range(kept[0], 6000))
        assert 500 < len(kept) < 6000
        assert (tmp_path / "events.db").stat().st_size <= 0.5e6

    def test_a_smaller_limit_than_before_holds(self, tmp_path: Path) -> None:
        with opened(tmp_path, max_mb=10) as one:
            written(one, *(event for number in range(5000) for event in motion(number)))
        before = (tmp_path / "events.db").stat().st_size
        with opened(tmp_path, max_mb=1) as one:
            written(one, *motion(5000))
            wait_until(lambda: one._tidy_at_s > time.monotonic())
        assert f"{5000:016x}" in ids(tmp_path)
        assert (tmp_path / "events.db").stat().st_size < 1e6 < before

    def test_a_full_disk_costs_what_is_too_old_first(
        self, tmp_path: Path, impatient: None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The file may take no more pages than it has, as on a full disk, but is far from its own limit."""
        monkeypatch.setattr(store_module, "is_nearly_full", lambda *_: False)
        clock = Clock(NOON_S)
        monkeypatch.setattr(store_module.time, "time", lambda: clock.at_s)
        with opened(tmp_path, max_mb=0.5, keep_days=1, clock=clock) as one:
            written(one, *(event for number in range(1300) for event in motion(number)))
            clock.at_s = NOON_S + 2 * DAY_S
            written(one, *(event for number in range(2000, 3300) for event in motion(number)))
            assert (one.dropped, one.problem) == (0, "")
        kept = {int(event.id, 16) for event in stored(tmp_path)}
        assert set(range(2000, 3300)) < kept
        assert 0 not in kept

    def test_a_disk_that_stays_full_costs_nothing_that_is_stored(
        self, tmp_path: Path, impatient: None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(store_module, "is_nearly_full", lambda *_: False)
        monkeypatch.setattr(store_module, "_MAX_WAITING", 2000)
        with opened(tmp_path, max_mb=0.3) as one:
            written(one, *motion(1))
            for number in range(2, 5000):
                one.publish(motion(number)[1])
            wait_until(lambda: "full" in one.problem)
            assert one.dropped >= 5000 - 2 - 2000 - 1500
            in_file = ids(tmp_path)
            assert f"{1:016x}" in in_file
            assert one._connection is not None
            one._connection.execute("PRAGMA max_page_count = 10000")  # somebody made room
            wait_until(lambda: one.problem == "")
            wait_until(lambda: not one._waiting)
        assert len(stored(tmp_path)) == 4999 - one.dropped
        assert in_file <= ids(tmp_path)


@pytest.mark.soak
def test_a_disk_that_is_full_in_earnest(tmp_path: Path, impatient: None) -> None:
    words = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(tmp_path)]
    if subprocess.run(words, capture_output=True).returncode:
        pytest.skip("needs the right to mount")
    try:
        (tmp_path / "others").write_bytes(bytes(7_700_000))
        with opened(tmp_path, max_mb=100) as one:
            for number in range(3000):
                one.publish(motion(number)[1])
            wait_until(lambda: "full" in one.problem)
            (tmp_path / "others").unlink()
            wait_until(lambda: not one._waiting)
            assert (one.dropped, one.problem) == (0, "")
        assert len(stored(tmp_path)) == 3000
    finally:
        subprocess.run(["umount", "-l", str(tmp_path)], check=True)


class TestClocks:
    @pytest.mark.parametrize(
        ("written_s", "expired"),
        [
            ([], 0),
            ([1e9 + 6e8, 1.7e9, 1.9e9], 2),
            ([1.9e9, 1.6e9], 0),
            ([20.0, 30.0, 1.9e9], 0),
            ([20.0, 1.6e9, 30.0, 1.9e9], 2),
            ([20.0, 30.0], 0),
        ],
    )
    def test_what_was_written_without_a_clock_goes_with_what_follows(
        self, written_s: list[float], expired: int
    ) -> None:
        assert count_expired(written_s, 1.8e9) == expired

    def test_a_clock_is_steady_ten_minutes_after_it_was_set(self) -> None:
        shown = [(20.0, 100.0)]
        clock = SteadyClock(lambda: shown[-1][0], lambda: shown[-1][1])
        readings: list[float | None] = []
        for reading_s in ((NOON_S, 200.0), (NOON_S + 500, 700.0), (NOON_S + 601, 801.0), (NOON_S, 802.0)):
            shown.append(reading_s)
            readings.append(clock.now_s())
        assert readings == [None, None, NOON_S + 601, None]

    def test_clips_go_with_their_events(self, tmp_path: Path) -> None:
        share = DiskShare(tmp_path, "door", 1000, 1.0, Clock(time.time() + 2 * DAY_S))
        (tmp_path / "door-20260101T000000-00112233445566ff.mp4").touch()
        share.prune()
        assert list(tmp_path.glob("*.mp4")) == []


class TestWatch:
    def test_keeps_a_store_where_it_records(self, start: Start, scripted: Scripted, tmp_path: Path) -> None:
        watch = start(camera(), record=tmp_path / "clips")
        play(scripted["door"], EMPTY, BOX, EMPTY)
        wait_until(lambda: watch.state.cameras["door"].status.events.get("motion_ended", 0) > 0)
        watch.close()
        (event,) = stored(tmp_path / "clips", kind="motion")
        assert (tmp_path / "clips" / str(event.clip)).is_file()
        assert {"name": "store", "dropped": 0, "problem": ""} in watch.state.to_json()["outputs"]

    def test_or_beside_its_lines_of_events(self, start: Start, scripted: Scripted, tmp_path: Path) -> None:
        start(camera(), events=tmp_path / "e.jsonl").close()
        assert (tmp_path / "events.db").is_file()

    @pytest.mark.parametrize("more", [{}, {"store": None}])
    def test_or_none(self, start: Start, scripted: Scripted, tmp_path: Path, more: dict[str, Any]) -> None:
        watch = start(camera(), events=tmp_path / "e.jsonl" if more else None, **more)
        assert watch.state.store is None
        assert not (tmp_path / "events.db").exists()
