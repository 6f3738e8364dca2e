"""Import of a package without one of its optional dependencies."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def out_of_reach(package: str) -> Iterator[None]:
    """Makes ``import package`` fail inside the context, unless the application has imported it already."""
    modules: dict[str, Any] = sys.modules
    if package in modules:
        yield
        return
    modules[package] = None
    try:
        yield
    finally:
        del modules[package]
