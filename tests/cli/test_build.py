"""`edgefg train` and `edgefg build` on the command line: bad input is one line and the right exit code."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("typer")
pytest.importorskip("torch")

from edgefg.build.networks.sizes import VGG_LITE
from edgefg.build.networks.stage2 import UNetDecoder
from edgefg.build.networks.vgg import VggDistance
from edgefg.build.networks.weights import save_weights

Command = Callable[..., Any]


@pytest.fixture
def parts(tmp_path: Path, write_sequence: Callable[..., Path]) -> Path:
    write_sequence(tmp_path / "data" / "baseline" / "boxes")
    file = tmp_path / "data" / "splits.json"
    file.write_text(json.dumps({"train": ["baseline/boxes"]}))
    return file


def test_train_writes_weights(edgefg: Command, parts: Path, tmp_path: Path) -> None:
    words = ["train", "--data", parts, "--out", tmp_path / "run", "--minutes", "0.001", "--workers", "0"]
    ended = edgefg(*words, "--device", "cpu")
    assert ended.code == 0
    assert (tmp_path / "run" / "weights.safetensors").is_file()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--size", "huge"], "'huge'"),
        (["--minutes", "0"], "--minutes"),
        (["--minutes", "soon"], "--minutes"),
        (["--part", "nothing"], "nothing"),
        (["--init", "none.safetensors"], "none.safetensors"),
        (["--device", "tpu"], "tpu"),
        (["--resume"], "--resume"),
        (["--data", "nowhere"], "nowhere"),
    ],
)
def test_train_says_what_is_wrong_in_one_line(
    edgefg: Command, parts: Path, tmp_path: Path, words: list[str], message: str
) -> None:
    ended = edgefg("train", "--data", parts, "--out", tmp_path / "run", "--workers", "0", *words)
    assert ended.code == 2
    last = ended.err.strip().splitlines()[-1]
    assert message in last
    assert "Traceback" not in ended.err


def test_train_without_its_packages_names_the_extra(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['torch'] = None; from edgefg.cli.main import main; "
        "main(['train', '--data', '.', '--out', 'run'])"
    )
    ended = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 2
    assert "edgefg[build]" in ended.stderr
    assert len(ended.stderr.strip().splitlines()) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX's")
@pytest.mark.parametrize(
    "number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.soak)], ids=lambda number: number.name
)
def test_a_signal_to_the_whole_group_keeps_a_checkpoint(number: signal.Signals, parts: Path, tmp_path: Path) -> None:
    """As a terminal sends Ctrl-C, and a service manager its SIGTERM: to the processes that draw pairs, too."""
    out = tmp_path / "run"
    words = ["train", "--data", parts, "--out", out, "--minutes", "60", "--workers", "1", "--device", "cpu"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    with subprocess.Popen(
        [sys.executable, "-m", "edgefg", *map(str, words)],
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        start_new_session=True,
    ) as process:
        log, deadline = out / "train.jsonl", time.monotonic() + 90
        while not log.exists() and time.monotonic() < deadline:
            time.sleep(0.1)
        os.killpg(process.pid, number)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in errors
    assert [path.name for path in sorted(out.iterdir())] == ["checkpoint.pt", "train.jsonl"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "--weights"),
        (["--weights", "none.safetensors"], "none.safetensors"),
        (["--size", "huge"], "--size huge comes without weights"),
        (["--size", "lite", "--precision", "int4"], "int4"),
        (["--size", "lite", "--target", "tpu"], "tpu"),
        (["--size", "lite", "--input-size", "320"], "320x240"),
        (["--size", "lite", "--input-size", "321x240"], "multiples of 16"),
        (["--size", "lite", "--input-size", "100000x100000"], "at most 4096, got 100000x100000"),
    ],
)
def test_build_says_what_is_wrong_in_one_line(edgefg: Command, tmp_path: Path, words: list[str], message: str) -> None:
    ended = edgefg("build", "--out", tmp_path / "bundle", *words)
    assert ended.code == 2
    assert message in ended.err
    assert len(ended.err.strip().splitlines()) == 1
    assert not (tmp_path / "bundle").exists()


def test_build_refuses_a_folder_that_holds_something_else(edgefg: Command, tmp_path: Path) -> None:
    weights = tmp_path / "weights.safetensors"
    card = {"size": "vgg-lite", "seen_frames": []}
    save_weights(weights, VggDistance(VGG_LITE).state_dict(), UNetDecoder(VGG_LITE).state_dict(), card)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    ended = edgefg("build", "--weights", weights, "--out", tmp_path / "mine")
    assert ended.code == 2
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years of work"
