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
    from .cameras.camera import Camera, open_camera
    from .cameras.options import CameraOptions
    from .cameras.state import CameraChange, CameraFrame, CameraState, CameraStatistics
    from .errors import (
        BundleError,
        CameraError,
        ClosedError,
        CompileError,
        DataError,
        EdgefgError,
        EngineError,
        FrameError,
        GateError,
        MediaError,
        MissingDependencyError,
        MissingFileError,
        OptionError,
        OtherProcessError,
        OutputError,
        PipelineTimeoutError,
        StateError,
        StreamEndedError,
        TrainingError,
    )
    from .imaging.draw import heatmap, overlay
    from .imaging.nv12 import Nv12Frame
    from .media.reader import open_video
    from .run.stream import CameraStream, stream
    from .segmentation.options import InferenceOptions
    from .segmentation.pipeline import Pipeline
    from .segmentation.results import PipelineResult, Region, Segmentation, Timing
    from .segmentation.scheduler import PipelineStatistics
    from .segmentation.segmenter import Segmenter

__version__ = "0.1.0"

_HOMES = {
    "Background": "background.handle",
    "BackgroundPolicy": "background.policy",
    "Bundle": "bundle.bundle",
    "BundleError": "errors",
    "Camera": "cameras.camera",
    "CameraChange": "cameras.state",
    "CameraError": "errors",
    "CameraFrame": "cameras.state",
    "CameraOptions": "cameras.options",
    "CameraState": "cameras.state",
    "CameraStatistics": "cameras.state",
    "CameraStream": "run.stream",
    "ClosedError": "errors",
    "CompileError": "errors",
    "DataError": "errors",
    "EdgefgError": "errors",
    "EngineError": "errors",
    "FrameError": "errors",
    "GateError": "errors",
    "InferenceOptions": "segmentation.options",
    "MediaError": "errors",
    "MissingDependencyError": "errors",
    "MissingFileError": "errors",
    "Nv12Frame": "imaging.nv12",
    "OptionError": "errors",
    "OtherProcessError": "errors",
    "OutputError": "errors",
    "Pipeline": "segmentation.pipeline",
    "PipelineResult": "segmentation.results",
    "PipelineStatistics": "segmentation.scheduler",
    "PipelineTimeoutError": "errors",
    "Region": "segmentation.results",
    "SceneEvent": "background.events",
    "Segmentation": "segmentation.results",
    "Segmenter": "segmentation.segmenter",
    "StateError": "errors",
    "StreamEndedError": "errors",
    "Timing": "segmentation.results",
    "TrainingError": "errors",
    "heatmap": "imaging.draw",
    "open_bundle": "bundle.bundle",
    "open_camera": "cameras.camera",
    "open_video": "media.reader",
    "overlay": "imaging.draw",
    "stream": "run.stream",
}

__all__ = [
    "Background",
    "BackgroundPolicy",
    "Bundle",
    "BundleError",
    "Camera",
    "CameraChange",
    "CameraError",
    "CameraFrame",
    "CameraOptions",
    "CameraState",
    "CameraStatistics",
    "CameraStream",
    "ClosedError",
    "CompileError",
    "DataError",
    "EdgefgError",
    "EngineError",
    "FrameError",
    "GateError",
    "InferenceOptions",
    "MediaError",
    "MissingDependencyError",
    "MissingFileError",
    "Nv12Frame",
    "OptionError",
    "OtherProcessError",
    "OutputError",
    "Pipeline",
    "PipelineResult",
    "PipelineStatistics",
    "PipelineTimeoutError",
    "Region",
    "SceneEvent",
    "Segmentation",
    "Segmenter",
    "StateError",
    "StreamEndedError",
    "Timing",
    "TrainingError",
    "heatmap",
    "open_bundle",
    "open_camera",
    "open_video",
    "overlay",
    "stream",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'edgefg' has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
