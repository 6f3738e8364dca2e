"""The history page's answers: what they hold, and whom they serve."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest

pytest.importorskip("uvicorn")

from edgefg.bundle.bundle import Bundle

from ..support.store_rig import NOON_S, motion, recorded, state, store, written
from ..support.watched_page import TOKEN, Served, served

SCRIPT = "<img src=x onerror=alert(1)>"
CLIP = f"door-20260921T141320-{1:016x}.mp4"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five motions and a state on two cameras; the first motion's clip is there, and there are files of others."""
    folder = tmp_path_factory.mktemp("house") / "clips"
    folder.mkdir()
    one = store(folder)
    written(one, state("live", NOON_S - 3000), *recorded(folder, 1))
    for number in range(2, 5):
        written(one, *motion(number, at_s=NOON_S + 60 * number, zone="gate"))
    written(one, *motion(5, camera="yard", at_s=NOON_S + 600), state("stalled", NOON_S + 700))
    one.close()
    (folder / "notes.txt").write_text("secret")
    (folder.parent / "door-20260921T141320.mp4").write_text("secret")
    (folder / "door-20260922T000000.mp4").symlink_to("/etc/passwd")
    return folder


@pytest.fixture(scope="module")
def house(folder: Path, tiny_bundle: Bundle) -> Iterator[Served]:
    with served(tiny_bundle, record=folder) as one:
        yield one


@pytest.fixture(scope="module")
def locked(folder: Path, tiny_bundle: Bundle) -> Iterator[Served]:
    with served(tiny_bundle, TOKEN, record=folder) as one:
        yield one


def events(house: Served, **values: object) -> list[dict[str, Any]]:
    answer = house.ask(f"/api/history/events?{urlencode(values)}")
    assert answer.status == 200, answer.body
    found: list[dict[str, Any]] = answer.json()["events"]
    return found


class TestAnswers:
    def test_events_the_newest_first_with_their_files(self, house: Served) -> None:
        found = events(house, kind="motion")
        assert [int(event["id"], 16) for event in found] == [5, 4, 3, 2, 1]
        assert (found[-1]["clips"], found[-1]["snapshot"]) == ([CLIP], CLIP.replace(".mp4", ".jpg"))
        assert (found[0]["clips"], found[0]["snapshot"]) == ([], None)

    @pytest.mark.parametrize(
        ("chosen", "numbers"),
        [
            ({"camera": "yard", "kind": "motion"}, [5]),
            ({"zone": "gate"}, [4, 3, 2]),
            ({"zone": "gate", "kind": "scene"}, []),
            ({"camera": "door", "zone": "mat"}, [1]),
            ({"from": NOON_S + 130, "to": NOON_S + 200}, [3]),
            ({"camera": "none"}, []),
        ],
    )
    def test_a_filter(self, house: Served, chosen: dict[str, Any], numbers: list[int]) -> None:
        assert [int(event["id"], 16) for event in events(house, **chosen)] == numbers

    def test_page_by_page_comes_everything_once(self, house: Served) -> None:
        found, after = [], ""
        while after is not None:
            answer = house.ask(f"/api/history/events?kind=motion&limit=2&after={after}").json()
            found += [int(event["id"], 16) for event in answer["events"]]
            after = answer["next"]
        assert found == [5, 4, 3, 2, 1]

    def test_one_event(self, house: Served) -> None:
        assert house.ask(f"/api/history/events/{1:016x}").json()["clips"] == [CLIP]
        assert house.ask("/api/history/events/none").status == 400

    def test_of_a_long_clip_the_pieces_that_show_the_motion(self, tmp_path: Path, tiny_bundle: Bundle) -> None:
        """Each has two minutes, and several motions share a clip."""
        for piece in ("", *(f"-{number}" for number in range(2, 9))):
            (tmp_path / f"{CLIP[:-4]}{piece}.mp4").touch()
        one = store(tmp_path)
        written(one, *motion(1, clip=CLIP), *motion(2, at_s=NOON_S + 400, clip=CLIP))
        one.close()
        with served(tiny_bundle, record=tmp_path) as page:
            late, early = events(page)
        assert [name[len(CLIP) - 4 : -4] for name in early["clips"]] == ["", "-2"]
        assert [name[len(CLIP) - 4 : -4] for name in late["clips"]] == ["-4", "-5"]

    def test_cameras_and_their_zones(self, house: Served) -> None:
        assert house.ask("/api/history/cameras").json() == {
            "cameras": {"door": ["frame", "gate", "mat"], "yard": ["mat"]}
        }

    @pytest.mark.parametrize("hours", [1, 24 * 365])
    def test_the_past(self, house: Served, hours: int) -> None:
        """A long one is made of whole hours."""
        span = {"from": NOON_S - 1800 * hours, "to": NOON_S + 1800 * hours}
        door, yard = house.ask(f"/api/history/past?{urlencode(span | {'bins': 100})}").json()["cameras"]
        assert (door["camera"], sum(door["motions"]), sum(door["moving_s"])) == ("door", 4, 12.0)
        assert (yard["camera"], sum(yard["motions"])) == ("yard", 1)
        assert sum(door["others"]) >= 1
        assert door["live"][0] == [max(NOON_S - 3000, span["from"]), NOON_S + 700]

    def test_a_watch_without_a_store_says_so(self, tiny_bundle: Bundle) -> None:
        with served(tiny_bundle) as one:
            answer = one.ask("/api/history/events")
            assert (answer.status, "keeps no store" in answer.json()["error"]) == (404, True)
            assert one.ask(f"/clips/{CLIP}").status == 404

    def test_a_damaged_store_is_an_answer(self, tmp_path: Path, tiny_bundle: Bundle) -> None:
        with served(tiny_bundle, record=tmp_path) as one:
            one.watch.state.store = tmp_path / "other.db"
            (tmp_path / "other.db").write_bytes(b"no database" * 500)
            answer = one.ask("/api/history/events")
        assert (answer.status, "damaged" in answer.json()["error"]) == (503, True)


