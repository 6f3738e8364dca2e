"""The packages of the extra ``build``, which train and build need."""

from collections.abc import Iterator
from contextlib import contextmanager

from ..errors import MissingDependencyError


@contextmanager
def needs_build_extra() -> Iterator[None]:
    """Turns a missing package into the command that installs it."""
    try:
        yield
    except ImportError as error:
        raise MissingDependencyError(
            f'{error}; this command needs more packages: pip install "edgefg[build]"'
        ) from error
