"""The check that output files overwrite neither the inputs nor each other."""

from collections.abc import Collection, Mapping
from pathlib import Path

from ..errors import OptionError


def check_output_paths(
    files: Mapping[str, Path | None],
    inputs: Mapping[Path, str],
    folders: Mapping[Path, str],
    suffixes: Mapping[str, Collection[str]] | None = None,
) -> None:
    """Raises OptionError for files that would overwrite an input, lie in an input folder, or replace each other.

    Args:
        files: Output files by the names of their options; None is not written.
        inputs: Files that are read, with a description of each.
        folders: Folders in which no file may be written, with a description of each.
        suffixes: Allowed endings of a file's name, by its option; other options allow any ending.

    Raises:
        OptionError: A file cannot be written to the chosen path.
    """
    taken = {path.resolve(): what for path, what in inputs.items()}
    closed = {path.resolve(): what for path, what in folders.items()}
    for option, file in files.items():
        if file is None:
            continue
        named = f"{option}={str(file)!r}"
        if str(file) == "-":
            raise OptionError(f"{named}: expected the name of a file; standard output is for the report")
        place = file.resolve()
        if place in taken:
            raise OptionError(f"{named}: expected a file of its own, this one is also {taken[place]}")
        for around in (place, *place.parents):
            if around in closed:
                raise OptionError(f"{named}: expected a file of its own, this one is, or is in, {closed[around]}")
        allowed = (suffixes or {}).get(option)
        if allowed is not None and file.suffix.lower() not in allowed:
            *others, last = allowed
            endings = f"{', '.join(others)} or {last}" if others else last
            raise OptionError(f"{named}: expected a name that ends in {endings}")
        taken[place] = f"{option}="