class TestClips:
    def test_a_whole_one(self, house: Served, folder: Path) -> None:
        answer = house.ask(f"/clips/{CLIP}")
        assert (answer.status, answer.headers["content-type"]) == (200, "video/mp4")
        assert answer.body == (folder / CLIP).read_bytes()
        assert house.ask(f"/clips/{CLIP.replace('.mp4', '.jpg')}").headers["content-type"] == "image/jpeg"

    @pytest.mark.parametrize(
        ("asked", "part"), [("0-0", (0, 1)), ("10-19", (10, 20)), ("10-", (10, None)), ("-7", (-7, None))]
    )
    def test_a_part(self, house: Served, folder: Path, asked: str, part: tuple[int, int | None]) -> None:
        content = (folder / CLIP).read_bytes()
        answer = house.ask(f"/clips/{CLIP}", range=f"bytes={asked}")
        assert (answer.status, answer.body) == (206, content[slice(*part)])
        first = part[0] % len(content)
        assert answer.headers["content-range"] == f"bytes {first}-{first + len(answer.body) - 1}/{len(content)}"

    @pytest.mark.parametrize("asked", ["999999999-", "5-4", "-0", "999999999999999999-999999999999999999"])
    def test_a_part_that_is_not_there(self, house: Served, asked: str) -> None:
        answer = house.ask(f"/clips/{CLIP}", range=f"bytes={asked}")
        assert (answer.status, answer.headers["content-range"][:8]) == (416, "bytes */")

    @pytest.mark.parametrize(
        "asked",
        [
            "bytes=0-1,2-3",
            "bytes=" + "0-," * 5000 + "0-",
            "bytes=-",
            "bytes=a-b",
            "bytes=1-99999999999999999999999999",
            "bytes=--5",
            "items=0-1",
            "bytes=0-1\t",
            "bytes= 0-1",
            "bytes=\u0661-\u0662",
        ],
    )
    def test_an_odd_range_is_ignored(self, house: Served, folder: Path, asked: str) -> None:
        answer = house.ask(f"/clips/{CLIP}", range=asked.encode().decode("latin-1"))
        assert answer.status in (200, 206)
        assert len(answer.body) <= (folder / CLIP).stat().st_size

    def test_its_head_alone(self, house: Served, folder: Path) -> None:
        answer = house.ask(f"/clips/{CLIP}", "HEAD")
        assert (answer.status, answer.body) == (200, b"")
        assert answer.headers["content-length"] == str((folder / CLIP).stat().st_size)

    @pytest.mark.parametrize(
        "name",
        [
            "../door-20260921T141320.mp4",
            "..%2fdoor-20260921T141320.mp4",
            "..%2F..%2F..%2Fetc%2Fpasswd",
            "%2e%2e/door-20260921T141320.mp4",
            "/etc/passwd",
            "%2fetc%2fpasswd",
            "..\\door-20260921T141320.mp4",
            "notes.txt",
            "events.db",
            "events.db-wal",
            ".door.order",
            "door-20260922T000000.mp4",
            "door-20260921T141320.mp4",
            f"{CLIP}%00.jpg",
            f"x/../{CLIP}",
            f".{CLIP}",
            "",
            ".",
            "..",
            "x" * 5000 + ".mp4",
        ],
    )
    def test_no_name_leads_to_any_other_file(self, house: Served, name: str) -> None:
        answer = house.ask(f"/clips/{name}")
        assert answer.status == 404
        assert b"secret" not in answer.body


