"""Whether a watch gets on with its work. A camera that is down leaves nothing undone, so it counts as getting on."""

from collections.abc import Mapping

from ..segmentation.pipeline import Pipeline
from .camera import CameraWatcher


class Liveness:
    """Compares the work of now with the work of the last sign of life."""

    def __init__(self, pipeline: Pipeline, cameras: Mapping[str, CameraWatcher]) -> None:
        """Starts with no work.

        Args:
            pipeline: The pipeline whose frames must be finished.
            cameras: The cameras whose readers must come round, by name.
        """
        self._pipeline = pipeline
        self._cameras = cameras
        self._frames: frozenset[tuple[str, int]] = frozenset()
        self._rounds: dict[str, int] = {}

    def is_due(self) -> bool:
        """Returns whether all frames of the last sign of life are finished, and all readers have come round since.

        If so, this is the next sign of life.
        """
        frames = self._pipeline.unfinished
        rounds = {name: camera.rounds for name, camera in self._cameras.items() if not camera.ended.is_set()}
        if frames & self._frames or rounds.items() & self._rounds.items():
            return False
        self._frames, self._rounds = frames, rounds
        return True
