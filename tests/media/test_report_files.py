"""Reports of long work: whole or not there."""

import json
from pathlib import Path

import pytest

from edgefg.errors import OutputError
from edgefg.media.report_files import as_json, open_report_files

pytest.importorskip("cv2")


def test_files_appear_when_they_are_written(tmp_path: Path) -> None:
    with open_report_files({"json": tmp_path / "a.json", "plot": tmp_path / "a.png"}) as files:
        assert not (tmp_path / "a.json").exists()
        files.write({"json": lambda: b"scores", "plot": lambda: b"picture"})
    assert (tmp_path / "a.json").read_bytes() == b"scores"
    assert (tmp_path / "a.png").read_bytes() == b"picture"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.json", "a.png"]


def test_content_that_nobody_asked_for_is_not_made(tmp_path: Path) -> None:
    with open_report_files({"json": tmp_path / "a.json", "plot": None}) as files:
        files.write({"json": lambda: b"scores", "plot": lambda: pytest.fail("it was drawn")})
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


def test_an_error_leaves_what_was_there(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("kept")
    with pytest.raises(ZeroDivisionError), open_report_files({"json": tmp_path / "a.json"}):
        raise ZeroDivisionError
    assert (tmp_path / "a.json").read_text() == "kept"
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


def test_an_error_in_one_keeps_those_before_it(tmp_path: Path) -> None:
    files = {"json": tmp_path / "a.json", "plot": tmp_path / "a.png"}
    with pytest.raises(ZeroDivisionError), open_report_files(files) as opened:
        opened.write({"json": lambda: b"scores", "plot": lambda: bytes(1 // 0)})
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


def test_a_bad_place_is_refused_before_the_work(tmp_path: Path) -> None:
    files = {"json": tmp_path / "a.json", "plot": tmp_path / "none" / "a.png"}
    with pytest.raises(OutputError, match="its folder does not exist"), open_report_files(files):
        pytest.fail("the work began")
    assert list(tmp_path.iterdir()) == []


def test_json_is_indented_and_refuses_nan() -> None:
    assert as_json({"f": 0.5}) == b'{\n  "f": 0.5\n}\n'
    assert json.loads(as_json({"name": "Zoë"})) == {"name": "Zoë"}
    with pytest.raises(ValueError, match="JSON compliant"):
        as_json({"f": float("nan")})
