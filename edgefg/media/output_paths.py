"""Where files may be written: nowhere that takes away what is read, or each other."""

from collections.abc import Mapping
from pathlib import Path

from ..errors import OptionError


def check_output_paths(
    files: Mapping[str, Path | None], inputs: Mapping[Path, str], folders: Mapping[Path, str]
) -> None:
    """Refuses files that would overwrite an input, lie among what is read, or replace each other.

    Args:
        files: By their options; None is not written.
        inputs: The files that are read, and what each is.
        folders: The folders that admit no other files, and what each is.

    Raises:
        OptionError: A file cannot go where it was asked for.
    """
    taken = {path.resolve(): what for path, what in inputs.items()}
    closed = {path.resolve(): what for path, what in folders.items()}
    for option, file in files.items():
        if file is None:
            continue
        if str(file) == "-":
            raise OptionError(f"{option} -: expected the name of a file; standard output is for what people read")
        place = file.resolve()
        if place in taken:
            raise OptionError(f"{option} {file}: expected a file of its own, this one is also {taken[place]}")
        for around in (place, *place.parents):
            if around in closed:
                raise OptionError(
                    f"{option} {file}: expected a file of its own, this one is, or is in, {closed[around]}"
                )
        taken[place] = option
