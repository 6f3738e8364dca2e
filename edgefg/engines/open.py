"""Selection and loading of an inference engine.

Each backend is a module with ``VERSION`` and ``load(bundle, variant, threads, slots)``, which returns an
`edgefg.engines.protocol.Engine`.
"""

import logging
from contextlib import ExitStack
from importlib import import_module
from types import ModuleType

from ..bundle.bundle import Bundle
from ..bundle.manifest import ENGINES, PRECISIONS
from ..bundle.requirements import PLAN_ENGINES
from ..errors import EngineError, MissingDependencyError, OptionError
from ..utils.validation import check_choice, check_count, shown
from .protocol import Engine
from .self_check import fault_of

_log = logging.getLogger("edgefg")


def open_engine(
    bundle: Bundle, engine: str = "auto", threads: int | None = None, precision: str | None = None, slots: int = 1
) -> Engine:
    """Loads a bundle's networks into an inference engine.

    A reduced precision that was accepted on another kind of CPU is first checked against the bundle's reference masks.
    If the check fails, the bundle's next variant is loaded and a warning is logged. A precision that you request by
    name never falls back.

    Args:
        bundle: The networks.
        engine: ``"tensorrt"``, ``"tensorrt-rtx"``, ``"openvino"`` or ``"onnxruntime"``, which never falls back to
            another; or ``"auto"``, which takes the first of these that the bundle has networks for and that is
            installed. The TensorRT engines also need a GPU.
        threads: CPU threads to use; None leaves the choice to the engine.
        precision: ``"fp32"``, ``"fp16"`` or ``"int8"``; None takes the bundle's preferred one.
        slots: Number of frames that may be processed at once. With one slot, all threads work on the same frame.

    Raises:
        OptionError: The engine or precision is unknown, or ``threads`` is not a whole number above 0.
        MissingDependencyError: The engine, or with ``"auto"`` every engine, is not installed or broken.
        EngineError: The engine cannot load the networks, or computes them wrongly.
        BundleError: The networks differ from the manifest, or there are none for this engine and precision.
    """
    if threads is not None:
        check_count("threads", threads)
    if precision is not None:
        check_choice("precision", precision, PRECISIONS)
    if engine != "auto":
        return _open(bundle, engine, threads, precision, slots)
    reasons = []
    for name in _with_networks(bundle, precision):
        try:
            return _open(bundle, name, threads, precision, slots)
        except MissingDependencyError as error:
            reasons.append(str(error))
            if name in PLAN_ENGINES:
                # The bundle was compiled for this engine, so the user expects the GPU to be used.
                _log.warning("%s; looking for another engine", error)
    raise MissingDependencyError(f"no inference engine is usable: {'; or '.join(reasons)}")


def _with_networks(bundle: Bundle, precision: str | None) -> list[str]:
    held = {name for variant in bundle.variants if precision in (None, variant.precision) for name in variant.engines}
    plans = {name for variant in bundle.variants if variant.format == "plan" for name in variant.engines}
    fitting = [name for name in ENGINES if name in (plans if name in PLAN_ENGINES else held)]
    # With none, opening the first CPU engine reports what the bundle lacks.
    return fitting or [name for name in ENGINES if name not in PLAN_ENGINES]


def _open(bundle: Bundle, name: str, threads: int | None, precision: str | None, slots: int) -> Engine:
    backend = import_backend(name)
    variants = bundle.variants_for(name, precision)
    for variant in variants:
        with ExitStack() as stack:
            opened: Engine = backend.load(bundle, variant, threads, slots)
            stack.callback(opened.close)
            fault = fault_of(bundle, variant, opened)
            if fault is None:
                stack.pop_all()
                return opened
        if variant is variants[-1]:
            break
        _log.warning("%s; falling back to %s", fault, variants[variants.index(variant) + 1].precision)
    raise EngineError(f"{fault}; rebuild the bundle on this machine: edgefg build")


def import_backend(name: str) -> ModuleType:
    """Imports the module of one engine. The module's ``VERSION`` is that of the library.

    Raises:
        OptionError: There is no such engine.
        MissingDependencyError: The module cannot be imported; the message says why, and how to install the library.
    """
    if name not in ENGINES:
        raise OptionError(f"engine must be auto or one of {', '.join(ENGINES)}; got {shown(name)}")
    try:
        return import_module(f".{name.replace('-', '_')}", __package__)
    except MissingDependencyError:
        raise
    # OSError: a shared library that the package needs is missing, or built for another architecture.
    except (ImportError, OSError) as error:
        raise MissingDependencyError(f"cannot import {name} ({error}); install it: pip install {name}") from error
