"""The hand-written types of TensorRT name only what there is.

`EDGEFG_TENSORRT_MODULE` names the package to compare them with, such as TensorRT's own bindings: see `.ci/run`.
"""

import ast
import os
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

STUB = Path(__file__).parents[2] / "typings" / "tensorrt" / "__init__.pyi"

MODULE = os.environ.get("EDGEFG_TENSORRT_MODULE", "tensorrt_rtx")

# Of Python's protocols, which a compiled class fulfils without an attribute of this name.
PROTOCOLS = {"__buffer__", "__iter__"}

pytestmark = pytest.mark.skipif(not STUB.is_file(), reason="needs a checkout")


@cache
def only_rtx() -> set[int]:
    """The lines of the stub that are marked as RTX's, also by the mark of their class."""
    lines = STUB.read_text("utf-8").splitlines()
    marked = {number for number, line in enumerate(lines, 1) if re.search(r"# RTX\b", line)}
    for statement in ast.walk(ast.parse("\n".join(lines))):
        if isinstance(statement, ast.ClassDef) and statement.lineno in marked:
            marked.update(range(statement.lineno, (statement.end_lineno or statement.lineno) + 1))
    return marked


def members(body: list[ast.stmt], owner: str = "") -> Iterator[tuple[str, ast.stmt]]:
    """Every name in the stub with its dots, and where it is defined."""
    for statement in body:
        if isinstance(statement, ast.ClassDef):
            if statement.name != "_Enum":
                yield owner + statement.name, statement
                yield from members(statement.body, f"{owner}{statement.name}.")
        elif isinstance(statement, ast.FunctionDef):
            yield owner + statement.name, statement
        elif isinstance(statement, ast.AnnAssign):
            assert isinstance(statement.target, ast.Name)
            yield owner + statement.target.id, statement


def named() -> list[Any]:
    found = members(ast.parse(STUB.read_text("utf-8")).body) if STUB.is_file() else ()
    return [pytest.param(name, where, id=name) for name, where in found if name.split(".")[-1] not in PROTOCOLS]


@pytest.mark.parametrize(("name", "where"), named())
def test_the_name_exists(name: str, where: ast.stmt) -> None:
    found = pytest.importorskip(MODULE)
    if MODULE != "tensorrt_rtx" and where.lineno in only_rtx():
        pytest.skip("only in TensorRT for RTX")
    for part in name.split("."):
        found = getattr(found, part)
    if isinstance(where, ast.FunctionDef) and not isinstance(found, property) and not name.endswith("__"):
        # pybind11 writes what a function takes in its docstring, once for each overload.
        assert parameters(where) in documented(found.__doc__)


def parameters(function: ast.FunctionDef) -> list[str]:
    return [argument.arg for argument in function.args.args]


def documented(text: str) -> list[list[str]]:
    signatures = re.findall(r"^(?:\d+\. )?\w+\((.*)\) -> ", text, re.MULTILINE)
    return [re.findall(r"(?:^|, )(\w+):", signature) for signature in signatures]
