"""Background subtractors of other libraries, which an evaluation compares with ours."""

import ctypes
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Protocol

import cv2

from ..errors import EngineError, MissingDependencyError
from ..imaging.io import Image


class Subtractor(Protocol):
    """A background subtractor that has seen some frames of one scene."""

    def __call__(self, image: Image, learn: bool) -> Image:
        """Compares a frame, ``(H, W, 3) uint8 BGR``, with what was learnt, and learns from it.

        Args:
            image: All have the size of the first.
            learn: False asks not to learn from this frame; CNT, SuBSENSE and PAWCS cannot be asked that.

        Returns:
            ``(H, W) uint8``: 255 is foreground, 127 a shadow.
        """


@contextmanager
def _mog2() -> Iterator[Subtractor]:
    subtractor = cv2.createBackgroundSubtractorMOG2(detectShadows=True)
    yield lambda image, learn: _levels(subtractor.apply(image, learningRate=-1 if learn else 0))


@contextmanager
def _knn() -> Iterator[Subtractor]:
    cv2.setRNGSeed(0)  # It draws when it replaces its samples: the same frames shall give the same masks.
    subtractor = cv2.createBackgroundSubtractorKNN(detectShadows=True)
    # At a rate of exactly 0 OpenCV's KNN learns fastest: what it sees five times is background.
    yield lambda image, learn: _levels(subtractor.apply(image, learningRate=-1 if learn else 1e-9))


@contextmanager
def _cnt() -> Iterator[Subtractor]:
    subtractor = _bgsegm().createBackgroundSubtractorCNT()
    yield lambda image, learn: _levels(subtractor.apply(image))


def _bgsegm() -> Any:
    # Without opencv-contrib the module is missing, or there and empty.
    bgsegm = getattr(cv2, "bgsegm", None)
    if not hasattr(bgsegm, "createBackgroundSubtractorCNT"):
        raise MissingDependencyError(
            f"the method cnt needs cv2.bgsegm of opencv-contrib, which the cv2 {cv2.__version__} at "
            f"{Path(str(cv2.__file__)).parent} has not; in an environment of its own, because it replaces cv2: "
            f"pip install opencv-contrib-python-headless"
        )
    return bgsegm


def _pybgs_library(name: str) -> Any:
    try:
        import pybgs  # type: ignore[import-not-found]
    except ImportError as error:
        raise MissingDependencyError(
            f"the method {name} needs the package pybgs, which does not load ({error}); it is built from source: "
            f"apt-get install cmake g++ libopencv-dev, then pip install pybgs"
        ) from error
    return pybgs


def _of_pybgs(name: str, kind: str) -> Callable[[], AbstractContextManager[Subtractor]]:
    @contextmanager
    def opened() -> Iterator[Subtractor]:
        make = getattr(_pybgs_library(name), kind)
        ctypes.CDLL(None).srand(0)  # It draws by C's rand(): the same frames shall give the same masks.
        with _mute_stdout(), _empty_folder():
            held = [make()]

        def apply(image: Image, learn: bool) -> Image:
            try:
                with _mute_stdout():
                    return _levels(held[0].apply(image))
            except RuntimeError as error:
                reason = " ".join(str(error).split())
                raise EngineError(f"the method {name}: pybgs failed at a frame of {image.shape}: {reason}") from error

        try:
            yield apply
        finally:
            with _mute_stdout():
                held.clear()

    return opened


PEERS: Mapping[str, Callable[[], AbstractContextManager[Subtractor]]] = {
    "mog2": _mog2,
    "knn": _knn,
    "cnt": _cnt,
    "subsense": _of_pybgs("subsense", "SuBSENSE"),
    "pawcs": _of_pybgs("pawcs", "PAWCS"),
}
"""Each gives a subtractor that knows nothing yet. They raise MissingDependencyError where a library is missing."""


def require_peer(name: str) -> None:
    """Checks that the library of one of PEERS is there, before an hour is spent on others.

    Raises:
        MissingDependencyError: It is not.
    """
    if name == "cnt":
        _bgsegm()
    elif name in ("subsense", "pawcs"):
        _pybgs_library(name)


def _levels(mask: Any) -> Image:
    levels: Image = mask
    return levels


@contextmanager
def _mute_stdout() -> Iterator[None]:
    """pybgs reports there when its objects come and go, and what it thinks of a first frame."""
    kept = os.dup(1)
    try:
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, 1)
        os.close(nothing)
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)


@contextmanager
def _empty_folder() -> Iterator[None]:
    """pybgs reads its settings from ./config, and writes its own ones there if it finds none."""
    with tempfile.TemporaryDirectory(prefix="edgefg-") as folder:
        (Path(folder) / "config").mkdir()
        before = os.open(".", os.O_RDONLY)
        try:
            os.chdir(folder)
            yield
        finally:
            os.fchdir(before)
            os.close(before)
