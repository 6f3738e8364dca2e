"""The mapping from a pipeline's camera names to their backgrounds."""

from collections.abc import Callable, Iterator, Mapping

from ..background.handle import Background


class CameraBackgrounds(Mapping[str, Background]):
    """Maps cameras' names to backgrounds. Reading the background of a new camera adds the camera."""

    def __init__(self, find: Callable[[str], Background], names: Callable[[], list[str]]) -> None:
        """Makes a view of a pipeline's cameras.

        Args:
            find: Function that returns the background of a camera.
            names: Function that returns the names of the known cameras.
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
