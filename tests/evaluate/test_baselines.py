"""Subtractors of other libraries: what is said where one is missing, and that they leave no traces."""

import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgefg.errors import EngineError, MissingDependencyError
from edgefg.evaluate.baselines import PEERS, require_peer

from ..conftest import installed_peer

FRAME = np.full((48, 64, 3), 90, np.uint8)
OF_PYBGS = ("subsense", "pawcs")


@pytest.mark.parametrize("name", OF_PYBGS)
def test_without_pybgs_it_is_said_how_to_install_it(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pybgs", None)
    for ask in (lambda: require_peer(name), lambda: PEERS[name]().__enter__()):
        with pytest.raises(MissingDependencyError, match=rf"method {name} needs .*libopencv-dev.*pip install pybgs"):
            ask()


@pytest.mark.parametrize("module", [None, object()])
def test_without_opencv_contrib_it_is_said_how_to_install_it(module: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cv2, "bgsegm", module, raising=False)
    for ask in (lambda: require_peer("cnt"), lambda: PEERS["cnt"]().__enter__()):
        with pytest.raises(MissingDependencyError, match=r"the method cnt needs .*pip install opencv-contrib-python-"):
            ask()


@pytest.mark.parametrize("name", ["mog2", "knn"])
def test_what_every_opencv_has_is_not_missed(name: str) -> None:
    require_peer(name)


@pytest.mark.parametrize("name", [installed_peer(name) for name in PEERS])
def test_a_bright_object_is_foreground(name: str) -> None:
    with_object = FRAME.copy()
    with_object[10:30, 20:40] = 250
    with PEERS[name]() as subtract:
        for _ in range(30):
            subtract(FRAME, learn=True)
        levels = subtract(with_object, learn=True)
    assert (levels.shape, levels.dtype) == ((48, 64), np.uint8)
    assert (levels[13:27, 23:37] == 255).all()
    assert not (levels[36:] == 255).any()


@pytest.mark.parametrize("name", [installed_peer(name) for name in OF_PYBGS])
class TestPybgs:
    def test_leaves_no_file_and_prints_nothing(
        self, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
    ) -> None:
        (tmp_path / "config").mkdir()
        monkeypatch.chdir(tmp_path)
        with PEERS[name]() as subtract:
            subtract(FRAME, learn=True)
        assert Path.cwd() == tmp_path
        assert list(tmp_path.rglob("*")) == [tmp_path / "config"]
        assert capfd.readouterr() == ("", "")

    def test_takes_no_settings_from_the_working_folder(
        self, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "config").mkdir()
        for settings in ("SuBSENSE", "PAWCS"):
            (tmp_path / f"config/{settings}.xml").write_text("no XML")
        monkeypatch.chdir(tmp_path)
        with PEERS[name]() as subtract:
            subtract(FRAME, learn=True)

    def test_a_frame_of_another_size_is_one_clear_error(self, name: str) -> None:
        with PEERS[name]() as subtract:
            subtract(FRAME, learn=True)
            with pytest.raises(EngineError, match=rf"the method {name}: pybgs failed .* of \(24, 32, 3\)") as caught:
                subtract(FRAME[::2, ::2].copy(), learn=True)
        assert "\n" not in str(caught.value)
