"""The checks of ``edgefg doctor``: installed packages, and the engines that load or don't."""

import os
import platform
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from importlib import import_module, metadata
from pathlib import Path

import numpy as np

from .. import __version__
from ..bundle.bundle import Bundle, open_bundle
from ..errors import EdgefgError
from ..utils.cpu import cpu_model

# JetPack brings a cv2 of its own without pip's knowledge; two of them break each other.
_CV2_WHEELS = ("opencv-python", "opencv-python-headless", "opencv-contrib-python", "opencv-contrib-python-headless")
_TIMED_FRAMES = 5


@dataclass(frozen=True)
class Diagnosis:
    """One line of the report.

    Attributes:
        subject: What was looked at.
        text: What was found, and how to fix it.
        good: Whether it works.
        fatal: Whether `edgefg run` cannot work before it is fixed.
    """

    subject: str
    text: str
    good: bool = True
    fatal: bool = False

    def __str__(self) -> str:
        mark = "ok" if self.good else "FAIL" if self.fatal else "--"
        return f"{mark:<5}{self.subject:<12} {self.text}"


def examine(bundle: Path | None = None) -> Iterator[Diagnosis]:
    """Looks at all that edgefg needs, and runs each engine on a bundle.

    Args:
        bundle: The bundle's folder, None for the one that comes with edgefg.
    """
    yield Diagnosis("edgefg", f"{__version__} at {Path(__file__).parents[1]}")
    yield Diagnosis("python", f"{platform.python_version()} at {sys.executable}")
    yield Diagnosis("machine", f"{platform.machine()}, {os.cpu_count()} CPUs, {cpu_model()}")
    yield Diagnosis("numpy", np.__version__)
    cv2 = _cv2()
    yield cv2
    yield _package("av", "reads and writes video files, reads cameras", "av")
    yield _package("starlette", "for the live page of edgefg watch", "edgefg[watch]")
    yield _package("torch", "for edgefg train and edgefg build", "edgefg[build]")
    try:
        networks = open_bundle(bundle)
        precisions = ", ".join(dict.fromkeys(variant.precision for variant in networks.variants))
        yield Diagnosis("bundle", f"{networks.name}, {precisions}, at {networks.path}")
    except EdgefgError as error:
        networks = None
        yield Diagnosis("bundle", str(error), good=False, fatal=True)
    # Every frame goes through cv2, so without it no engine gets any.
    if not cv2.fatal:
        yield from _engines(networks)


def _cv2() -> Diagnosis:
    wheels = [name for name in _CV2_WHEELS if _version(name)]
    try:
        cv2 = import_module("cv2")
    except ImportError as error:
        # On a Jetson a pip wheel is not the remedy.
        remedy = 'pip install "edgefg[cpu]"; on a Jetson: sudo apt-get install python3-opencv'
        return Diagnosis("cv2", f"does not load ({error}): {remedy}", good=False, fatal=True)
    origin = " and ".join(wheels) if wheels else "not from pip: the system's own, such as JetPack's"
    text = f"{cv2.__version__} ({origin}) at {cv2.__file__}"
    if len(wheels) > 1:
        text += "; they overwrite each other: pip uninstall them all, then install one"
        return Diagnosis("cv2", text, good=False)
    return Diagnosis("cv2", text)


def _package(name: str, purpose: str, extra: str) -> Diagnosis:
    """Reports a package by its metadata: importing torch takes seconds."""
    version = _version(name)
    if version:
        return Diagnosis(name, version)
    return Diagnosis(name, f'not installed ({purpose}): pip install "{extra}"', good=False)


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _engines(bundle: Bundle | None) -> Iterator[Diagnosis]:
    from ..bundle.manifest import ENGINES

    findings = [_engine(name, bundle) for name in ENGINES]
    yield from findings
    if not any(finding.good for finding in findings):
        yield Diagnosis("engines", 'none works: pip install "edgefg[cpu]"', good=False, fatal=True)


def _engine(name: str, bundle: Bundle | None) -> Diagnosis:
    from ..engines.open import import_backend, open_engine

    try:
        if bundle is None:
            return Diagnosis(name, f"{import_backend(name).VERSION} loads")
        with closing(open_engine(bundle, name)) as engine:
            width, height = bundle.input_size
            frame = np.zeros((height, width, 3), np.uint8)
            features = engine.embed(frame)
            times_ms = []
            for _ in range(_TIMED_FRAMES):
                started = time.perf_counter()
                engine.run(frame, features)
                times_ms.append((time.perf_counter() - started) * 1e3)
            how_fast = f"{statistics.median(times_ms):.1f} ms a frame"
            return Diagnosis(name, f"{engine.version} runs the bundle in {engine.variant.precision}, {how_fast}")
    except EdgefgError as error:
        return Diagnosis(name, str(error), good=False)
