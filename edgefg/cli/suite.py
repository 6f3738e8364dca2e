"""The body of ``edgefg evaluate --suite``."""

from contextlib import ExitStack
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
        EdgefgError: Whatever `edgefg.suite.scores.run_suite` raises.
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

    from ..bundle import open_bundle
    from ..cdnet import open_dataset
    from ..evaluate import check_unseen
    from ..evaluate.files import check_places
    from ..progress import progress_bar
    from ..sinks import JsonWriter
    from ..suite.clips import clips_of, generated_clip
    from ..suite.scores import OURS, run_suite
    from ..suite.table import save_plot, suite_table

    wanted = methods or [OURS, "mog2", "knn"]
    dataset = None if data is None else open_dataset(data, part)
    clips = [generated_clip()] if dataset is None else clips_of(dataset)
    if dataset is not None:
        check_places({"--json": json_file, "--plot": plot}, dataset, bundle, None)
    if OURS in wanted and not allow_seen:
        check_unseen(open_bundle(bundle), [path for clip in clips for path in clip.files])
    with ExitStack() as stack:
        progress = stack.enter_context(progress_bar())
        scores = None if json_file is None else JsonWriter(json_file, indent=2)
        if scores is not None:
            stack.callback(scores.discard)
        result = run_suite(clips, wanted, bundle, precision, progress=progress)
        if scores is not None:
            scores.write(result.to_json())
            scores.close()
    if plot is not None:
        save_plot(result, plot)
    Console().print(suite_table(result))
