"""The suite of disturbances: what its scripts do, how it scores, and the command."""

import functools
import io
import itertools
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
from edgefg.datasets.sequences import MOVING, OUTSIDE, STATIC, fingerprint, open_dataset
from edgefg.errors import DataError, OptionError
from edgefg.evaluate.disturbances.clips import Clip, Labelled, clips_of, cut_out, generated_clip, with_objects
from edgefg.evaluate.disturbances.scores import OURS, Score, SuiteResult, run_suite
from edgefg.evaluate.disturbances.scripts import DISTURBANCES, Scripted
from edgefg.evaluate.disturbances.table import suite_plot, suite_table

from ..support.background_rig import textured_scene

CLIP = generated_clip()


def small_frame(index: int) -> Labelled:
    """A box that walks over a wall with texture, 96x72."""
    frame = textured_scene(size=(100, 80))[:72, :96].copy()
    truth = np.zeros((72, 96), np.uint8)
    x = 10 + index % 60
    frame[20:44, x : x + 14] = (20, 30, 220)
    truth[20:44, x : x + 14] = MOVING
    return Labelled(frame, truth)


def write_truth(sequence: Path, side: int) -> None:
    """Says that a square stands in the middle of all frames, which may be cut out if it is small."""
    truth = np.zeros((48, 64), np.uint8)
    truth[16 : 16 + side, 24 : 24 + side] = MOVING
    for path in (sequence / "groundtruth").iterdir():
        cv2.imwrite(str(path), truth)


SMALL = Clip("small", 600, small_frame)


def frames_of(name: str, *times_s: float) -> list[Scripted]:
    wanted = {round(25 * time_s) for time_s in times_s}
    script = itertools.islice(DISTURBANCES[name].script(CLIP), max(wanted) + 1)
    return [one for index, one in enumerate(script) if index in wanted]


def brightness(scripted: Scripted) -> float:
    return float(np.median(scripted.frame))


class TestScripts:
    def test_there_are_eleven(self) -> None:
        assert len(DISTURBANCES) == 11

    @pytest.mark.parametrize("name", list(DISTURBANCES))
    def test_times_rise_and_the_window_begins_with_the_disturbance(self, name: str) -> None:
        times, scored = [], []
        for one in itertools.islice(DISTURBANCES[name].script(SMALL), 300):
            assert one.frame.shape[:2] == one.truth.shape
            assert one.frame.dtype == np.uint8
            times.append(one.time_s)
            scored.append(one.scored)
        assert times == sorted(times)
        assert times[scored.index(True)] == pytest.approx(DISTURBANCES[name].begins_s, abs=0.04)

    def test_who_stood_in_the_first_frame_leaves(self) -> None:
        standing, gone = frames_of("people in the first frame", 3.96, 4.0)
        thing = cut_out(CLIP)
        assert not standing.truth[thing.where].any()
        assert np.abs(standing.frame[thing.where].astype(int) - gone.frame[thing.where]).mean() > 15

    def test_an_object_left_is_foreground(self) -> None:
        (left,) = frames_of("object left", 6.0)
        assert (left.truth[cut_out(CLIP).where] == MOVING).all()

    def test_light_steps_up_and_down(self) -> None:
        before, bright, dark = frames_of("light step", 4.8, 6.0, 12.0)
        assert brightness(bright) == pytest.approx(1.5 * brightness(before), rel=0.1)
        assert brightness(dark) == pytest.approx(0.5 * brightness(before), rel=0.1)

    def test_infrared_is_grey(self) -> None:
        day, night = frames_of("infrared", 4.8, 6.0)
        assert np.ptp(night.frame, axis=2).max() == 0
        assert np.ptp(day.frame, axis=2).max() > 0

    def test_a_pan_goes_a_fifth_of_the_width(self) -> None:
        before, after = frames_of("pan", 4.8, 6.0)
        shift = round(0.2 * before.frame.shape[1])
        still = slice(0, 40)  # the wall, where nobody walks
        apart = np.abs(after.frame[still, :-shift].astype(int) - before.frame[still, shift:])
        assert np.median(apart) <= 5

    def test_one_frame_is_corrupt_and_not_scored(self) -> None:
        corrupt, next_one = frames_of("corrupt frame", 5.0, 5.04)
        assert (corrupt.truth == OUTSIDE).all()
        assert (next_one.truth == STATIC).any()


