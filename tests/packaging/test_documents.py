"""The README and the pages of docs/ name what exists: files, headings, commands, options, public names."""

import re
import shlex
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import edgefg
from edgefg.bundle.bundle import Bundle

from .test_layers import FLOOR_OF

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
PAGES = sorted((ROOT / "docs").glob("*.md"))
DOCUMENTS = [README, ROOT / "CONTRIBUTING.md", *PAGES]

pytestmark = pytest.mark.skipif(not PAGES, reason="needs a checkout")
each_document = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)


def text_of(document: Path) -> str:
    return document.read_text(encoding="utf-8")


def blocks(document: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text_of(document), re.MULTILINE | re.DOTALL)


def code_spans(document: Path) -> list[str]:
    """The inline code outside of fenced blocks, each on one line."""
    prose = re.sub(r"^```.*?^```$", "", text_of(document), flags=re.MULTILINE | re.DOTALL)
    return [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", prose)]


def commands(document: Path) -> Iterator[list[str]]:
    """The words of each ``edgefg COMMAND`` in prose and console blocks."""
    lines = [span for span in code_spans(document) if span.startswith("edgefg ")]
    for block in [*blocks(document, "bash"), *blocks(document, "console")]:
        joined = block.replace("\\\n", " ")
        lines += [line.removeprefix("$ ") for line in joined.splitlines() if line.startswith(("edgefg ", "$ edgefg "))]
    for line in lines:
        yield shlex.split(line, comments=True)[1:]


def options_of_commands() -> dict[str, set[str]]:
    typer = pytest.importorskip("typer")
    from edgefg.cli.main import app

    group = typer.main.get_command(app)
    return {name: {flag for one in command.params for flag in one.opts} for name, command in group.commands.items()}


def anchors(document: Path) -> set[str]:
    """The anchors of a document's headings, as MkDocs and GitHub make them."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```$", "", text_of(document), flags=re.M | re.S), re.MULTILINE)
    return {re.sub(r"\s+", "-", re.sub(r"[^\w\s-]", "", heading).strip().lower()) for heading in headings}


@each_document
def test_every_link_resolves(document: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#\s]*)(?:#([^)]+))?\)", text_of(document))
    targets = [((document.parent / path) if path else document, anchor) for path, anchor in links]
    assert [str(target) for target, _ in targets if not target.exists()] == []
    assert [anchor for target, anchor in targets if anchor and anchor not in anchors(target)] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_pages_link_to_pages_alone(page: Path) -> None:
    """The site holds nothing else."""
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", text_of(page))
    assert [link for link in links if "/" in link] == []


@each_document
def test_every_command_and_option_exists(document: Path) -> None:
    known = options_of_commands()
    for command, *words in commands(document):
        assert command in known, f"edgefg {command}"
        used = {word.partition("=")[0] for word in words if re.match(r"--?[a-z]", word)}
        assert used <= known[command], f"edgefg {command}: {used - known[command]}"


@each_document
def test_every_option_named_alone_exists(document: Path) -> None:
    known = set().union(*options_of_commands().values())
    scripts = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "examples").rglob("*.py"))
    named = {span.split()[0] for span in code_spans(document) if span.startswith("--")}
    assert [option for option in named - known if f'"{option}"' not in scripts] == []


@each_document
def test_every_path_of_ours_exists(document: Path) -> None:
    named = re.findall(r"(?<![\w/.-])(?:build|calibration|docs|edgefg|examples|tests)/[\w./-]*\w", text_of(document))
    made = {"edgefg-demo"}
    assert [path for path in named if not (ROOT / path).exists() and path.split("/")[0] not in made] == []


@each_document
def test_every_commit_is_in_the_history(document: Path) -> None:
    """A figure whose code cannot be read any more proves nothing."""
    if not (ROOT / ".git").exists() or git("rev-parse", "--is-shallow-repository") != "false":
        pytest.skip("needs the history")
    named = {span for span in code_spans(document) if re.fullmatch(r"[0-9a-f]{7,40}", span)}
    history = git("rev-list", "HEAD").split()
    assert [commit for commit in named if not any(one.startswith(commit) for one in history)] == []


def git(*words: str) -> str:
    return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, timeout=60).stdout.strip()


def python_blocks() -> list[object]:
    """Blocks marked ``python`` are run; ``py`` marks those that need a camera, or more code around them."""
    found = [(document, block) for document in DOCUMENTS for block in blocks(document, "python")]
    return [pytest.param(block, id=f"{document.stem}-{number}") for number, (document, block) in enumerate(found)]


@pytest.mark.parametrize("snippet", python_blocks())
def test_the_snippet_runs(
    snippet: str,
    tmp_path: Path,
    write_video: Callable[..., Path],
    tiny_bundle: Bundle,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    cv2 = pytest.importorskip("cv2")
    video = write_video(tmp_path / "street.mp4", frames=5)
    more, frame = cv2.VideoCapture(str(video)).read()
    assert more
    cv2.imwrite(str(tmp_path / "empty.png"), frame)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("edgefg.bundle.bundle.SHIPPED", tiny_bundle.path)
    at_hand = re.sub(r'"rtsp://[^"]*"', '"street.mp4"', snippet)  # Files stand in for cameras.
    exec(compile(at_hand, "snippet", "exec"), {})
    assert bool(capsys.readouterr().out) == ("print(" in snippet and "on_event" not in snippet)


def test_the_file_of_watch_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("yaml")
    from edgefg.watch.config import watch_options

    (block,) = blocks(ROOT / "docs" / "watch.md", "yaml")
    config = tmp_path / "watch.yaml"
    config.write_text(block, encoding="utf-8")
    for name in re.findall(r"\$\{(\w+)\}", block):
        monkeypatch.setenv(name, "secret")
    (tmp_path / "empty.png").touch()
    (tmp_path / "yard.mp4").touch()
    options = watch_options(config, [], {}, None)
    assert [camera.name for camera in options.cameras] == ["door", "yard"]


def test_the_first_two_command_blocks_stand_alone() -> None:
    main_job, tests = blocks(README, "bash")[:2]
    for block in (main_job, tests):
        assert block.startswith("python3 -m venv .venv")
    assert "edgefg demo" in main_job
    assert "pytest" in tests


def test_the_readme_names_every_command() -> None:
    assert set(options_of_commands()) == set(re.findall(r"^\| `edgefg ([\w-]+)", text_of(README), re.MULTILINE))


def test_the_readme_is_short() -> None:
    assert len(README.read_bytes()) <= 7000


def test_the_api_page_has_every_public_name() -> None:
    listed = re.findall(r"^::: edgefg\.(\w+)$", text_of(ROOT / "docs" / "api.md"), re.MULTILINE)
    assert sorted(listed) == sorted(edgefg.__all__)


def test_the_architecture_has_every_room_on_its_floor() -> None:
    rows = re.findall(r"^\| (\d+) \| `([\w/.]+)` \|", text_of(ROOT / "docs" / "architecture.md"), re.MULTILINE)
    names = {"edgefg/__init__.py": "public names"}
    rooms = [names.get(path, path.removeprefix("edgefg/").removesuffix(".py").replace("/", ".")) for _, path in rows]
    listed = dict(zip(rooms, (int(floor) for floor, _ in rows), strict=True))
    assert listed == {room: floor for room, floor in FLOOR_OF.items() if room != "__main__"}


def test_docs_hold_documents_and_pictures_only() -> None:
    suffixes = {path.suffix for path in (ROOT / "docs").rglob("*") if path.is_file()}
    assert suffixes <= {".md", ".jpg", ".png", ".svg"}
