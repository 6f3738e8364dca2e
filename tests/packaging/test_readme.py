"""What the README shows runs as it stands."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from edgefg.bundle.bundle import Bundle

README = Path(__file__).parents[2] / "README.md"

pytestmark = pytest.mark.skipif(not README.is_file(), reason="needs a checkout")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def test_the_snippet_runs(
    tmp_path: Path,
    write_video: Callable[..., Path],
    tiny_bundle: Bundle,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    write_video(tmp_path / "street.mp4", frames=5)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("edgefg.bundle.bundle.SHIPPED", tiny_bundle.path)
    (snippet,) = blocks("python")
    exec(compile(snippet, str(README), "exec"), {})
    assert len(capsys.readouterr().out.splitlines()) == 5
    assert (tmp_path / "mask.png").is_file()


def test_the_first_two_command_blocks_stand_alone() -> None:
    main_job, tests = blocks("bash")[:2]
    for block in (main_job, tests):
        assert block.startswith("python3 -m venv .venv")
    assert "edgefg demo" in main_job
    assert "pytest" in tests


def test_every_command_is_named() -> None:
    pytest.importorskip("typer")
    from edgefg.cli.main import app

    names = {command.name or command.callback.__name__ for command in app.registered_commands if command.callback}
    assert names == set(re.findall(r"^\| `edgefg (\w+)", README.read_text(encoding="utf-8"), re.MULTILINE))


def test_every_picture_and_page_it_links_is_there() -> None:
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", README.read_text(encoding="utf-8"))
    assert links
    assert [link for link in links if not (README.parent / link).exists()] == []