class TestAccess:
    PATHS = (
        "/history",
        "/history.js",
        "/history.css",
        "/api/history/cameras",
        "/api/history/events",
        "/api/history/events/1",
        "/api/history/past?from=0&to=1",
        f"/clips/{CLIP}",
    )

    @pytest.mark.parametrize("path", PATHS)
    def test_without_the_token_there_is_nothing(self, locked: Served, path: str) -> None:
        for headers in ({}, {"authorization": "Bearer wrong"}, {"cookie": f"edgefg_{locked.port}=x"}):
            answer = locked.ask(path, **headers)
            assert answer.status == 401
            assert b"door" not in answer.body
        assert locked.ask(path, authorization=f"Bearer {TOKEN}").status in (200, 400)

    def test_the_page_asks_for_the_token_and_comes_back(self, locked: Served) -> None:
        assert b'action="/history"' in locked.ask("/history?camera=%22%3E%3Cscript%3E").body
        answer = locked.ask(f"/history?token={TOKEN}")
        assert (answer.status, answer.headers["location"]) == (303, "/history")

    @pytest.mark.parametrize("path", PATHS)
    def test_a_name_that_points_here_opens_nothing(self, house: Served, path: str) -> None:
        assert house.ask(path, host="evil.example").status == 421

    @pytest.mark.parametrize("path", PATHS)
    def test_no_other_page_may_read_it(self, house: Served, path: str) -> None:
        headers = house.ask(path, origin="https://evil.example").headers
        assert "access-control-allow-origin" not in headers
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert headers["x-content-type-options"] == "nosniff"
        assert "script-src 'self'" in headers["content-security-policy"]

    @pytest.mark.parametrize("path", PATHS)
    def test_nothing_can_be_written(self, house: Served, path: str) -> None:
        for method in ("POST", "PUT", "DELETE"):
            assert house.ask(path, method, b"", origin=house.origin).status == 405


class TestBadQuestions:
    SQL = ("' OR 1=1 --", "door' UNION SELECT 1--", '"; DROP TABLE events; --', "door%", "\0", "frame)")

    @pytest.mark.parametrize("parameter", ["camera", "zone"])
    @pytest.mark.parametrize("text", SQL)
    def test_sql_is_a_name_that_nobody_has(self, house: Served, parameter: str, text: str) -> None:
        assert events(house, **{parameter: text}) == []

    @pytest.mark.parametrize("text", SQL)
    def test_sql_elsewhere_is_refused(self, house: Served, text: str) -> None:
        for parameter in ("kind", "from", "to", "limit", "after"):
            assert house.ask(f"/api/history/events?{urlencode({parameter: text})}").status == 400
        assert house.ask(f"/api/history/events/{quote(text, safe='')}").status == 400
        assert len(events(house)) >= 7

    @pytest.mark.parametrize(
        "query",
        [
            "limit=0",
            "limit=-1",
            "limit=121",
            "limit=1e3",
            "limit=99999999999999999999",
            "from=nan",
            "to=inf",
            "from=-1e300",
            "from=5&to=4",
            "from=5&to=5",
            "after=1",
            "after=1,x",
            "after=nan,1",
            "after=1,99999999999999999999999",
            "kind=motion_started",
            f"camera={'x' * 65}",
            f"zone={'x' * 5000}",
        ],
    )
    def test_a_value_out_of_bounds(self, house: Served, query: str) -> None:
        answer = house.ask(f"/api/history/events?{query}")
        assert answer.status == 400
        assert answer.json()["error"]

    @pytest.mark.parametrize(
        "query", ["", "from=1", "from=2&to=1", "from=0&to=1&bins=0", "from=0&to=1&bins=1001", "from=x&to=y"]
    )
    def test_a_past_out_of_bounds(self, house: Served, query: str) -> None:
        assert house.ask(f"/api/history/past?{query}").status == 400

    def test_a_long_past_is_as_short_as_its_bins(self, house: Served) -> None:
        answer = house.ask("/api/history/past?from=-1e11&to=1e11&bins=1000")
        assert answer.status == 200
        assert len(answer.json()["cameras"][0]["motions"]) == 1000

    def test_names_come_as_they_are_and_as_json(self, tmp_path: Path, tiny_bundle: Bundle) -> None:
        """Nobody can give a camera such a name, but a store may come from elsewhere."""
        one = store(tmp_path)
        written(one, *motion(1, camera=SCRIPT, zone=SCRIPT, clip=f"../{SCRIPT}.mp4"))
        one.close()
        with served(tiny_bundle, record=tmp_path) as page:
            answer = page.ask("/api/history/events")
        (event,) = json.loads(answer.body)["events"]
        assert (event["camera"], event["zone"], event["clips"]) == (SCRIPT, SCRIPT, [])
        assert answer.headers["content-type"] == "application/json"

    def test_a_row_that_no_watch_writes(self, tmp_path: Path, tiny_bundle: Bundle) -> None:
        one = store(tmp_path)
        written(one, *motion(1))
        one.close()
        with closing(sqlite3.connect(tmp_path / "events.db")) as connection, connection:
            connection.execute("UPDATE events SET details = '[1'")
        with served(tiny_bundle, record=tmp_path) as page:
            assert page.ask("/api/history/events").status == 503
