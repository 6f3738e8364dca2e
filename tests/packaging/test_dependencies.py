"""Which packages each module may load, and that ``import edgefg`` is light."""

import ast
import functools
import subprocess
import sys
from pathlib import Path

import pytest

from ..support.import_graph import modules

ROOT = Path(__file__).parents[2]
HEAVY = ("torch", "onnx", "tensorrt", "pycuda", "onnxruntime", "openvino", "cv2", "av", "typer", "rich")

# Only these modules may import the package, wherever in the file.
ONLY_IN = {
    "torch": {"edgefg.build"},
    "onnx": {"edgefg.build", "edgefg.calibration.ranges"},
    "safetensors": {"edgefg.build"},
    "openvino": {"edgefg.engines.openvino", "edgefg.bench.baseline_openvino"},
    "onnxruntime": {"edgefg.engines.onnxruntime", "edgefg.build.export.simulate", "edgefg.calibration.ranges"},
    "av": {"edgefg.media.pyav", "edgefg.media.writers", "edgefg.cameras.ffmpeg"},
    "gi": {"edgefg.cameras.gstreamer"},
    "matplotlib": {
        "edgefg.build.acceptance.report",
        "edgefg.bench.plot",
        "edgefg.evaluate.curve",
        "edgefg.evaluate.disturbances.table",
    },
    "starlette": {"edgefg.watch.web"},
    "uvicorn": {"edgefg.watch.web.connections", "edgefg.watch.web.server"},
    "paho": {"edgefg.watch.publish.mqtt"},
    "prometheus_client": {"edgefg.watch.web.metrics"},
    "yaml": {"edgefg.watch.config"},
    "tensorrt_rtx": set(),
    "pycuda": {"edgefg.engines.trt.cuda"},
    "cuda": {"edgefg.engines.trt.cuda"},
    "typer": {"edgefg.cli"},
}

pytestmark = pytest.mark.skipif(not (ROOT / "setup.py").is_file(), reason="needs a checkout")


@functools.cache
def packages_of(path: Path) -> set[str]:
    """The packages of others that a module imports, wherever in the file; those for types alone don't count."""
    found: set[str] = set()
    pending: list[ast.AST] = [ast.parse(path.read_text(encoding="utf-8"))]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Import):
            found.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            found.update({(node.module or "").partition(".")[0]} if not node.level else ())
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            pending.extend(node.orelse)
        else:
            pending.extend(ast.iter_child_nodes(node))
    return found


def within(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


@pytest.mark.parametrize("package", ONLY_IN)
def test_a_package_is_imported_where_it_belongs(package: str) -> None:
    importing = {module for module, path in modules(ROOT).items() if package in packages_of(path)}
    assert {module for module in importing if not any(within(module, place) for place in ONLY_IN[package])} == set()


def test_build_imports_itself_relatively() -> None:
    """So that it works from a checkout too, where the folder is called build."""
    written = [
        (path.name, node.module)
        for path in (ROOT / "build").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and node.level == 0 and within(node.module or "", "edgefg.build")
    ]
    assert written == []


@pytest.mark.parametrize("module", ["edgefg", "edgefg.errors", "edgefg.bundle.bundle", "edgefg.evaluate.metrics"])
def test_light_modules_load_nothing_heavy(module: str) -> None:
    assert loaded_by(module, HEAVY) == []


def test_the_command_line_loads_no_engine_before_a_command_needs_it() -> None:
    pytest.importorskip("typer")
    assert loaded_by("edgefg.cli.main", ("torch", "onnx", "tensorrt", "onnxruntime", "openvino", "cv2", "av")) == []


def loaded_by(module: str, packages: tuple[str, ...]) -> list[str]:
    code = f"import sys, {module}; print(*(name for name in {packages} if name in sys.modules))"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    return ended.stdout.split()