class TestClips:
    def test_the_drawn_one_is_the_same_each_time(self) -> None:
        np.testing.assert_array_equal(CLIP.at(7).frame, generated_clip().at(7).frame)
        assert (CLIP.at(60).truth == MOVING).any()

    def test_a_short_sequence_goes_to_and_fro(self, write_sequence: Callable[..., Path], tmp_path: Path) -> None:
        write_sequence(tmp_path / "street" / "one", numbers=range(1, 71))
        (clip,) = clips_of(open_dataset(tmp_path))
        np.testing.assert_array_equal(clip.at(70).frame, clip.at(68).frame)
        assert not np.array_equal(clip.at(70).frame, clip.at(69).frame)

    @pytest.mark.parametrize("numbers", [range(1, 41), [*range(1, 40), *range(60, 120)]])
    def test_a_sequence_that_is_too_short_or_has_gaps(
        self, numbers: Any, write_sequence: Callable[..., Path], tmp_path: Path
    ) -> None:
        write_sequence(tmp_path / "street" / "one", numbers=numbers)
        with pytest.raises(DataError, match="labelled frames without gaps"):
            clips_of(open_dataset(tmp_path))

    def test_a_clip_without_a_free_object(self) -> None:
        nothing = Labelled(np.zeros((48, 64, 3), np.uint8), np.zeros((48, 64), np.uint8))
        empty = Clip("empty", 20, lambda index: nothing)
        with pytest.raises(DataError, match="expected an object"):
            cut_out(empty)
        said: list[str] = []
        assert with_objects([empty, SMALL], said.append) == [SMALL]
        (line,) = said
        assert line.startswith("left out: empty: expected an object of 0.8% to 8%")
        with pytest.raises(DataError, match="expected an object"):
            with_objects([empty], said.append)

    def test_frames_are_numbered_by_the_last_number_of_their_names(
        self, write_sequence: Callable[..., Path], tmp_path: Path
    ) -> None:
        folder = write_sequence(tmp_path / "street" / "one", numbers=range(1, 71))
        for path in sorted((folder / "input").iterdir()):
            path.rename(path.with_name(f"c1_{int(path.stem[2:])}{path.suffix}"))
        (clip,) = clips_of(open_dataset(tmp_path))
        assert len(clip.files) == 70


class TestScores:
    def test_a_method_is_scored_in_the_window(self) -> None:
        score = run_suite([CLIP], ["mog2"], disturbances=["corrupt frame"]).scores[CLIP.name]["corrupt frame"]["mog2"]
        assert score.f is not None
        assert 0.3 < score.f < 1
        assert len(score.false_share) == 10
        assert score.event_delay_s is None

    def test_ours_runs_with_the_shipped_defaults(self, tiny_bundle: Bundle) -> None:
        result = run_suite([SMALL], [OURS], tiny_bundle, disturbances=["frozen feed"])
        score = result.scores["small"]["frozen feed"][OURS]
        assert score.f is None
        assert score.event_delay_s is not None
        assert 2 <= score.event_delay_s < 3

    def test_best_is_best_or_tied(self) -> None:
        def result(ours: float, other: float) -> SuiteResult:
            def score(f: float) -> Score:
                return Score(f, 0.0, 0.0, (0.0,))

            return SuiteResult(("c",), {"c": {"pan": {OURS: score(ours), "mog2": score(other)}}})

        assert result(0.8, 0.7).best("c", "pan")
        assert result(0.8, 0.809).best("c", "pan")
        assert not result(0.8, 0.82).best("c", "pan")

    @pytest.mark.parametrize(
        ("delay_s", "false", "best"), [(1.0, 0, True), (1.0, 1, False), (9.0, 0, False), (None, 0, False)]
    )
    def test_of_events_the_delay_and_the_false_ones_count(self, delay_s: float | None, false: int, best: bool) -> None:
        score = Score(None, None, None, (0.0,), delay_s, false)
        assert SuiteResult(("c",), {"c": {"frozen feed": {OURS: score}}}).best("c", "frozen feed") is best

    @pytest.mark.parametrize("options", [{"methods": ["vibe"]}, {"disturbances": ["earthquake"]}])
    def test_unknown_names_are_refused(self, options: dict[str, Any]) -> None:
        with pytest.raises(OptionError):
            run_suite([CLIP], **options)


class TestReports:
    @pytest.fixture
    def result(self) -> SuiteResult:
        score = Score(0.5, None, 0.25, (0.0, 0.2), 0.3, 1)
        return SuiteResult(("c",), {"c": {"pan": {OURS: score, "mog2": score}}})

    def test_a_table(self, result: SuiteResult) -> None:
        from rich.console import Console

        console = Console(width=120, record=True, file=io.StringIO())
        console.print(suite_table(result))
        assert "best or within 0.01 in 1 of 1" in console.export_text()

    def test_a_plot(self, result: SuiteResult, tmp_path: Path) -> None:
        pytest.importorskip("matplotlib")
        (tmp_path / "plot.png").write_bytes(suite_plot(result, "png"))
        assert cv2.imread(str(tmp_path / "plot.png")) is not None
        assert suite_plot(result, "svg").startswith(b"<?xml")

    def test_json(self, result: SuiteResult) -> None:
        found = json.loads(json.dumps(result.to_json(), allow_nan=False))
        assert found["clips"]["c"]["pan"]["mog2"]["f"] == 0.5


