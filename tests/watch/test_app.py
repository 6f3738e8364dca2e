"""``edgefg watch``: how it ends, what it refuses, and that it never shows credentials."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

pytest.importorskip("uvicorn")

from edgefg.bundle.bundle import Bundle


class TestCommand:
    """In a process of its own, as a user starts it."""

    @pytest.fixture
    def words(self, write_video: Callable[..., Path], tiny_bundle: Bundle, tmp_path: Path) -> list[str]:
        video = write_video(tmp_path / "yard.mp4", frames=30)
        return [sys.executable, "-m", "edgefg", "watch", str(video), "--bundle", str(tiny_bundle.path), "--no-page"]

    def test_ends_with_its_cameras(self, words: list[str]) -> None:
        ended = subprocess.run(words, capture_output=True, text=True, timeout=60)
        assert (ended.returncode, ended.stderr) == (0, "")
        assert "yard  motion_started" in ended.stdout
        assert "yard: " in ended.stdout.splitlines()[-1]

    def test_cameras_that_give_nothing_are_a_failure(self, words: list[str], tmp_path: Path) -> None:
        (tmp_path / "yard.mp4").write_text("no video")
        ended = subprocess.run(words, capture_output=True, text=True, timeout=60)
        assert ended.returncode == 2
        assert "error: no camera delivered a usable frame" in ended.stderr
        assert "Traceback" not in ended.stderr

    def test_a_background_that_does_not_fit_is_named(self, words: list[str], tmp_path: Path) -> None:
        cv2.imwrite(str(tmp_path / "wide.png"), np.zeros((40, 140, 3), np.uint8))
        config = tmp_path / "watch.yaml"
        config.write_text(f"cameras: [{{url: {words.pop(4)}, background: wide.png}}]")
        ended = subprocess.run([*words, "--config", str(config)], capture_output=True, text=True, timeout=60)
        assert "wide.png has 140x40 pixels, which does not fit" in ended.stdout

    @pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
    def test_a_signal_ends_it_and_completes_its_files(
        self, words: list[str], tmp_path: Path, number: int, code: int
    ) -> None:
        words += ["--loop", "--record", str(tmp_path / "clips"), "--events", str(tmp_path / "e.jsonl")]
        with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None and process.stderr is not None
            for line in process.stdout:
                if "motion_started" in line:
                    break
            process.send_signal(number)
            out, err = process.communicate(timeout=30)
        assert process.returncode == code
        assert "motion_ended" in out
        assert "Traceback" not in err
        (clip,) = (tmp_path / "clips").glob("*.mp4")
        with av.open(str(clip)) as video:
            assert next(video.decode(video=0))
        assert json.loads((tmp_path / "e.jsonl").read_text().splitlines()[-1])["kind"] == "motion_ended"

    def test_sigterm_while_it_starts(self, words: list[str]) -> None:
        with subprocess.Popen([*words, "--loop"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            process.stdout.readline()  # "watching": cameras are open
            process.send_signal(signal.SIGTERM)
            process.send_signal(signal.SIGTERM)
            _, err = process.communicate(timeout=30)
        assert (process.returncode, err) == (0, "")

    def test_for_a_while(self, words: list[str]) -> None:
        ended = subprocess.run([*words, "--loop", "--for", "1"], capture_output=True, text=True, timeout=60)
        assert (ended.returncode, ended.stderr) == (0, "")

    @pytest.mark.parametrize(
        ("package", "words"), [("starlette", []), ("uvicorn", []), ("paho", ["--mqtt", "mqtt://x"])]
    )
    def test_a_package_that_is_missing(self, package: str, words: list[str], tiny_bundle: Bundle) -> None:
        code = f"import sys; sys.modules[{package!r}] = None; from edgefg.__main__ import main; main()"
        words = ["watch", "a.mp4", "--bundle", str(tiny_bundle.path), "--listen", "127.0.0.1:0", *words]
        ended = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, timeout=60)
        assert ended.returncode == 2
        assert ended.stderr.count("\n") == 1
        assert 'pip install "edgefg[watch]"' in ended.stderr

    @pytest.mark.parametrize(
        ("more", "said"),
        [
            ([], "at least one camera"),
            (["none.mp4"], "none.mp4"),
            (["--config", "none.yaml"], "no such file"),
            (["a.mp4", "--listen", "0.0.0.0:80"], "needs --token"),
            (["a.mp4", "--listen", "0.0.0.0:80", "--token", "short"], "at least 16"),
            (["a.mp4", "--no-page", "--listen", "127.0.0.1:80"], "--no-page leaves no page to listen for"),
            (["a.mp4", "--mqtt", "broker"], "--mqtt"),
            (["a.mp4", "--max-age-ms", "-1"], "--max-age-ms must be"),
            (["a.mp4", "--events", "/proc/none/e"], "/proc/none/e: cannot write"),
            (["a.mp4", "--record", "/proc/none"], "--record"),
            (["a.mp4", "--store", "/proc/none"], "--store"),
            (["a.mp4", "--store", "past", "--no-store"], "--no-store keeps no store in past"),
            (["a.mp4", "--keep-days", "0"], "--keep-days must be"),
            (["a.mp4", "--threshold", "7"], "--threshold must be"),
            (["a.mp4", "--mode", "best"], "--mode must be"),
            (["a.mp4", "--bundle", "none"], "none"),
        ],
    )
    def test_bad_input_is_one_line(self, edgefg: Callable[..., Any], more: list[str], said: str) -> None:
        ended = edgefg("watch", *more)
        assert (ended.code, ended.err.count("\n")) == (2, 1)
        assert said in ended.err

    @pytest.mark.parametrize(
        ("address", "shown"),
        [
            ("viewer:geheim@10.0.0.5/stream", "***@10.0.0.5/stream: no such file"),
            ("rtsp:/viewer:geheim@10.0.0.5/stream", "***@10.0.0.5/stream: no such file"),
            ("viewer:geheim[x@10.0.0.5/stream", "***@10.0.0.5/stream: no file matches"),
            ("viewer:geh/eim?@10.0.0.5/stream", "***@10.0.0.5/stream: no file matches"),
            (f"viewer:{'geheim' * 50}@10.0.0.5/stream", "***@10.0.0.5/stream: no such file"),
            ("10.0.0.5/user=geheim&password=geheim", "10.0.0.5/user=***&password=***: no such file"),
        ],
    )
    def test_nor_are_those_of_an_address_that_is_none(
        self, edgefg: Callable[..., Any], tiny_bundle: Bundle, address: str, shown: str
    ) -> None:
        ended = edgefg("watch", address, "--bundle", tiny_bundle.path, "--no-page")
        assert (ended.code, ended.err.count("\n")) == (2, 1)
        assert shown in ended.err
        assert "geh" not in ended.err
        assert ("begins with rtsp://" in ended.err) == ("***@" in ended.err)

    @pytest.mark.parametrize("login", ["viewer:geheim", "viewer:[geheim", "viewer:geheim[geheim]"])
    def test_credentials_are_nowhere(
        self, edgefg: Callable[..., Any], tiny_bundle: Bundle, tmp_path: Path, login: str
    ) -> None:
        """An address that refuses at once, for a second."""
        url = f"rtsp://{login}@127.0.0.1:9/stream?password=geheim"
        words = [url, "--bundle", tiny_bundle.path, "--for", "1", "--events", tmp_path / "e.jsonl", "--no-page"]
        ended = edgefg("watch", *words, "--mqtt", "mqtt://u:geheim@127.0.0.1:9/x")
        assert ended.code == 0, ended.err
        assert "127.0.0.1" in ended.out
        everything = ended.out + ended.err + (tmp_path / "e.jsonl").read_text()
        assert "geheim" not in everything
