"""Import of TensorRT, or of TensorRT for RTX, which has the same functions under another name."""

from importlib import import_module
from types import ModuleType

from ...bundle.devices import OLDEST_TENSORRT
from ...bundle.requirements import PLAN_ENGINES
from ...errors import MissingDependencyError

_MODULES = {"tensorrt": "tensorrt", "tensorrt-rtx": "tensorrt_rtx"}
_REMEDIES = {
    "tensorrt": "JetPack brings it: make the virtual environment with --system-site-packages; "
    "elsewhere: pip install tensorrt",
    "tensorrt-rtx": "pip install tensorrt-rtx-cu13",
}


def import_tensorrt(target: str) -> ModuleType:
    """Imports one of the TensorRT packages.

    Args:
        target: ``"tensorrt"`` or ``"tensorrt-rtx"``.

    Raises:
        MissingDependencyError: The package is missing or too old.
    """
    wanted = f"{PLAN_ENGINES[target]} (the package {_MODULES[target]})"
    try:
        module = import_module(_MODULES[target])
    except (ImportError, OSError) as error:
        raise MissingDependencyError(f"expected {wanted}, found none: {error}; {_REMEDIES[target]}") from error
    # An outdated package of type stubs installs an empty `tensorrt`.
    if not hasattr(module, "Builder"):
        raise MissingDependencyError(f"expected {wanted}, found an empty package; {_REMEDIES[target]}")
    if target == "tensorrt" and int(module.__version__.split(".")[0]) < OLDEST_TENSORRT:
        raise MissingDependencyError(
            f"expected TensorRT {OLDEST_TENSORRT} or later, found {module.__version__}; "
            "JetPack 6.0 has 8.6, JetPack 6.1 and later have 10.3 or newer"
        )
    return module
