"""The event store in trouble: damage, locks, folders that go away, and kills."""

import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest

pytest.importorskip("av")

from edgefg.errors import OutputError
from edgefg.watch.history.database import open_for_writing
from edgefg.watch.history.reader import reading

from ..support.store_rig import ids, motion, opened, state, store, stored, written
from ..support.store_rig import impatient as impatient
from ..support.watch_rig import wait_until


class TestTrouble:
    @pytest.mark.parametrize("damage", [b"no database at all" * 300, b"SQLite format 3\0" + b"\xff" * 9000])
    def test_a_damaged_file_is_set_aside(self, tmp_path: Path, impatient: None, damage: bytes) -> None:
        (tmp_path / "events.db").write_bytes(damage)
        with opened(tmp_path) as one:
            written(one, *motion(1))
            (aside,) = tmp_path.glob("events-damaged-*.db")
            assert one.problem.endswith(f"was damaged: it is now {aside.name}, and a new one was begun")
        assert aside.read_bytes()[:100] == damage[:100]
        assert len(stored(tmp_path)) == 1

    def test_damage_in_the_middle_is_found_at_the_next_start(self, tmp_path: Path, impatient: None) -> None:
        with opened(tmp_path) as one:
            written(one, *(event for number in range(2000) for event in motion(number)))
        content = bytearray((tmp_path / "events.db").read_bytes())
        content[len(content) // 2 : len(content) // 2 + 50_000] = b"\xa5" * 50_000
        (tmp_path / "events.db").write_bytes(content)
        with opened(tmp_path) as one:
            written(one, *motion(3000))
            assert "was damaged" in one.problem
        assert ids(tmp_path) == {f"{3000:016x}"}

    def test_a_disk_that_damages_each_file_is_not_filled(self, tmp_path: Path, impatient: None) -> None:
        for _ in range(6):
            (tmp_path / "events.db").write_bytes(b"no database" * 500)
            with opened(tmp_path) as one:
                written(one, *motion(1))
        assert len(list(tmp_path.glob("events-damaged-*.db"))) == 3

    def test_presence_goes_on_in_the_new_file(self, tmp_path: Path, impatient: None) -> None:
        with opened(tmp_path) as one:
            written(one, state("live", time.time()))
            (tmp_path / "events.db").rename(tmp_path / "moved.db")
            written(one, *motion(1))
            with reading(tmp_path) as history:
                assert history.past("door", None, time.time() - 60, time.time() + 60, 1).live

    @pytest.mark.parametrize("damage", ["CREATE TABLE other (x)", "PRAGMA user_version = 99"])
    def test_a_database_of_another_kind_is_refused_and_left_alone(self, tmp_path: Path, damage: str) -> None:
        if "99" in damage:
            open_for_writing(tmp_path / "events.db", 10).close()
        with closing(sqlite3.connect(tmp_path / "events.db")) as connection:
            connection.execute(damage)
        with pytest.raises(OutputError, match=r"expected a store of (edgefg watch, found another|schema 1, found 99)"):
            store(tmp_path)

    def test_a_folder_that_goes_away_and_comes_back(self, tmp_path: Path, impatient: None) -> None:
        folder = tmp_path / "disk"
        folder.mkdir()
        with opened(folder) as one:
            written(one, *motion(1))
            folder.rename(tmp_path / "away")
            one.publish(motion(2)[1])
            wait_until(lambda: "cannot write" in one.problem)
            (tmp_path / "away").rename(folder)
            wait_until(lambda: one.problem == "")
        assert len(stored(folder)) == 2

    def test_a_lock_that_another_program_holds_makes_nothing_wait(self, tmp_path: Path, impatient: None) -> None:
        with opened(tmp_path) as one, closing(sqlite3.connect(tmp_path / "events.db", isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            begun_s = time.monotonic()
            for number in range(1000):
                one.publish(motion(number)[1])
            assert time.monotonic() - begun_s < 1
            other.execute("ROLLBACK")
            wait_until(lambda: not one._waiting)
        assert len(stored(tmp_path)) == 1000

    def test_nothing_stays_open(self, tmp_path: Path) -> None:
        before = len(list(Path("/proc/self/fd").iterdir())), threading.active_count()
        with opened(tmp_path) as one:
            written(one, *motion(1))
        assert (len(list(Path("/proc/self/fd").iterdir())), threading.active_count()) == before


# Publishes one motion after the other, and prints each that is on the disk.
ENDLESS = """
import itertools, sys
from pathlib import Path
from tests.support.store_rig import motion, store, written
one = store(Path(sys.argv[1]))
print("begun", flush=True)
for number in itertools.count(int(sys.argv[2])):
    written(one, *motion(number))
    print(number, flush=True)
"""


def kill_while_it_writes(folder: Path, first: int, for_s: float) -> int:
    """Returns how many motions were on the disk when the process was killed."""
    words = [sys.executable, "-c", ENDLESS, str(folder), str(first)]
    root = Path(__file__).parents[2]
    with subprocess.Popen(words, cwd=root, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        time.sleep(for_s)
        process.kill()
        return len(process.stdout.read().rpartition("\n")[0].split())


def check_kills(folder: Path, kills: int) -> None:
    promised: set[int] = set()
    for number in range(kills):
        first = number * 100_000
        promised |= {first + done for done in range(kill_while_it_writes(folder, first, 0.1 + number % 10 * 0.03))}
        assert promised <= {int(event.id, 16) for event in stored(folder, 1_000_000)}
    with opened(folder) as one:
        written(one, *motion(1 << 60))
        assert one.problem == ""
    assert promised


class TestKill:
    def test_loses_nothing_that_was_written(self, tmp_path: Path) -> None:
        check_kills(tmp_path, 2)

    @pytest.mark.soak
    @pytest.mark.timeout(900)
    def test_nor_do_fifty(self, tmp_path: Path) -> None:
        check_kills(tmp_path, 50)
