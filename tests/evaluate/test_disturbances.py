"""The disturbances of a stress test: what their scripts do, and how methods are scored."""

import io
import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from edgefg.bundle.bundle import Bundle
from edgefg.datasets.sequences import MOVING, OUTSIDE, STATIC, open_dataset
from edgefg.errors import DataError, OptionError
from edgefg.evaluate.disturbances.clips import Clip, Labelled, clips_of, cut_out, generated_clip, with_objects
from edgefg.evaluate.disturbances.scores import OURS, Score, StressTestResult, run_disturbances
from edgefg.evaluate.disturbances.scripts import DISTURBANCES, Scripted
from edgefg.evaluate.disturbances.table import stress_plot, stress_table

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


SMALL = Clip("small", 600, small_frame)


def frames_of(name: str, *times_s: float) -> list[Scripted]:
    wanted = {round(25 * time_s) for time_s in times_s}
    script = itertools.islice(DISTURBANCES[name].script(CLIP), max(wanted) + 1)
    return [one for index, one in enumerate(script) if index in wanted]


def brightness(scripted: Scripted) -> float:
    return float(np.median(scripted.frame))


class TestScripts:
    def test_there_are_fourteen(self) -> None:
        assert len(DISTURBANCES) == 14

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

    def test_a_start_is_overexposed_until_its_window_begins(self) -> None:
        first, later, usual = frames_of("overexposed start", 0.0, 4.0, 16 - 0.04)
        assert np.mean(first.frame == 255) > 0.5
        np.testing.assert_array_equal(later.frame, CLIP.at(100).frame)
        assert usual.scored

    def test_glare_comes_and_goes(self) -> None:
        before, bright, after = frames_of("glare", 4.8, 6.5, 9.0)
        assert brightness(bright) > 1.8 * brightness(before)
        assert brightness(after) == pytest.approx(brightness(before), rel=0.03)

    def test_a_lamp_flickers_as_a_whole_and_then_in_bands(self) -> None:
        whole, bands = frames_of("flicker", 5.04, 12.0)
        rows = {
            one.time_s: one.frame.mean(axis=(1, 2)) / CLIP.at(round(25 * one.time_s)).frame.mean(axis=(1, 2))
            for one in (whole, bands)
        }
        assert np.ptp(rows[whole.time_s]) < 0.05
        assert np.ptp(rows[bands.time_s]) > 0.3


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
        score = run_disturbances([CLIP], ["mog2"], disturbances=["corrupt frame"]).scores[CLIP.name]["corrupt frame"][
            "mog2"
        ]
        assert score.f is not None
        assert 0.3 < score.f < 1
        assert len(score.false_share) == 10
        assert score.event_delay_s is None

    def test_ours_runs_with_the_shipped_defaults(self, tiny_bundle: Bundle) -> None:
        result = run_disturbances([SMALL], [OURS], tiny_bundle, disturbances=["frozen feed"])
        score = result.scores["small"]["frozen feed"][OURS]
        assert score.f is None
        assert score.event_delay_s is not None
        assert 2 <= score.event_delay_s < 3

    def test_light_that_changes_before_the_window_is_no_false_event(self, tiny_bundle: Bundle) -> None:
        result = run_disturbances([SMALL], [OURS], tiny_bundle, disturbances=["overexposed start"])
        score = result.scores["small"]["overexposed start"][OURS]
        assert score.event_delay_s is not None
        assert score.event_delay_s < 4
        assert score.false_events == 0

    def test_best_is_best_or_tied(self) -> None:
        def result(ours: float, other: float) -> StressTestResult:
            def score(f: float) -> Score:
                return Score(f, 0.0, 0.0, (0.0,))

            return StressTestResult(("c",), {"c": {"pan": {OURS: score(ours), "mog2": score(other)}}})

        assert result(0.8, 0.7).best("c", "pan")
        assert result(0.8, 0.809).best("c", "pan")
        assert not result(0.8, 0.82).best("c", "pan")

    @pytest.mark.parametrize(
        ("delay_s", "false", "best"), [(1.0, 0, True), (1.0, 1, False), (9.0, 0, False), (None, 0, False)]
    )
    def test_of_events_the_delay_and_the_false_ones_count(self, delay_s: float | None, false: int, best: bool) -> None:
        score = Score(None, None, None, (0.0,), delay_s, false)
        assert StressTestResult(("c",), {"c": {"frozen feed": {OURS: score}}}).best("c", "frozen feed") is best

    @pytest.mark.parametrize("options", [{"methods": ["vibe"]}, {"disturbances": ["earthquake"]}])
    def test_unknown_names_are_refused(self, options: dict[str, Any]) -> None:
        with pytest.raises(OptionError):
            run_disturbances([CLIP], **options)


class TestReports:
    @pytest.fixture
    def result(self) -> StressTestResult:
        score = Score(0.5, None, 0.25, (0.0, 0.2), 0.3, 1)
        return StressTestResult(("c",), {"c": {"pan": {OURS: score, "mog2": score}}})

    def test_a_table(self, result: StressTestResult) -> None:
        from rich.console import Console

        console = Console(width=120, record=True, file=io.StringIO())
        console.print(stress_table(result))
        assert "best or within 0.01 in 1 of 1" in console.export_text()

    def test_a_plot(self, result: StressTestResult, tmp_path: Path) -> None:
        pytest.importorskip("matplotlib")
        (tmp_path / "plot.png").write_bytes(stress_plot(result, "png"))
        assert cv2.imread(str(tmp_path / "plot.png")) is not None
        assert stress_plot(result, "svg").startswith(b"<?xml")

    def test_json(self, result: StressTestResult) -> None:
        found = json.loads(json.dumps(result.to_json(), allow_nan=False))
        assert found["clips"]["c"]["pan"]["mog2"]["f"] == 0.5
