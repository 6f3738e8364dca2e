"""Report files of long tasks, which are checked before the work and appear when they are complete."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from .writers import FileWriter


class ReportFiles:
    """Open report files that wait for their content; made by `open_report_files`."""

    def __init__(self, files: Mapping[str, FileWriter]) -> None:
        self._files = files

    def __contains__(self, option: str) -> bool:
        """Returns whether a file was requested for an option."""
        return option in self._files

    def write(self, contents: Mapping[str, Callable[[], bytes]]) -> None:
        """Completes the requested files.

        Args:
            contents: Functions that make the content of each file, by its option. Only those of requested files are
                called.

        Raises:
            OutputError: A file cannot be written.
        """
        for option, file in self._files.items():
            file.write(contents[option]())
            file.close()


@contextmanager
def open_report_files(files: Mapping[str, Path | None]) -> Iterator[ReportFiles]:
    """Opens files before the work, so that a wrong path does not cost its results. Incomplete files are discarded.

    Call `edgefg.media.output_paths.check_output_paths` first.

    Args:
        files: Files by the names of their options; None is not written.

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
    """Returns an indented JSON object as UTF-8; NaN is rejected."""
    return json.dumps(record, indent=2, allow_nan=False).encode() + b"\n"