class TestTheCommand:
    def test_prints_a_table_and_writes_json_and_a_plot(
        self, edgefg: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        pytest.importorskip("matplotlib")
        one = functools.partial(run_suite, disturbances=["corrupt frame"])
        monkeypatch.setattr("edgefg.evaluate.disturbances.scores.run_suite", one)
        files = ("--json", tmp_path / "scores.json", "--plot", tmp_path / "plot.png")
        ended = edgefg("evaluate", "--suite", "background", "--method", "mog2", *files)
        assert ended.code == 0, ended.err
        assert "corrupt frame" in ended.out
        found = json.loads((tmp_path / "scores.json").read_text())
        assert found["clips"]["generated street"]["corrupt frame"]["mog2"]["f"] > 0
        assert (tmp_path / "plot.png").stat().st_size

    def test_a_plot_without_matplotlib_is_refused_before_the_work(
        self, edgefg: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
        monkeypatch.setattr("edgefg.evaluate.disturbances.scores.run_suite", lambda *_, **__: pytest.fail("it ran"))
        ended = edgefg("evaluate", "--suite", "background", "--plot", "plot.png")
        assert ended.code == 2
        assert "--plot needs the package matplotlib" in ended.err

    def test_the_table_is_printed_whatever_becomes_of_the_files(
        self, edgefg: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        folder = tmp_path / "out"
        folder.mkdir()

        def run(*arguments: Any, **named: Any) -> SuiteResult:
            shutil.rmtree(folder)
            score = Score(0.5, None, 0.25, (0.0, 0.2), 0.3, 1)
            return SuiteResult(("c",), {"c": {"pan": {OURS: score}}})

        monkeypatch.setattr("edgefg.evaluate.disturbances.scores.run_suite", run)
        ended = edgefg("evaluate", "--suite", "background", "--json", folder / "scores.json")
        assert ended.code == 2
        assert "suite: background" in ended.out
        assert ended.err.count("\n") == 1

    def test_a_sequence_without_an_object_is_left_out(
        self,
        edgefg: Callable[..., Any],
        write_sequence: Callable[..., Path],
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        write_sequence(tmp_path / "street" / "full", numbers=range(1, 71))
        write_sequence(tmp_path / "street" / "empty", numbers=range(1, 71))
        write_truth(tmp_path / "street" / "full", side=12)
        write_truth(tmp_path / "street" / "empty", side=0)
        one = functools.partial(run_suite, disturbances=["corrupt frame"])
        monkeypatch.setattr("edgefg.evaluate.disturbances.scores.run_suite", one)
        ended = edgefg("evaluate", tmp_path, "--suite", "background", "--method", "mog2")
        assert ended.code == 0, ended.err
        assert "left out: street/empty: expected an object" in ended.out
        assert "street/full" in ended.out

    def test_refuses_frames_that_the_bundle_was_trained_on(
        self,
        edgefg: Callable[..., Any],
        tiny_bundle: Bundle,
        write_sequence: Callable[..., Path],
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        sequence = write_sequence(tmp_path / "street" / "one", numbers=range(1, 71))
        write_truth(sequence, side=12)
        known = fingerprint(sequence / "input/in000003.png")
        trained = replace(tiny_bundle, card={"seen_frames": [known]})
        monkeypatch.setattr("edgefg.bundle.bundle.open_bundle", lambda path: trained)
        ended = edgefg("evaluate", tmp_path / "street", "--suite", "background")
        assert ended.code == 2
        assert "not trained on the tested frames" in ended.err
        score = Score(0.5, None, 0.25, (0.0, 0.2), 0.3, 1)
        result = SuiteResult(("one",), {"one": {"pan": {OURS: score}}})
        monkeypatch.setattr("edgefg.evaluate.disturbances.scores.run_suite", lambda *_, **__: result)
        words = ("--allow-seen", "--json", tmp_path / "scores.json")
        ended = edgefg("evaluate", tmp_path / "street", "--suite", "background", *words)
        assert ended.code == 0, ended.err
        assert "networks were trained on 1 of these frames" in " ".join(ended.out.split())
        assert json.loads((tmp_path / "scores.json").read_text())["seen_frames"] == 1

    @pytest.mark.parametrize(
        ("words", "says"),
        [
            ((), "expected DATA"),
            (("--suite", "weather"), "expected one of background"),
            (("--suite", "background", "--plot", "plot.txt"), "ends in .png"),
            (("--suite", "background", "--part", "train"), "expected DATA"),
            (("--suite", "background", "--method", "vibe"), "expected one of edgefg"),
            (("--suite", "background", "--background", "first"), "expected neither"),
            (("--suite", "background", "--json", "no/such/folder.json"), "does not exist"),
            (("--suite", "background", "--plot", "no/such/p.png"), "does not exist"),
            (("--suite", "background", "--plot", "p.png", "--json", "p.png"), "this one is also --json"),
            (("--suite", "background", "--quiet", "3"), "expected none of them with --suite"),
            (("--suite", "background", "--seed", "0"), "expected none of them with --suite"),
            ((".", "--plot", "p.png"), "--plot: expected --suite background with it"),
        ],
    )
    def test_bad_options_are_one_line(self, words: tuple[str, ...], says: str, edgefg: Callable[..., Any]) -> None:
        ended = edgefg("evaluate", *words)
        assert ended.code == 2
        assert says in ended.err
        assert ended.err.count("\n") == 1
