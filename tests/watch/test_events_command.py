"""``edgefg events``: what it lists, and that bad input is one line."""

import json
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("av")

from edgefg.errors import OptionError
from edgefg.watch.events import Event
from edgefg.watch.history.times import parsed_time

from ..support.store_rig import motion, state, store, written

Run = Callable[..., Any]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A motion a minute ago, one two hours ago, and a state."""
    one = store(tmp_path)
    now_s = time.time()
    written(one, *motion(1, at_s=now_s - 7200), *motion(2, at_s=now_s - 60, camera="yard", zone="gate"))
    written(one, state("stalled", now_s - 30, reason="no frames"))
    one.close()
    return tmp_path


def listed(edgefg: Run, folder: Path, *words: str) -> list[str]:
    ended = edgefg("events", "--store", folder, "--json", *words)
    assert (ended.code, ended.err) == (0, "")
    return [json.loads(line)["camera"] + " " + json.loads(line)["kind"] for line in ended.out.splitlines()]


def test_the_newest_first(edgefg: Run, folder: Path) -> None:
    assert listed(edgefg, folder) == ["door camera_state", "yard motion", "door motion"]


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (("--camera", "yard"), ["yard motion"]),
        (("--zone", "mat"), ["door motion"]),
        (("--kind", "camera_state"), ["door camera_state"]),
        (("--from", "1h"), ["door camera_state", "yard motion"]),
        (("--to", "1h"), ["door motion"]),
        (("--limit", "1"), ["door camera_state"]),
        (("--to", "2020-01-01"), []),
    ],
)
def test_filters(edgefg: Run, folder: Path, words: tuple[str, ...], found: list[str]) -> None:
    assert listed(edgefg, folder, *words) == found


def test_as_a_table(edgefg: Run, folder: Path) -> None:
    ended = edgefg("events", "--store", folder / "events.db")
    assert ended.code == 0
    lines = ended.out.splitlines()
    assert lines[0].split()[:4] == ["time", "camera", "kind", "zone"]
    assert "stalled" in lines[1]
    assert "gate" in ended.out and "3.0 s" in ended.out and "5.00%" in ended.out


def test_nothing_found(edgefg: Run, folder: Path) -> None:
    assert edgefg("events", "--store", folder, "--to", "2020-01-01").out == "no events\n"


def test_a_store_that_a_watch_is_writing(edgefg: Run, tmp_path: Path) -> None:
    one = store(tmp_path)
    written(one, *motion(1))
    assert listed(edgefg, tmp_path) == ["door motion"]
    one.close()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--camera", "dor"), "--camera dor: expected one of which there are events: door, yard"),
        (("--zone", "' OR 1=1"), "expected one of which there are events: gate, mat"),
        (("--kind", "motion_started"), "--kind must be one of motion, camera_state"),
        (("--from", "yesterday"), "--from yesterday: expected a time such as"),
        (("--to", "2026-13-01"), "--to 2026-13-01: expected a time"),
        (("--from", "1h", "--to", "2h"), "lies after"),
        (("--limit", "0"), "--limit must be"),
        (("--limit", "many"), "--limit"),
        (("--limit", "99999999"), "at most 1000000"),
        (("--store", "none"), "no such store"),
        (("--store", "/etc/passwd"), "damaged"),
        (("--wrong",), "No such option"),
    ],
)
def test_bad_input_is_one_line(edgefg: Run, folder: Path, words: tuple[str, ...], said: str) -> None:
    ended = edgefg("events", "--store", folder, *words)
    assert (ended.code, ended.err.count("\n"), ended.out) == (2, 1, "")
    assert said in ended.err


def test_a_folder_without_a_store(edgefg: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    ended = edgefg("events")
    assert (ended.code, ended.err.count("\n")) == (2, 1)
    assert "with --store DIR" in ended.err


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE events SET at_s = 1e300",
        "UPDATE events SET details = 'x'",
        "UPDATE events SET details = '[]'",
        "UPDATE events SET end_s = 'long'",
        "DROP TABLE events",
        "PRAGMA user_version = 7",
    ],
)
def test_a_store_that_no_watch_wrote(edgefg: Run, folder: Path, damage: str) -> None:
    with closing(sqlite3.connect(folder / "events.db")) as connection, connection:
        connection.execute(damage)
    ended = edgefg("events", "--store", folder)
    assert (ended.code, ended.err.count("\n")) == (2, 1)


def test_names_are_no_markup(edgefg: Run, tmp_path: Path) -> None:
    one = store(tmp_path)
    written(one, Event("scene", "[red]door[/red]", time.time(), {"scene": "[/]"}))
    one.close()
    ended = edgefg("events", "--store", tmp_path)
    assert "[red]door[/red]" in ended.out and "[/]" in ended.out


NOW_S = 1_790_000_000.0


@pytest.mark.parametrize(
    ("text", "at_s"),
    [
        ("90s", NOW_S - 90),
        ("1.5h", NOW_S - 5400),
        ("2d", NOW_S - 172_800),
        ("1w", NOW_S - 604_800),
        ("2026-01-31T00:00Z", 1_769_817_600.0),
        ("2026-01-31T01:00+01:00", 1_769_817_600.0),
    ],
)
def test_times(text: str, at_s: float) -> None:
    assert parsed_time("since", text, NOW_S) == at_s


@pytest.mark.parametrize(
    "text", ["", "h", "-2h", "2 h", "2y", "1e9h", "nan", "9999999999h", "x" * 10_000, "10000-01-01", "\u0662h"]
)
def test_texts_that_are_no_time(text: str) -> None:
    with pytest.raises(OptionError, match="expected a time such as"):
        parsed_time("since", text, NOW_S)
