"""The library's names of options, as those who typed a command read them."""

import pytest

typer = pytest.importorskip("typer")

from edgefg.cli.errors import in_command_line_words, shown_options
from edgefg.cli.main import app

OPTIONS = {
    "allow_seen": "--allow-seen",
    "background": "--background",
    "csv": "--csv",
    "data": "DATA",
    "listen": "--listen",
    "methods": "--method",
    "mode": "--mode",
    "threads": "--threads",
    "token": "--token",
}


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("background='street.png': expected an image", "--background street.png: expected an image"),
        ("background='my street.png': not found", "--background 'my street.png': not found"),
        ('background="it\'s.png": not found', "--background 'it'\"'\"'s.png': not found"),
        (r"background='a\\b.png': not found", r"--background 'a\b.png': not found"),
        ("methods='vibe': expected one of edgefg, mog2", "--method vibe: expected one of edgefg, mog2"),
        ("pass an image: background=IMG", "pass an image: --background IMG"),
        ("threads=0 is too few", "--threads 0 is too few"),
        ("started with threads=2, mode=map; pass", "started with --threads 2, --mode map; pass"),
        ("this one is also csv=", "this one is also --csv"),
        ("csv= needs the package", "--csv needs the package"),
        ("pass more threads=, or none.", "pass more --threads, or none."),
        ("test on other data, or pass allow_seen=True", "test on other data, or pass --allow-seen"),
        ("choose another port, or pass listen=None", "choose another port, or pass --no-page"),
        ("threads must be a whole number above 0; got 0", "--threads must be a whole number above 0; got 0"),
        ("expected a file with data='a'", "expected a file with DATA a"),
    ],
)
def test_options_are_named_as_the_command_has_them(message: str, shown: str) -> None:
    assert in_command_line_words(message, OPTIONS) == shown


@pytest.mark.parametrize(
    "message",
    [
        "rtsp://door/stream?mode=main&threads=2: no answer",
        "rtsp://door/stream;mode=main: no answer",
        "http://door/a%20mode=main: no answer",
        "rtspsrc location=rtsp://door ! decodebin threads=2 ! appsink: no such element",
        "other='a': no parameter of this command",
        "darkmode=1 is none, nor is dark-mode=1",
        "the threads must be a whole number",
        "threads are many",
    ],
)
def test_everything_else_stays(message: str) -> None:
    assert in_command_line_words(message, OPTIONS) == message


def test_words_that_were_typed_stay() -> None:
    typed = ["run", "mode=night.mp4", "--threads", "0"]
    message = "mode=night.mp4: no such file; threads=0"
    assert in_command_line_words(message, OPTIONS, typed) == "mode=night.mp4: no such file; --threads 0"


def test_without_a_command_nothing_is_rewritten() -> None:
    assert in_command_line_words("threads=0", {}) == "threads=0"


def test_names_come_from_the_parameters_of_a_command() -> None:
    names = shown_options(typer.main.get_command(app).commands["evaluate"])
    assert names["data"] == "DATA"
    assert names["methods"] == "--method"
    assert names["skip_below"] == "--skip-below"
