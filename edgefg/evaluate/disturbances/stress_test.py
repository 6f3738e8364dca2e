"""The whole stress test: which clips, what the networks have seen of them, the scores and their files."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from ...bundle.bundle import Bundle, open_bundle
from ...datasets.sequences import Dataset
from ...media.report_files import as_json, open_report_files
from ...segmentation.options import InferenceOptions
from ...utils.progress import Progress
from ..curve import require_plots
from ..evaluate import count_seen
from ..files import check_paths_beside_data
from .clips import clips_of, generated_clip, with_objects
from .scores import OURS, USUAL_METHODS, StressTestResult, run_disturbances
from .table import stress_plot


def stress_test(
    dataset: Dataset | None = None,
    methods: Iterable[str] | None = None,
    *,
    bundle: Bundle | str | Path | None = None,
    options: InferenceOptions | None = None,
    allow_seen: bool = False,
    say: Callable[[str], None] = lambda text: None,
    progress: Progress = lambda what, done, total: None,
) -> StressTestResult:
    """Runs every disturbance over every sequence that is fit for it.

    Args:
        dataset: Labelled sequences; None draws a scene.
        methods: ``edgefg`` and any of `edgefg.evaluate.baselines.PEERS`; None is ``edgefg``, ``mog2`` and ``knn``.
        bundle: The networks of edgefg; None is the bundle that comes with it.
        options: What runs these networks.
        allow_seen: Score frames that the bundle was trained on, too.
        say: Told of each sequence that is left out, and why.
        progress: Told after each script.

    Raises:
        OptionError: There is no such method.
        DataError: No sequence is fit for it, or the bundle was trained on tested frames.
        EdgefgError: Whatever a Segmenter raises.
    """
    wanted = USUAL_METHODS if methods is None else tuple(methods)
    clips = with_objects([generated_clip()] if dataset is None else clips_of(dataset), say)
    if OURS not in wanted:
        return run_disturbances(clips, wanted, progress=progress)
    opened = bundle if isinstance(bundle, Bundle) else open_bundle(bundle)
    seen = count_seen(opened, [path for clip in clips for path in clip.files], allowed=allow_seen)
    return replace(run_disturbances(clips, wanted, opened, options=options, progress=progress), seen_frames=seen)


@contextmanager
def stress_test_files(
    dataset: Dataset | None, bundle: Path | None, *, json: Path | None = None, plot: Path | None = None
) -> Iterator[Callable[[StressTestResult], None]]:
    """Opens the files first, and yields what completes them. What is not completed is discarded.

    Args:
        dataset: What is tested.
        bundle: The networks' folder; None is the one that comes with edgefg.
        json: For all scores.
        plot: For a picture of the false foreground.

    Raises:
        OptionError: A file cannot go where it was asked for.
        MissingDependencyError: The package that draws is missing.
        OutputError: A file cannot be written.
    """
    files = {"json": json, "plot": plot}
    check_paths_beside_data(files, dataset, bundle, {}, {"plot": (".png", ".svg", ".pdf")})
    if plot is not None:
        require_plots("plot")
    kind = "" if plot is None else plot.suffix[1:].lower()
    with open_report_files(files) as opened:
        yield lambda result: opened.write(
            {"json": lambda: as_json(result.to_json()), "plot": lambda: stress_plot(result, kind)}
        )
