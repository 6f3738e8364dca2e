"""The files of an evaluation: complete or not there, and never in the place of an input."""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from edgefg.datasets.sequences import Dataset, open_dataset
from edgefg.errors import MissingDependencyError, OptionError, OutputError
from edgefg.evaluate.evaluate import Evaluation, evaluate
from edgefg.evaluate.files import EvaluationOutputs, evaluation_files, scores_as_csv
from edgefg.evaluate.metrics import Counts, SequenceScore, summarise

Writer = Callable[..., Path]
OPTIONS = ("json", "csv", "curve", "montage")


@pytest.fixture
def dataset(tmp_path: Path, write_sequence: Writer, write_set: Writer) -> Dataset:
    write_sequence(tmp_path / "data/baseline/highway", range(1, 5))
    write_set(tmp_path / "data/indoor/set1")
    return open_dataset(tmp_path / "data")


@pytest.fixture
def outputs(tmp_path: Path) -> EvaluationOutputs:
    return EvaluationOutputs(*(tmp_path / f"f.{suffix}" for suffix in ("json", "csv", "png")), tmp_path / "m.png")


def evaluation() -> Evaluation:
    scores = [
        SequenceScore("a,b/one", "a,b", 5, Counts(tp=3, fp=1, fn=1, tn=5)),
        SequenceScore("a,b/two", "a,b", 7, Counts(tn=5)),
    ]
    return Evaluation("unseen", "median", 0, "data", None, {"mog2": summarise(scores)}, None)


class TestCsv:
    def rows(self) -> list[dict[str, str]]:
        return list(csv.DictReader(io.StringIO(scores_as_csv(evaluation()))))

    def test_has_a_line_for_overall_category_and_sequence(self) -> None:
        named = [(row["level"], row["name"], row["frames"]) for row in self.rows()]
        assert named == [
            ("overall", "", "12"),
            ("category", "a,b", "12"),
            ("sequence", "a,b/one", "5"),
            ("sequence", "a,b/two", "7"),
        ]

    def test_has_all_measures_and_what_they_belong_to(self) -> None:
        first = self.rows()[0]
        assert (first["data"], first["part"], first["protocol"], first["background"]) == (
            "data",
            "",
            "unseen",
            "median",
        )
        assert first["method"] == "mog2"
        assert {"recall", "specificity", "fpr", "fnr", "pwc", "precision", "f"} < set(first)
        assert float(self.rows()[2]["f"]) == 0.75

    def test_undefined_measures_are_empty(self) -> None:
        assert self.rows()[3]["f"] == ""


class TestFiles:
    def test_appear_when_the_scores_are_there(
        self, dataset: Dataset, outputs: EvaluationOutputs, tmp_path: Path
    ) -> None:
        pytest.importorskip("matplotlib")
        with evaluation_files(outputs, dataset, None, None) as files:
            scores = evaluate(dataset, ["mog2"], observers=files.observers)
            assert not any(getattr(outputs, name).exists() for name in OPTIONS)
            files.write(scores)
        assert json.loads((tmp_path / "f.json").read_text()) == scores.to_json()
        assert (tmp_path / "f.csv").read_text().startswith("data,part,")
        for picture in ("f.png", "m.png"):
            assert (tmp_path / picture).read_bytes().startswith(b"\x89PNG")
        assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "f.csv", "f.json", "f.png", "m.png"]

    def test_an_error_leaves_what_was_there(self, dataset: Dataset, outputs: EvaluationOutputs, tmp_path: Path) -> None:
        (tmp_path / "f.csv").write_text("kept")
        with pytest.raises(ZeroDivisionError), evaluation_files(outputs, dataset, None, None):
            raise ZeroDivisionError
        assert (tmp_path / "f.csv").read_text() == "kept"
        assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "f.csv"]

    def test_what_is_not_asked_for_is_not_observed(self, dataset: Dataset) -> None:
        with evaluation_files(EvaluationOutputs(), dataset, None, None) as files:
            assert files.observers == ()

    @pytest.mark.parametrize("name", OPTIONS)
    def test_a_folder_that_does_not_exist_is_refused_before_the_work(
        self, dataset: Dataset, name: str, tmp_path: Path
    ) -> None:
        missing = EvaluationOutputs(**{name: tmp_path / "none" / "f.png"})
        with (
            pytest.raises(OutputError, match="its folder does not exist"),
            evaluation_files(missing, dataset, None, None),
        ):
            pytest.fail("the work began")


class TestRefusals:
    def check(self, dataset: Dataset, bundle: Path | None = None, background: str | None = None, **given: Path) -> None:
        with evaluation_files(EvaluationOutputs(**given), dataset, bundle, background):
            pass

    @pytest.mark.parametrize("name", OPTIONS)
    def test_among_the_data(self, dataset: Dataset, name: str) -> None:
        place = dataset.sequences[0].path / "input" / "new.png"
        with pytest.raises(OptionError, match=rf"{name}=.*is, or is in, the data"):
            self.check(dataset, **{name: place})

    @pytest.mark.parametrize("name", OPTIONS)
    def test_in_the_bundle(self, dataset: Dataset, name: str, tmp_path: Path) -> None:
        with pytest.raises(OptionError, match="is, or is in, the bundle"):
            self.check(dataset, bundle=tmp_path / "mine", **{name: tmp_path / "mine" / "f.png"})

    def test_in_place_of_the_background(self, dataset: Dataset, tmp_path: Path) -> None:
        with pytest.raises(OptionError, match="this one is also the background"):
            self.check(dataset, background=str(tmp_path / "b.png"), montage=tmp_path / "b.png")

    def test_one_file_for_two_things(self, dataset: Dataset, tmp_path: Path) -> None:
        with pytest.raises(OptionError, match=r"montage=.*this one is also curve="):
            self.check(dataset, curve=tmp_path / "f.png", montage=tmp_path / "." / "f.png")

    @pytest.mark.parametrize("name", ["curve", "montage"])
    @pytest.mark.parametrize("file", ["f.jpg", "f", "png"])
    def test_a_picture_that_is_not_called_png(self, dataset: Dataset, name: str, file: str, tmp_path: Path) -> None:
        with pytest.raises(OptionError, match=r"expected a name that ends in \.png"):
            self.check(dataset, **{name: tmp_path / file})

    def test_a_curve_where_nothing_can_draw_it(
        self, dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def missing(option: str) -> None:
            raise MissingDependencyError("no matplotlib")

        monkeypatch.setattr("edgefg.evaluate.files.require_plots", missing)
        with pytest.raises(MissingDependencyError):
            self.check(dataset, curve=tmp_path / "f.png")
        self.check(dataset, montage=tmp_path / "f.png")

    def test_beside_the_sequences_is_fine(self, dataset: Dataset, tmp_path: Path) -> None:
        self.check(dataset, json=dataset.root / "f.json", csv=tmp_path / "f.csv")
