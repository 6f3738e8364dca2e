"""What goes into the wheel and the sdist, and that making them leaves build/, which is source, alone."""

import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

import edgefg

ROOT = Path(__file__).parents[2]
CODE = {"edgefg": "edgefg", "build": "edgefg/build", "calibration": "edgefg/calibration"}
FOLDERS = (*CODE, "docs", "examples", "tests", "typings")
NOT_SOURCE = shutil.ignore_patterns("__pycache__", "*.egg-info", ".*")

pytestmark = pytest.mark.skipif(not (ROOT / "setup.py").is_file(), reason="needs a checkout")


def files_below(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def call_backend(hook: str, project: Path, out: Path) -> Path:
    """Calls what pip calls, without pip: it would fetch setuptools anew each time."""
    code = f"import sys; from setuptools import build_meta; print(build_meta.{hook}(sys.argv[1]))"
    command = [sys.executable, "-c", code, str(out)]
    ended = subprocess.run(command, cwd=project, capture_output=True, text=True, timeout=100)
    assert ended.returncode == 0, ended.stderr
    return out / ended.stdout.splitlines()[-1]


def finished(pattern: str) -> Path | None:
    """The package that CI has made with the usual tool, if this is CI."""
    folder = os.environ.get("EDGEFG_DIST")
    return next(Path(folder).glob(pattern)) if folder else None


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the checkout, so that nothing is written into it."""
    pytest.importorskip("setuptools", minversion="77")
    copy = tmp_path_factory.mktemp("packaging") / "project"
    copy.mkdir()
    for path in ROOT.iterdir():
        if path.is_file():
            shutil.copy(path, copy)
    for name in FOLDERS:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, copy / name, ignore=NOT_SOURCE)
    return copy


@pytest.fixture(scope="module")
def wheel(project: Path, tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    return zipfile.ZipFile(finished("*.whl") or call_backend("build_wheel", project, tmp_path_factory.mktemp("wheel")))


@pytest.fixture(scope="module")
def sdist(project: Path, tmp_path_factory: pytest.TempPathFactory) -> tarfile.TarFile:
    return tarfile.open(finished("*.tar.gz") or call_backend("build_sdist", project, tmp_path_factory.mktemp("sdist")))


def in_packages(wheel: zipfile.ZipFile) -> set[str]:
    return {name for name in wheel.namelist() if ".dist-info/" not in name}


def text_of(wheel: zipfile.ZipFile, suffix: str) -> str:
    (name,) = (name for name in wheel.namelist() if name.endswith(suffix))
    return wheel.read(name).decode()


class TestWheel:
    def test_holds_our_code_and_data_and_nothing_else(self, wheel: zipfile.ZipFile, project: Path) -> None:
        expected = {f"{place}/{name}" for folder, place in CODE.items() for name in files_below(project / folder)}
        assert in_packages(wheel) == expected

    def test_holds_the_types_marker_and_the_clip(self, wheel: zipfile.ZipFile) -> None:
        assert {"edgefg/py.typed", "edgefg/data/people.mp4"} <= in_packages(wheel)

    def test_holds_the_licences(self, wheel: zipfile.ZipFile) -> None:
        assert "Apache License" in text_of(wheel, ".dist-info/licenses/LICENSE")
        assert "vtest.avi" in text_of(wheel, ".dist-info/licenses/NOTICE")

    def test_has_the_command(self, wheel: zipfile.ZipFile) -> None:
        assert "edgefg = edgefg.__main__:main" in text_of(wheel, ".dist-info/entry_points.txt")

    def test_has_the_version_of_the_code(self, wheel: zipfile.ZipFile) -> None:
        assert f"\nVersion: {edgefg.__version__}\n" in text_of(wheel, ".dist-info/METADATA")

    def test_needs_only_numpy(self, wheel: zipfile.ZipFile) -> None:
        assert [name for name, extra in requirements(wheel) if extra is None] == ["numpy"]

    def test_runs_on_any_platform(self, wheel: zipfile.ZipFile) -> None:
        assert "Tag: py3-none-any" in text_of(wheel, ".dist-info/WHEEL")

    @pytest.mark.parametrize("extra", ["cli", "tensorrt", "watch"])
    def test_no_second_cv2_is_forced_on_a_device(self, wheel: zipfile.ZipFile, extra: str) -> None:
        names = [name for name, of in requirements(wheel) if of == extra]
        assert names
        assert not [name for name in names if name.startswith(("opencv", "tensorrt"))]


def requirements(wheel: zipfile.ZipFile) -> list[tuple[str, str | None]]:
    """(package, extra that asks for it)."""
    needs = re.findall(r"^Requires-Dist: ([\w-]+)(.*)$", text_of(wheel, ".dist-info/METADATA"), re.MULTILINE)
    extras = [re.search(r'extra == "(\w+)"', rest) for _, rest in needs]
    return [(name, extra and extra[1]) for (name, _), extra in zip(needs, extras, strict=True)]


class TestSdist:
    def test_holds_all_source(self, sdist: tarfile.TarFile, project: Path) -> None:
        held = {name.partition("/")[2] for name in sdist.getnames()}
        for folder in FOLDERS:
            assert {f"{folder}/{name}" for name in files_below(project / folder)} <= held
        assert {"setup.py", "pyproject.toml", "README.md", "LICENSE", "NOTICE", "constraints.txt", "mkdocs.yml"} <= held

    def test_makes_the_same_wheel(self, sdist: tarfile.TarFile, wheel: zipfile.ZipFile, tmp_path: Path) -> None:
        sdist.extractall(tmp_path, filter="data")
        (unpacked,) = tmp_path.iterdir()
        again = zipfile.ZipFile(call_backend("build_wheel", unpacked, tmp_path))
        assert in_packages(again) == in_packages(wheel)


def test_the_source_folders_are_left_alone(project: Path, wheel: zipfile.ZipFile, sdist: tarfile.TarFile) -> None:
    """Above all build/, which setuptools would use as its own."""
    for folder in CODE:
        before = {name for name in files_below(ROOT / folder) if "__pycache__" not in name}
        assert files_below(project / folder) == before


def test_git_keeps_build() -> None:
    """Many people ignore folders of that name globally; the last rule that fits wins."""
    rules = [line for line in (ROOT / ".gitignore").read_text().splitlines() if line and not line.startswith("#")]
    assert rules[-1] == "!/build/"
