"""edgefg: foreground segmentation for camera feeds on edge devices.

Public names load on first use, so that ``import edgefg`` pulls in no inference engine and no OpenCV.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .background.events import SceneEvent
    from .background.handle import Background
    from .background.policy import BackgroundPolicy
    from .bundle.bundle import Bundle, open_bundle
    from .cameras.camera import Camera, CameraOptions, open_camera
    from .errors import EdgefgError
    from .segmentation.pipeline import Pipeline
    from .segmentation.results import PipelineResult, Region, Segmentation
    from .segmentation.segmenter import Segmenter

__version__ = "0.1.0"

_HOMES = {
    "Background": "background.handle",
    "BackgroundPolicy": "background.policy",
    "Region": "segmentation.results",
    "Bundle": "bundle.bundle",
    "Camera": "cameras.camera",
    "CameraOptions": "cameras.camera",
    "EdgefgError": "errors",
    "Pipeline": "segmentation.pipeline",
    "PipelineResult": "segmentation.results",
    "SceneEvent": "background.events",
    "Segmentation": "segmentation.results",
    "Segmenter": "segmentation.segmenter",
    "open_bundle": "bundle.bundle",
    "open_camera": "cameras.camera",
}

__all__ = [
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


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'edgefg' has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
