"""``edgefg stress-test`` on the command line."""

import functools
import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from edgefg.bundle.bundle import Bundle
from edgefg.datasets.sequences import MOVING, fingerprint
from edgefg.evaluate.disturbances.scores import OURS, Score, StressTestResult, run_disturbances

pytest.importorskip("typer")
Command = Callable[..., Any]
RUN = "edgefg.evaluate.disturbances.stress_test.run_disturbances"


def write_truth(sequence: Path, side: int) -> None:
    """Says that a square stands in the middle of all frames, which may be cut out if it is small."""
    truth = np.zeros((48, 64), np.uint8)
    truth[16 : 16 + side, 24 : 24 + side] = MOVING
    for path in (sequence / "groundtruth").iterdir():
        cv2.imwrite(str(path), truth)


class TestStressTest:
    def test_prints_a_table_and_writes_json_and_a_plot(
        self, edgefg: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        pytest.importorskip("matplotlib")
        one = functools.partial(run_disturbances, disturbances=["corrupt frame"])
        monkeypatch.setattr(RUN, one)
        files = ("--json", tmp_path / "scores.json", "--plot", tmp_path / "plot.png")
        ended = edgefg("stress-test", "--method", "mog2", *files)
        assert ended.code == 0, ended.err
        assert "corrupt frame" in ended.out
        found = json.loads((tmp_path / "scores.json").read_text())
        assert found["clips"]["generated street"]["corrupt frame"]["mog2"]["f"] > 0
        assert (tmp_path / "plot.png").stat().st_size

    def test_a_plot_without_matplotlib_is_refused_before_the_work(
        self, edgefg: Command, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
        monkeypatch.setattr(
            "edgefg.evaluate.disturbances.stress_test.run_disturbances", lambda *_, **__: pytest.fail("it ran")
        )
        ended = edgefg("stress-test", "--plot", "plot.png")
        assert ended.code == 2
        assert "--plot needs the package matplotlib" in ended.err

    def test_the_table_is_printed_whatever_becomes_of_the_files(
        self, edgefg: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        folder = tmp_path / "out"
        folder.mkdir()

        def run(*arguments: Any, **named: Any) -> StressTestResult:
            shutil.rmtree(folder)
            score = Score(0.5, None, 0.25, (0.0, 0.2), 0.3, 1)
            return StressTestResult(("c",), {"c": {"pan": {OURS: score}}})

        monkeypatch.setattr(RUN, run)
        ended = edgefg("stress-test", "--json", folder / "scores.json")
        assert ended.code == 2
        assert "stress test of the background" in ended.out
        assert ended.err.count("\n") == 1

    def test_a_sequence_without_an_object_is_left_out(
        self,
        edgefg: Command,
        write_sequence: Callable[..., Path],
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        write_sequence(tmp_path / "street" / "full", numbers=range(1, 71))
        write_sequence(tmp_path / "street" / "empty", numbers=range(1, 71))
        write_truth(tmp_path / "street" / "full", side=12)
        write_truth(tmp_path / "street" / "empty", side=0)
        one = functools.partial(run_disturbances, disturbances=["corrupt frame"])
        monkeypatch.setattr(RUN, one)
        ended = edgefg("stress-test", tmp_path, "--method", "mog2")
        assert ended.code == 0, ended.err
        assert "left out: street/empty: expected an object" in ended.out
        assert "street/full" in ended.out

    def test_refuses_frames_that_the_bundle_was_trained_on(
        self,
        edgefg: Command,
        tiny_bundle: Bundle,
        write_sequence: Callable[..., Path],
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        sequence = write_sequence(tmp_path / "street" / "one", numbers=range(1, 71))
        write_truth(sequence, side=12)
        known = fingerprint(sequence / "input/in000003.png")
        trained = replace(tiny_bundle, card={"seen_frames": [known]})
        monkeypatch.setattr("edgefg.evaluate.disturbances.stress_test.open_bundle", lambda path: trained)
        ended = edgefg("stress-test", tmp_path / "street")
        assert ended.code == 2
        assert "not trained on the tested frames" in ended.err
        score = Score(0.5, None, 0.25, (0.0, 0.2), 0.3, 1)
        result = StressTestResult(("one",), {"one": {"pan": {OURS: score}}})
        monkeypatch.setattr(RUN, lambda *_, **__: result)
        words = ("--allow-seen", "--json", tmp_path / "scores.json")
        ended = edgefg("stress-test", tmp_path / "street", *words)
        assert ended.code == 0, ended.err
        assert "networks were trained on 1 of these frames" in " ".join(ended.out.split())
        assert json.loads((tmp_path / "scores.json").read_text())["seen_frames"] == 1

    @pytest.mark.parametrize(
        ("words", "says"),
        [
            (("--plot", "plot.txt"), "ends in .png"),
            (("--part", "train"), "expected DATA"),
            (("--method", "vibe"), "--method vibe: expected one of edgefg"),
            (("--background", "first"), "--background"),
            (("--json", "no/such/folder.json"), "does not exist"),
            (("--plot", "no/such/p.png"), "does not exist"),
            (("--plot", "p.png", "--json", "p.png"), "this one is also --json"),
            (("--skip-below", "3"), "--skip-below"),
            (("--seed", "0"), "--seed"),
        ],
    )
    def test_bad_options_are_one_line(self, words: tuple[str, ...], says: str, edgefg: Command) -> None:
        ended = edgefg("stress-test", *words)
        assert ended.code == 2
        assert says in ended.err
        assert ended.err.count("\n") == 1
