"""The public names: exactly these, and ``import edgefg`` loads them when they are used."""

import pytest

import edgefg
from edgefg import errors


def test_are_these() -> None:
    assert edgefg.__all__ == [
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


def test_every_error_is_among_them() -> None:
    defined = {name for name, value in vars(errors).items() if isinstance(value, type)}
    assert defined <= set(edgefg.__all__)


@pytest.mark.parametrize("name", edgefg.__all__)
def test_loads(name: str) -> None:
    assert getattr(edgefg, name).__name__ == name


def test_dir_lists_them() -> None:
    assert set(edgefg.__all__) <= set(dir(edgefg))


def test_another_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Segmentor'"):
        _ = edgefg.Segmentor  # type: ignore[attr-defined]
