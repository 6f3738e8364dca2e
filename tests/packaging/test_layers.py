"""The house holds: every module has a room, rooms import downwards only, and nothing imports in a circle."""

from collections import defaultdict
from pathlib import Path

import pytest

from ..support.import_graph import Graph, circles, import_graph, modules

ROOT = Path(__file__).parents[2]

FLOORS = (
    ("errors",),
    ("utils",),
    ("imaging", "build.networks"),
    ("bundle", "datasets", "background", "build.export"),
    ("media", "engines"),
    ("cameras", "segmentation", "calibration"),
    ("run", "watch", "evaluate", "build.quantization", "build.tensorrt"),
    ("bench", "build.acceptance", "public names"),
    ("build", "build.training"),
    ("cli",),
    ("__main__",),
)
"""The rooms from the ground up. A room imports rooms of lower floors only: never one beside it, never one above."""

FLOOR_OF = {room: floor for floor, rooms in enumerate(FLOORS, start=1) for room in rooms}
FLAT = {"edgefg", "edgefg.__main__", "edgefg.errors"}
"""The only modules that lie directly in edgefg/."""

pytestmark = pytest.mark.skipif(not (ROOT / "setup.py").is_file(), reason="needs a checkout")


def room_of(module: str, packages: frozenset[str]) -> str:
    """The room of a module; the files at the top of build/ are a room of their own."""
    if module == "edgefg":
        return "public names"
    top, *rest = module.removeprefix("edgefg.").split(".")
    if top == "build" and rest and f"edgefg.build.{rest[0]}" in packages:
        return f"build.{rest[0]}"
    return top


def rooms_of(graph: Graph) -> dict[str, str]:
    packages = frozenset(other.rpartition(".")[0] for other in graph) - {"edgefg"}
    return {module: room_of(module, packages) for module in graph}


def without_a_room(graph: Graph) -> list[str]:
    """Modules that lie flat in edgefg/, and rooms that the table does not have."""
    rooms = rooms_of(graph)
    flat = [module for module in graph if module.count(".") == 1 and "." not in rooms[module]]
    packages = {module.rpartition(".")[0] for module in graph}
    loose = [f"{module} lies flat in edgefg/" for module in flat if module not in packages | FLAT]
    unknown = {room for room in rooms.values() if room not in FLOOR_OF}
    return loose + [f"the room {room} has no floor" for room in sorted(unknown)]


def upward_imports(graph: Graph) -> list[str]:
    rooms = rooms_of(graph)
    return [
        f"{module} (floor {FLOOR_OF[rooms[module]]}) imports {other} (floor {FLOOR_OF[rooms[other]]})"
        for module, imported in graph.items()
        for other in sorted(imported)
        if rooms[module] != rooms[other] and FLOOR_OF[rooms[other]] >= FLOOR_OF[rooms[module]]
    ]


def circles_of_files(graph: Graph) -> list[str]:
    return [" <-> ".join(group) for group in circles(graph)]


def circles_of_rooms(graph: Graph) -> list[str]:
    rooms = rooms_of(graph)
    between: dict[str, set[str]] = defaultdict(set)
    for module, imported in graph.items():
        between[rooms[module]] |= {rooms[other] for other in imported} - {rooms[module]}
    return [" <-> ".join(group) for group in circles({room: frozenset(others) for room, others in between.items()})]


@pytest.fixture(scope="module")
def graph() -> Graph:
    return import_graph(ROOT)


class TestTheHouse:
    def test_every_module_has_a_room(self, graph: Graph) -> None:
        assert without_a_room(graph) == []

    def test_no_import_goes_up_or_sideways(self, graph: Graph) -> None:
        assert upward_imports(graph) == []

    def test_no_files_import_in_a_circle(self, graph: Graph) -> None:
        assert circles_of_files(graph) == []

    def test_no_rooms_import_in_a_circle(self, graph: Graph) -> None:
        assert circles_of_rooms(graph) == []

    def test_every_room_of_the_table_is_there(self, graph: Graph) -> None:
        assert set(rooms_of(graph).values()) == set(FLOOR_OF)

    def test_the_runtime_imports_neither_build_nor_calibration(self, graph: Graph) -> None:
        """The command line may, inside the commands that need them."""
        apart = ("edgefg.build", "edgefg.calibration", "edgefg.cli")
        wrong = [
            (module, other)
            for module, imported in graph.items()
            if not module.startswith(apart)
            for other in imported
            if other.startswith(apart[:2])
        ]
        assert wrong == []


class TestTheProof:
    """That it finds what it is for, on a checkout of a few lines."""

    @pytest.fixture
    def checkout(self, tmp_path: Path) -> Path:
        for module in ("edgefg/__init__", "edgefg/errors", "edgefg/imaging/io", "edgefg/media/reader", "build/options"):
            self.write(tmp_path, f"{module}.py", "")
        self.write(tmp_path, "edgefg/imaging/io.py", "from ..errors import EdgefgError")
        return tmp_path

    @staticmethod
    def write(root: Path, file: str, code: str) -> None:
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_text(code)

    def test_a_house_in_order(self, checkout: Path) -> None:
        graph = import_graph(checkout)
        assert graph["edgefg.imaging.io"] == {"edgefg.errors"}
        assert without_a_room(graph) + upward_imports(graph) + circles_of_files(graph) == []

    def test_an_upward_import(self, checkout: Path) -> None:
        self.write(checkout, "edgefg/imaging/io.py", "from ..media.reader import open_video")
        assert upward_imports(import_graph(checkout)) == [
            "edgefg.imaging.io (floor 3) imports edgefg.media.reader (floor 5)"
        ]

    def test_an_upward_import_for_types_only(self, checkout: Path) -> None:
        code = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from ..media import reader"
        self.write(checkout, "edgefg/imaging/io.py", code)
        assert upward_imports(import_graph(checkout))

    def test_a_sideways_import(self, checkout: Path) -> None:
        self.write(checkout, "edgefg/engines/open.py", "def load():\n    from ..media import reader")
        assert upward_imports(import_graph(checkout))

    def test_a_circle_of_files(self, checkout: Path) -> None:
        self.write(checkout, "edgefg/media/reader.py", "from .writers import Writer")
        self.write(checkout, "edgefg/media/writers.py", "from . import reader")
        assert circles_of_files(import_graph(checkout)) == ["edgefg.media.reader <-> edgefg.media.writers"]

    def test_a_circle_of_rooms(self, checkout: Path) -> None:
        self.write(checkout, "edgefg/imaging/io.py", "from ..media import reader")
        self.write(checkout, "edgefg/media/writers.py", "from ..imaging import io")
        assert circles_of_rooms(import_graph(checkout)) == ["imaging <-> media"]

    def test_a_flat_module(self, checkout: Path) -> None:
        self.write(checkout, "edgefg/helpers.py", "")
        assert "edgefg.helpers lies flat in edgefg/" in without_a_room(import_graph(checkout))

    def test_a_room_that_is_new(self, checkout: Path) -> None:
        self.write(checkout, "edgefg/attic/box.py", "")
        assert without_a_room(import_graph(checkout)) == ["the room attic has no floor"]


def test_modules_have_the_names_of_an_installation(tmp_path: Path) -> None:
    TestTheProof.write(tmp_path, "build/networks/sizes.py", "")
    TestTheProof.write(tmp_path, "edgefg/watch/__init__.py", "")
    assert set(modules(tmp_path)) == {"edgefg.build.networks.sizes", "edgefg.watch"}
