"""The imports among edgefg's own modules, read from their source, type-only imports included."""

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

PLACES = {"edgefg": "edgefg", "edgefg.build": "build", "edgefg.calibration": "calibration"}
"""Packages by their folders in a checkout."""

Graph = Mapping[str, frozenset[str]]


def modules(root: Path) -> dict[str, Path]:
    """Returns every module of a checkout by the name that it has when it is installed."""
    found = {}
    for package, place in PLACES.items():
        for path in sorted((root / place).rglob("*.py")):
            parts = path.relative_to(root / place).with_suffix("").parts
            found[".".join((package, *parts)).removesuffix(".__init__")] = path
    return found


def import_graph(root: Path) -> Graph:
    """Returns the modules that each module imports, anywhere in its file."""
    known = modules(root)
    return {module: frozenset(_ours(module, path, known)) for module, path in known.items()}


def _ours(module: str, path: Path, known: Mapping[str, Path]) -> Iterator[str]:
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom):
            above = package.rsplit(".", node.level - 1)[0] if node.level else ""
            base = ".".join(filter(None, (above, node.module)))
            for alias in node.names:
                name = f"{base}.{alias.name}"
                if name in known or base in known:
                    yield name if name in known else base


def circles(graph: Mapping[str, frozenset[str]]) -> list[list[str]]:
    """Returns the groups of nodes that reach each other: Tarjan's strongly connected components of two or more."""
    index: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(node: str) -> None:
        index[node] = lowest[node] = len(index)
        stack.append(node)
        for other in sorted(graph.get(node, ())):
            if other not in index:
                visit(other)
                lowest[node] = min(lowest[node], lowest[other])
            elif other in stack:
                lowest[node] = min(lowest[node], index[other])
        if lowest[node] == index[node]:
            group = stack[stack.index(node) :]
            del stack[stack.index(node) :]
            if len(group) > 1:
                found.append(sorted(group))

    for node in sorted(graph):
        if node not in index:
            visit(node)
    return found
