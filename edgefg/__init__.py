"""edgefg: foreground segmentation for camera feeds on edge devices.

Public names load on first use, so that ``import edgefg`` pulls in no inference engine and no OpenCV.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .background import Background
    from .bundle import Bundle, open_bundle
    from .errors import EdgefgError
    from .results import Blob, Segmentation
    from .segmenter import Segmenter

__version__ = "0.1.0"

_HOMES = {
    "Background": "background",
    "Blob": "results",
    "Bundle": "bundle",
    "EdgefgError": "errors",
    "Segmentation": "results",
    "Segmenter": "segmenter",
    "open_bundle": "bundle",
}

__all__ = ["Background", "Blob", "Bundle", "EdgefgError", "Segmentation", "Segmenter", "open_bundle"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'edgefg' has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
