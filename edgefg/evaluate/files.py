"""The files of an evaluation: refused before the work where they cannot be, and whole when they appear."""

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, fields
from pathlib import Path

from ..datasets.sequences import Dataset
from ..errors import OptionError
from ..media.output_paths import check_output_paths
from ..media.writers import FileWriter
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


def check_outputs(outputs: EvaluationOutputs, dataset: Dataset, bundle: Path | None, background: str | None) -> None:
    """Refuses files that would overwrite, or lie among, what is evaluated, or that replace each other.

    Raises:
        OptionError: A file cannot go where it was asked for.
        MissingDependencyError: The package that draws curves is missing.
    """
    named = {f"--{field.name}": getattr(outputs, field.name) for field in fields(outputs)}
    check_evaluation_places(named, dataset, bundle, background)
    for field in ("curve", "montage"):
        picture: Path | None = getattr(outputs, field)
        if picture is not None and picture.suffix.lower() != ".png":
            raise OptionError(f"--{field} {picture}: expected a name that ends in .png")
    if outputs.curve is not None:
        require_plots("--curve")


def check_evaluation_places(
    files: Mapping[str, Path | None], dataset: Dataset | None, bundle: Path | None, background: str | None
) -> None:
    """Refuses files that would overwrite, or lie among, what is evaluated, or that replace each other.

    Args:
        files: By their options.
        dataset: What is evaluated, if it is read from files.
        bundle: The networks' folder, if it is not the one that comes with edgefg.
        background: The background's file, if there is one.

    Raises:
        OptionError: A file cannot go where it was asked for.
    """
    inputs = {} if background is None else {Path(background): "the background"}
    folders = {} if bundle is None else {Path(bundle): "the bundle"}
    if dataset is not None:
        inputs[dataset.source] = "DATA"
        # A folder that is searched for sequences may hold reports beside them.
        folders |= {sequence.path: "the data" for sequence in dataset.sequences}
    check_output_paths(files, inputs, folders)


@contextmanager
def evaluation_files(outputs: EvaluationOutputs) -> Iterator[EvaluationFiles]:
    """Opens the files first: an hour's scores must not be lost to a wrong path. What is not completed is discarded.

    Raises:
        OutputError: A file cannot be written.
    """
    curve, montage = CurveRecorder(), MontageRecorder()
    contents: dict[str, Callable[[Evaluation], bytes]] = {
        "json": lambda evaluation: json.dumps(evaluation.to_json(), indent=2, allow_nan=False).encode() + b"\n",
        "csv": lambda evaluation: scores_as_csv(evaluation).encode(errors="backslashreplace"),
        "curve": lambda evaluation: draw_curves(evaluation, curve.curves(evaluation)),
        "montage": lambda evaluation: montage.draw(),
    }
    observers: tuple[Observer, ...] = (curve,) if outputs.curve is not None else ()
    observers += (montage,) if outputs.montage is not None else ()
    with ExitStack() as stack:
        files: dict[str, FileWriter] = {}
        for name in contents:
            if (path := getattr(outputs, name)) is not None:
                files[name] = FileWriter(path)
                stack.callback(files[name].discard)

        def write(evaluation: Evaluation) -> None:
            for name, file in files.items():
                file.write(contents[name](evaluation))
                file.close()

        yield EvaluationFiles(observers, write)


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
