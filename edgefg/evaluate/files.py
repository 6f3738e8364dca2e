"""The files of an evaluation: refused before the work where they cannot be, and whole when they appear."""

import csv
import io
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path

from ..datasets.sequences import Dataset
from ..media.output_paths import check_output_paths
from ..media.report_files import as_json, open_report_files
from .curve import CurveRecorder, draw_curves, require_plots
from .evaluate import Evaluation, Observer
from .metrics import Measures
from .montage import MontageRecorder


@dataclass(frozen=True)
class EvaluationOutputs:
    """Where the results go; None leaves one out.

    Attributes:
        json: All scores as one JSON object.
        csv: A line for each method's sequence, category and overall figure.
        curve: PNG of precision over recall.
        montage: PNG of the best, median and worst frames.
    """

    json: Path | None = None
    csv: Path | None = None
    curve: Path | None = None
    montage: Path | None = None


@dataclass(frozen=True)
class EvaluationFiles:
    """Files that wait for the scores.

    Attributes:
        observers: What the evaluation has to tell of each frame.
        write: Completes the files.
    """

    observers: tuple[Observer, ...]
    write: Callable[[Evaluation], None]


@contextmanager
def evaluation_files(
    outputs: EvaluationOutputs, dataset: Dataset, bundle: Path | None, background: str | None
) -> Iterator[EvaluationFiles]:
    """Opens the files first: an hour's scores must not be lost to a wrong path. What is not completed is discarded.

    Args:
        outputs: Where the results go.
        dataset: What is evaluated.
        bundle: The networks' folder; None is the one that comes with edgefg.
        background: As `edgefg.evaluate.evaluate.evaluate` takes it.

    Raises:
        OptionError: A file cannot go where it was asked for.
        MissingDependencyError: The package that draws curves is missing.
        OutputError: A file cannot be written.
    """
    named: dict[str, Path | None] = {field.name: getattr(outputs, field.name) for field in fields(outputs)}
    inputs = {} if background is None else {Path(background): "the background"}
    check_paths_beside_data(named, dataset, bundle, inputs, {"curve": (".png",), "montage": (".png",)})
    if outputs.curve is not None:
        require_plots("curve")
    curve, montage = CurveRecorder(), MontageRecorder()
    observers: tuple[Observer, ...] = (curve,) if outputs.curve is not None else ()
    observers += (montage,) if outputs.montage is not None else ()
    with open_report_files(named) as files:
        yield EvaluationFiles(
            observers,
            lambda evaluation: files.write(
                {
                    "json": lambda: as_json(evaluation.to_json()),
                    "csv": lambda: scores_as_csv(evaluation).encode(errors="backslashreplace"),
                    "curve": lambda: draw_curves(evaluation, curve.curves(evaluation)),
                    "montage": montage.draw,
                }
            ),
        )


def check_paths_beside_data(
    files: Mapping[str, Path | None],
    dataset: Dataset | None,
    bundle: Path | None,
    inputs: Mapping[Path, str],
    suffixes: Mapping[str, Collection[str]],
) -> None:
    """Refuses files that would overwrite, or lie among, what is evaluated, or that replace each other.

    Args:
        files: By the names of their options; None is not written.
        dataset: What is evaluated, if it is read from files.
        bundle: The networks' folder, if it is not the one that comes with edgefg.
        inputs: Other files that are read, and what each is.
        suffixes: The endings that a file's name may have, by its option.

    Raises:
        OptionError: A file cannot go where it was asked for.
    """
    folders = {} if bundle is None else {Path(bundle): "the bundle"}
    read = dict(inputs)
    if dataset is not None:
        read[dataset.source] = "the data"
        # A folder that is searched for sequences may also hold reports.
        folders |= {sequence.path: "the data" for sequence in dataset.sequences}
    check_output_paths(files, read, folders, suffixes)


def scores_as_csv(evaluation: Evaluation) -> str:
    """A line for the overall figure, each category and each sequence of each method; undefined measures are empty."""
    text = io.StringIO()
    common = [
        *(evaluation.data, evaluation.part or "", evaluation.protocol, evaluation.background),
        evaluation.seen_frames,
    ]
    columns = [field.name for field in fields(Measures)]
    table = csv.writer(text, lineterminator="\n")
    table.writerow(
        ["data", "part", "protocol", "background", "seen_frames", "method", "level", "name", "frames", *columns]
    )
    for method, summary in evaluation.methods.items():
        scores = summary.sequences.values()
        rows = [("overall", "", sum(score.frames for score in scores), summary.overall)]
        for name, measures in summary.categories.items():
            frames = sum(score.frames for score in scores if score.category == name)
            rows.append(("category", name, frames, measures))
        rows += [("sequence", score.name, score.frames, score.counts.measures) for score in scores]
        for *about, measures in rows:
            # None, which an undefined measure becomes, is written as nothing.
            table.writerow([*common, method, *about, *measures.to_json().values()])
    return text.getvalue()
