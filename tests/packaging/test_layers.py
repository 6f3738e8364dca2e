"""Imports point one way: build -> edgefg <- calibration; and ``import edgefg`` is light."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import edgefg

ROOT = Path(__file__).parents[2]
FOLDERS = {"edgefg": ROOT / "edgefg", "edgefg.build": ROOT / "build", "edgefg.calibration": ROOT / "calibration"}
HEAVY = ("torch", "onnx", "tensorrt", "pycuda", "onnxruntime", "openvino", "cv2", "av", "typer", "rich")

# Only these modules may import the package, wherever in the file.
ONLY_IN = {
    "torch": {"edgefg.build"},
    "onnx": {"edgefg.build", "edgefg.calibration.ranges"},
    "safetensors": {"edgefg.build"},
    "openvino": {"edgefg.engines.openvino", "edgefg.bench.baseline_openvino"},
    "onnxruntime": {"edgefg.engines.onnxruntime", "edgefg.build.export.simulate", "edgefg.calibration.ranges"},
    "av": {"edgefg.media.reader", "edgefg.media.writers", "edgefg.cameras.ffmpeg"},
    "gi": {"edgefg.cameras.gstreamer"},
    "matplotlib": {
        "edgefg.build.acceptance.report",
        "edgefg.bench.plot",
        "edgefg.evaluate.curve",
        "edgefg.evaluate.disturbances.table",
    },
    "starlette": {"edgefg.watch.web.auth", "edgefg.watch.web.viewer", "edgefg.watch.web.server"},
    "uvicorn": {"edgefg.watch.web.connections", "edgefg.watch.web.server"},
    "paho": {"edgefg.watch.publish.mqtt"},
    "prometheus_client": {"edgefg.watch.web.metrics"},
    "yaml": {"edgefg.watch.config"},
    "tensorrt_rtx": set(),
    "pycuda": {"edgefg.engines.trt.cuda"},
    "cuda": {"edgefg.engines.trt.cuda"},
    "typer": {"edgefg.cli", "edgefg.cli.options", "edgefg.cli.make", "edgefg.cli.use", "edgefg.cli.watch"},
}

pytestmark = pytest.mark.skipif(not (ROOT / "setup.py").is_file(), reason="needs a checkout")


def modules() -> Iterator[tuple[str, Path]]:
    """Every module of ours, by the name that it has when it is installed."""
    for package, folder in FOLDERS.items():
        for path in sorted(folder.rglob("*.py")):
            parts = path.relative_to(folder).with_suffix("").parts
            yield ".".join((package, *parts)).removesuffix(".__init__"), path


def imports(module: str, path: Path, *, anywhere: bool = True) -> set[str]:
    """What a module imports, by full name; only at its top if not ``anywhere``. Imports for types alone don't count."""
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    found: set[str] = set()
    pending: list[ast.AST] = [ast.parse(path.read_text(encoding="utf-8"))]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.rsplit(".", node.level - 1)[0] if node.level else ""
            base = ".".join(filter(None, (above, node.module)))
            found.update(f"{base}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            pending.extend(node.orelse)
        elif anywhere or not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            pending.extend(ast.iter_child_nodes(node))
    return found


def within(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


def is_runtime(module: str) -> bool:
    return not within(module, "edgefg.build") and not within(module, "edgefg.calibration")


EVERY = [pytest.param(module, path, id=module) for module, path in modules()]
RUNTIME = [pytest.param(module, path, id=module) for module, path in modules() if is_runtime(module)]


@pytest.mark.parametrize(("module", "path"), RUNTIME)
def test_the_runtime_imports_neither_build_nor_calibration(module: str, path: Path) -> None:
    """The command line may, inside the commands that need them."""
    found = imports(module, path, anywhere=module != "edgefg.cli.make")
    assert not [name for name in found if not is_runtime(name)]


@pytest.mark.parametrize(("module", "path"), EVERY)
def test_calibration_does_not_import_build(module: str, path: Path) -> None:
    if within(module, "edgefg.calibration"):
        assert not [name for name in imports(module, path) if within(name, "edgefg.build")]


@pytest.mark.parametrize(("module", "path"), EVERY)
def test_heavy_packages_stay_in_their_modules(module: str, path: Path) -> None:
    found = imports(module, path)
    for package, allowed in ONLY_IN.items():
        if not any(within(module, place) for place in allowed):
            assert not [name for name in found if within(name, package)]


@pytest.mark.parametrize(("module", "path"), [param for param in EVERY if "build" in param.id])
def test_build_imports_itself_relatively(module: str, path: Path) -> None:
    """So that it works from a checkout too, where the folder is called build."""
    written = [
        node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.ImportFrom)
    ]
    assert not [node.module for node in written if node.level == 0 and within(node.module or "", "edgefg.build")]


@pytest.mark.parametrize("module", ["edgefg", "edgefg.errors", "edgefg.bundle.bundle", "edgefg.evaluate.metrics"])
def test_light_modules_load_nothing_heavy(module: str) -> None:
    assert loaded_by(module, HEAVY) == []


def test_the_command_line_loads_no_engine_before_a_command_needs_it() -> None:
    pytest.importorskip("typer")
    assert loaded_by("edgefg.cli", ("torch", "onnx", "tensorrt", "onnxruntime", "openvino", "cv2", "av")) == []


def loaded_by(module: str, packages: tuple[str, ...]) -> list[str]:
    code = f"import sys, {module}; print(*(name for name in {packages} if name in sys.modules))"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    return ended.stdout.split()


class TestPublicNames:
    def test_are_these(self) -> None:
        assert edgefg.__all__ == [
            "Background",
            "BackgroundPolicy",
            "Bundle",
            "Camera",
            "CameraOptions",
            "EdgefgError",
            "Pipeline",
            "PipelineResult",
            "Region",
            "SceneEvent",
            "Segmentation",
            "Segmenter",
            "open_bundle",
            "open_camera",
        ]

    def test_all_load(self) -> None:
        assert all(getattr(edgefg, name).__name__ == name for name in edgefg.__all__)

    def test_dir_lists_them(self) -> None:
        assert set(edgefg.__all__) <= set(dir(edgefg))

    def test_another_name_is_an_attribute_error(self) -> None:
        with pytest.raises(AttributeError, match="no attribute 'Segmentor'"):
            _ = edgefg.Segmentor  # type: ignore[attr-defined]
