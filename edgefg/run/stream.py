"""Cameras in, results out: one call that owns the cameras, their readers, their backgrounds and the networks."""

import threading
import weakref
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path

from ..background.policy import BackgroundPolicy
from ..bundle.bundle import Bundle
from ..cameras.camera import Camera, open_camera
from ..cameras.options import CameraOptions
from ..errors import CameraError, ClosedError, OptionError
from ..segmentation.options import InferenceOptions
from ..segmentation.pipeline import Pipeline
from ..segmentation.results import PipelineResult
from ..utils.closeable import Closeable

# Two frames of a camera in work at most, and one that waits: more would only grow old.
_DEPTH = 2


class CameraStream(Closeable, Iterator[PipelineResult]):
    """The results of some cameras, newest frames first served; made by `stream`.

    Iterate over it from one thread. An error is raised in place of its frame's result, with ``error.camera``: catch it
    and go on. The iteration ends when all cameras have ended, or after `close`.

    Attributes:
        cameras: By name: their ``state``, ``error`` and ``statistics``.
        pipeline: What segments their frames: ``pipeline.backgrounds["door"].freeze()``, ``pipeline.statistics``.
    """

    def __init__(
        self,
        cameras: Mapping[str, str | Path],
        bundle: Bundle | str | Path | None,
        options: InferenceOptions | None,
        policy: BackgroundPolicy | str | Mapping[str, BackgroundPolicy | str],
        camera_options: CameraOptions | None,
    ) -> None:
        if not isinstance(cameras, Mapping):
            wanted = "cameras must map names to addresses, such as {'door': 'rtsp://10.0.0.5/stream'}"
            raise OptionError(f"{wanted}; got {type(cameras).__name__}")
        if not cameras:
            raise OptionError("cameras must name at least one camera; got none")
        strangers = sorted(set(policy) - set(cameras)) if isinstance(policy, Mapping) else []
        if strangers:
            raise OptionError(f"policy must be for cameras among {', '.join(cameras)}; got {', '.join(strangers)}")
        self.cameras: dict[str, Camera] = {}
        with ExitStack() as stack:
            self.pipeline = stack.enter_context(
                Pipeline(bundle, options=options, policy=policy, depth=_DEPTH, backpressure="latest")
            )
            for name, url in cameras.items():
                self.cameras[name] = stack.enter_context(open_camera(url, name, camera_options))
            readers = [
                threading.Thread(target=_submit_all, args=(camera, name, self.pipeline), daemon=True)
                for name, camera in self.cameras.items()
            ]
            for reader in readers:
                reader.start()
            threading.Thread(target=_end_after, args=(readers, self.pipeline), daemon=True).start()
            # All cameras at once: one that is just connecting takes a while to let go.
            stack.callback(_let_go, list(self.cameras.values()))
            resources = stack.pop_all()
        self._results = iter(self.pipeline)
        # A loop that breaks drops the stream without closing it. No thread refers to it, so it is closed then.
        self._close = weakref.finalize(self, resources.close)

    def __next__(self) -> PipelineResult:
        """Waits for the next result; its ``user_data`` is the `edgefg.CameraFrame`.

        Raises:
            CameraError: All cameras have ended, at least one of them because it failed. Raised once.
            EdgefgError: Whatever went wrong with this frame.
        """
        try:
            return next(self._results)
        except StopIteration:
            failed = [f"{name}: {camera.error}" for name, camera in self.cameras.items() if camera.error]
            ended_by_itself = self._close.alive
            self.close()
            if failed and ended_by_itself:
                raise CameraError("; ".join(failed)) from None
            raise

    def close(self) -> None:
        """Closes the cameras and frees the networks. Closing twice is fine."""
        self._close()


def stream(
    cameras: Mapping[str, str | Path],
    *,
    bundle: Bundle | str | Path | None = None,
    options: InferenceOptions | None = None,
    policy: BackgroundPolicy | str | Mapping[str, BackgroundPolicy | str] = "selective",
    camera_options: CameraOptions | None = None,
) -> CameraStream:
    """Segments what cameras show, always their newest frames.

    Each camera has a reader, which reconnects indefinitely, and a background of its own.

    Args:
        cameras: Addresses by name, as `edgefg.open_camera` takes them: ``{"door": "rtsp://10.0.0.5/stream"}``.
        bundle: The networks; None is the bundle that comes with edgefg.
        options: What to run, and what counts as foreground.
        policy: What becomes of the backgrounds; a mapping has policies by camera.
        camera_options: How to read the cameras.

    Returns:
        An iterator over `edgefg.PipelineResult`, whose ``user_data`` is the `edgefg.CameraFrame`. It closes everything
        at its end; use it in a ``with`` statement to close it sooner.

    Raises:
        OptionError: An option makes no sense, or there is no camera.
        CameraError: No camera can have such an address.
        MissingFileError: There is no such file or bundle.
        BundleError: The bundle is incomplete, altered or of another schema.
        MissingDependencyError: A package that reads such a camera, or the engine, is not installed.
        EngineError: The engine cannot load the networks.
    """
    return CameraStream(cameras, bundle, options, policy, camera_options)


def _submit_all(camera: Camera, name: str, pipeline: Pipeline) -> None:
    """What a camera's reader does."""
    with suppress(ClosedError):
        for frame in camera:
            pipeline.submit(frame.image, camera=name, user_data=frame)


def _end_after(readers: list[threading.Thread], pipeline: Pipeline) -> None:
    """Ends the results once all cameras have ended and their last frames are through."""
    for reader in readers:
        reader.join()
    pipeline.flush()
    pipeline.close()


def _let_go(cameras: list[Camera]) -> None:
    for camera in cameras:
        camera.close(wait_s=0)
