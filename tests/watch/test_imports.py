"""The live page reads the state of a watch; it never imports the service that runs one."""

import ast
from importlib.util import resolve_name
from pathlib import Path

import pytest

import edgefg

WEB = Path(edgefg.__file__).parent / "watch" / "web"
# The package itself counts, because it exports `Watch`.
SERVICE = {"edgefg.watch", "edgefg.watch.app", "edgefg.watch.service"}


def imported(code: str) -> set[str]:
    """The modules that a module of ``web/`` imports anywhere, for types alone included."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = resolve_name("." * node.level + (node.module or ""), "edgefg.watch.web")
            found.update({module, *(f"{module}.{alias.name}" for alias in node.names)})
    return found


@pytest.mark.parametrize("module", sorted(WEB.glob("*.py")), ids=lambda module: module.stem)
def test_web_imports_no_service(module: Path) -> None:
    assert not imported(module.read_text(encoding="utf-8")) & SERVICE


@pytest.mark.parametrize(
    "code",
    [
        "from ..service import Watch",
        "from .. import service",
        "from edgefg.watch import Watch",
        "import edgefg.watch.service",
        "if TYPE_CHECKING:\n    from ..service import Watch",
        "def page():\n    from ..app import watch",
    ],
)
def test_such_an_import_would_be_found(code: str) -> None:
    assert imported(code) & SERVICE
