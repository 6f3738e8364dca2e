"""One module a backend, each behind the protocol in :mod:`edgefg.engines.protocol`."""

from importlib import import_module
from types import ModuleType

from ..bundle import Bundle
from ..errors import EngineUnavailableError, OptionError
from .protocol import Engine

# Each is a module here with VERSION and load(bundle, threads), in the order in which "auto" tries them.
ENGINES = ("openvino", "onnxruntime")


def open_engine(bundle: Bundle, engine: str = "auto", threads: int | None = None) -> Engine:
    """Loads a bundle's networks into an inference engine.

    Args:
        bundle: The networks.
        engine: ``"openvino"`` or ``"onnxruntime"``, which never falls back to another; or ``"auto"``, which takes the
            first of these that is installed.
        threads: CPU threads to use; None leaves it to the engine.

    Raises:
        OptionError: There is no such engine, or ``threads`` is not a whole number above 0.
        EngineUnavailableError: The engine, or with ``"auto"`` every engine, is not installed or broken.
        EngineError: The engine cannot load the networks.
        BundleError: The networks are not what the manifest says.
    """
    if threads is not None and (isinstance(threads, bool) or not isinstance(threads, int) or threads < 1):
        raise OptionError(f"threads must be a whole number above 0; got {threads!r}")
    backend = _first_that_imports() if engine == "auto" else import_backend(engine)
    opened: Engine = backend.load(bundle, threads)
    return opened


def import_backend(name: str) -> ModuleType:
    """Imports the module of one engine. Its ``VERSION`` is that of the library.

    Raises:
        OptionError: There is no such engine.
        EngineUnavailableError: It does not import; the message says why, and how to install it.
    """
    if name not in ENGINES:
        raise OptionError(f"engine must be auto or one of {', '.join(ENGINES)}; got {name!r}")
    try:
        return import_module(f".{name}", __name__)
    # OSError: a shared library of the package, or one that it needs, is missing or of another architecture.
    except (ImportError, OSError) as error:
        raise EngineUnavailableError(f"cannot import {name} ({error}); install it: pip install {name}") from error


def _first_that_imports() -> ModuleType:
    reasons = []
    for name in ENGINES:
        try:
            return import_backend(name)
        except EngineUnavailableError as error:
            reasons.append(str(error))
    raise EngineUnavailableError(f"no inference engine is usable: {'; or '.join(reasons)}")
