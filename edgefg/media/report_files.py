"""Reports of long work: files that are refused before it where they cannot be, and that appear when they are whole."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from .writers import FileWriter


class ReportFiles:
    """Files that wait for their content; `open_report_files` makes them."""

    def __init__(self, files: Mapping[str, FileWriter]) -> None:
        self._files = files

    def __contains__(self, option: str) -> bool:
        """Whether a file was asked for."""
        return option in self._files

    def write(self, contents: Mapping[str, Callable[[], bytes]]) -> None:
        """Completes those files that were asked for.

        Args:
            contents: Makes the content of each file, by its option. Called only for files that were asked for.

        Raises:
            OutputError: A file cannot be written.
        """
        for option, file in self._files.items():
            file.write(contents[option]())
            file.close()


@contextmanager
def open_report_files(files: Mapping[str, Path | None]) -> Iterator[ReportFiles]:
    """Opens files before the work, so that a wrong path does not cost its results. Incomplete ones are discarded.

    `edgefg.media.output_paths.check_output_paths` belongs before it.

    Args:
        files: By the names of their options; None is not written.

    Raises:
        OutputError: A file cannot be written.
    """
    with ExitStack() as stack:
        opened: dict[str, FileWriter] = {}
        for option, path in files.items():
            if path is not None:
                opened[option] = FileWriter(path)
                stack.callback(opened[option].discard)
        yield ReportFiles(opened)


def as_json(record: Mapping[str, Any]) -> bytes:
    """Returns an indented JSON object as UTF-8; NaN is refused."""
    return json.dumps(record, indent=2, allow_nan=False).encode() + b"\n"
