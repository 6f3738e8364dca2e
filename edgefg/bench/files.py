"""The files of a benchmark: refused before the work where they cannot be, and whole when they appear."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ..evaluate.curve import require_plots
from ..media.output_paths import check_output_paths
from ..media.reader import open_video
from ..media.report_files import as_json, open_report_files
from .benchmark import Benchmark, BenchOptions
from .plot import bench_plot


@contextmanager
def bench_files(
    options: BenchOptions, *, json: Path | None = None, plot: Path | None = None
) -> Iterator[Callable[[Benchmark], None]]:
    """Opens the files first, and yields what completes them. What is not completed is discarded.

    Args:
        options: What is to be measured.
        json: For all figures.
        plot: For a picture of them, PNG.

    Raises:
        OptionError: A file cannot go where it was asked for.
        MissingFileError, MediaError: The source cannot be read.
        MissingDependencyError: The package that draws is missing.
        OutputError: A file cannot be written.
    """
    files = {"json": json, "plot": plot}
    source = () if options.source is None else open_video(options.source).files
    folders = {} if options.bundle is None else {options.bundle: "the bundle"}
    check_output_paths(files, dict.fromkeys(source, "the source"), folders)
    if plot is not None:
        require_plots("plot")
    with open_report_files(files) as opened:
        yield lambda found: opened.write({"json": lambda: as_json(found.to_json()), "plot": lambda: bench_plot(found)})
