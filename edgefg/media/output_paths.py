"""Where files may be written: nowhere that takes away what is read, or each other."""

from collections.abc import Collection, Mapping
from pathlib import Path

from ..errors import OptionError


def check_output_paths(
    files: Mapping[str, Path | None],
    inputs: Mapping[Path, str],
    folders: Mapping[Path, str],
    suffixes: Mapping[str, Collection[str]] | None = None,
) -> None:
    """Refuses files that would overwrite an input, lie among what is read, or replace each other.

    Args:
        files: By the names of their options; None is not written.
        inputs: The files that are read, and what each is.
        folders: The folders that admit no other files, and what each is.
        suffixes: The endings that a file's name may have, by its option; one that is not listed may have any.

    Raises:
        OptionError: A file cannot go where it was asked for.
    """
    taken = {path.resolve(): what for path, what in inputs.items()}
    closed = {path.resolve(): what for path, what in folders.items()}
    for option, file in files.items():
        if file is None:
            continue
        named = f"{option}={str(file)!r}"
        if str(file) == "-":
            raise OptionError(f"{named}: expected the name of a file; standard output is for what people read")
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
