"""The body of ``edgefg evaluate --suite``."""

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from ..errors import OptionError

SUITES = ("background",)


def evaluate_suite(
    suite: str | None,
    data: Path | None,
    part: str | None,
    bundle: Path | None,
    methods: list[str] | None,
    json_file: Path | None,
    allow_seen: bool,
    precision: str | None,
    plot: Path | None,
) -> None:
    """Runs a suite, prints its table, and writes JSON and a plot where asked; the arguments are the command's.

    Raises:
        OptionError: There is no such suite, or the options don't fit it.
        EdgefgError: Whatever `edgefg.evaluate.disturbances.scores.run_suite` raises.
    """
    if suite is None:
        raise OptionError(
            "expected DATA, a folder with sequences, or --suite background; got neither; see edgefg evaluate --help"
        )
    if suite not in SUITES:
        raise OptionError(f"--suite {suite}: expected one of {', '.join(SUITES)}")
    if part is not None and data is None:
        raise OptionError(f"--part {part}: expected DATA, a JSON file of parts, with it; got none")
    if plot is not None and plot.suffix.lower() not in (".png", ".svg", ".pdf"):
        raise OptionError(f"--plot {plot}: expected a name that ends in .png, .svg or .pdf")
    from rich.console import Console

    from ..bundle.bundle import open_bundle
    from ..datasets.sequences import open_dataset
    from ..evaluate.curve import require_plots
    from ..evaluate.disturbances.clips import clips_of, generated_clip, with_objects
    from ..evaluate.disturbances.scores import OURS, run_suite
    from ..evaluate.disturbances.table import suite_plot, suite_table
    from ..evaluate.evaluate import count_seen
    from ..evaluate.files import check_evaluation_places
    from ..media.writers import FileWriter, JsonWriter
    from ..utils.progress import progress_bar

    wanted = methods or [OURS, "mog2", "knn"]
    dataset = None if data is None else open_dataset(data, part)
    check_evaluation_places({"--json": json_file, "--plot": plot}, dataset, bundle, None)
    if plot is not None:
        require_plots("--plot")
    clips = with_objects([generated_clip()] if dataset is None else clips_of(dataset), print)
    seen = 0
    if OURS in wanted:
        seen = count_seen(open_bundle(bundle), [path for clip in clips for path in clip.files], allowed=allow_seen)
    with ExitStack() as stack:
        # Opened first: the scores of an hour must not be lost to a wrong path.
        scores = None if json_file is None else JsonWriter(json_file, indent=2)
        if scores is not None:
            stack.callback(scores.discard)
        picture = None if plot is None else FileWriter(plot)
        if picture is not None:
            stack.callback(picture.discard)
        with progress_bar() as progress:
            result = replace(run_suite(clips, wanted, bundle, precision, progress=progress), seen_frames=seen)
        # Whatever becomes of the files.
        Console().print(suite_table(result))
        if scores is not None:
            scores.write(result.to_json())
            scores.close()
        if picture is not None:
            picture.write(suite_plot(result, picture.path.suffix[1:].lower()))
            picture.close()
