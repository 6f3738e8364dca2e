"""The backgrounds of a pipeline's cameras, by the cameras' names."""

from collections.abc import Callable, Iterator, Mapping

from ..background.handle import Background


class CameraBackgrounds(Mapping[str, Background]):
    """A mapping of cameras to backgrounds. Asking for one of a camera that is new makes the camera known."""

    def __init__(self, find: Callable[[str], Background], names: Callable[[], list[str]]) -> None:
        """Reads from a pipeline.

        Args:
            find: Returns the background of a camera.
            names: Returns the cameras that are known.
        """
        self._find = find
        self._names = names

    def __getitem__(self, camera: str) -> Background:
        return self._find(camera)

    def __contains__(self, camera: object) -> bool:
        return camera in self._names()

    def __iter__(self) -> Iterator[str]:
        return iter(self._names())

    def __len__(self) -> int:
        return len(self._names())
