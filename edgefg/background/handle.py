"""The public handle of one camera's background, which you can set, freeze, reset, save and load at any time."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from ..errors import MissingFileError, OtherProcessError, StateError
from ..imaging.convert import Frame, same_aspect, size_of, to_bgr8
from ..imaging.io import Image
from ..imaging.levels import Levels, ValueRange
from ..imaging.pictures import read_levels
from .events import SceneEvent
from .observation import Observation
from .persistence import BackgroundState, read_state, write_state
from .policy import FIXED, BackgroundPolicy
from .store import BackgroundStore
from .worker import BackgroundWorker


class Background:
    """The background of one camera. You may call any method from any thread at any time.

    The policy's model runs in its own thread, so that no frame waits for it. In a process that was forked after the
    background was made, it can still be read and saved; everything else raises OtherProcessError.

    Attributes:
        camera: Name of the camera.
        policy: Policy that keeps the background up to date.
        on_event: Function called with each `edgefg.SceneEvent`, in the model's thread; None disables it.
        store: Store of the current background, which frames are compared with.
        levels: Conversion of the camera's frames to 8 bits.
    """

    def __init__(
        self,
        embed: Callable[[Image], Any],
        size: tuple[int, int],
        policy: BackgroundPolicy = FIXED,
        camera: str = "",
        value_range: ValueRange = None,
    ) -> None:
        """Starts without a background.

        Args:
            embed: The engine's ``embed``, from ``(H, W, 3) uint8 BGR`` at engine size to features.
            size: The engine's width and height in pixels.
            policy: Policy that updates the background.
            camera: Name of the camera, which is saved with the background.
            value_range: Levels of the camera that become 0 and 255; see `edgefg.Segmenter`.

        Raises:
            OptionError: The range is not valid.
        """
        self.camera = camera
        self.levels = Levels(value_range, warns=True)
        self.policy = policy
        self.on_event: Callable[[SceneEvent], None] | None = None
        self.store = BackgroundStore(embed, size, policy)
        self._worker = BackgroundWorker(self.store, policy, camera, self._report) if policy.watches else None

    def __reduce__(self) -> NoReturn:
        raise OtherProcessError(
            "a Background cannot be pickled or copied, as it has a thread and features of an engine; save it with "
            "background.save(path), and load it there with background.load(path)"
        )

    def set(self, image: Frame | str | Path) -> None:
        """Makes an image the background. After an error the previous background stays.

        Args:
            image: A frame in any form and size that ``segment()`` accepts, or the path of an image file. It may show
                objects.

        Raises:
            FrameError: The array, or the image in the file, cannot be segmented.
            MissingFileError: The file does not exist.
            MediaError: The file is not an image, or holds several.
            ClosedError: The segmenter was closed.
        """
        bgr = to_bgr8(_read(image, self.levels) if isinstance(image, (str, Path)) else self.levels.to_bgr8(image))
        self.store.set(bgr, size_of(bgr))

    def freeze(self) -> None:
        """Keeps the background unchanged until `thaw`. Events are still reported."""
        self.store.set_frozen(True)

    def thaw(self) -> None:
        """Lets the policy change the background again."""
        self.store.set_frozen(False)

    @property
    def frozen(self) -> bool:
        """Whether the background is frozen."""
        return self.store.frozen

    def reset(self) -> None:
        """Discards the background. The next frame becomes the background, and the policy's bootstrap begins again."""
        self.store.clear()

    def save(self, path: str | Path) -> None:
        """Writes the background to a file, for `load`.

        Args:
            path: Path of the file, usually ending in ``.npz``. An existing file is replaced once the new one is
                complete.

        Raises:
            StateError: There is no background yet.
            OutputError: The file cannot be written.
        """
        current = self.store.current
        if current is None:
            raise StateError(f"{path}: there is no background to save yet; set one, or segment a frame")
        state = BackgroundState(self.camera, current.image, current.source_size, self.store.age_s(current))
        write_state(Path(path), state)

    def load(self, path: str | Path) -> None:
        """Loads a background that `save` wrote. After an error the previous background stays.

        Raises:
            MissingFileError: The file does not exist.
            StateError: The file is damaged, or from another camera, size or schema.
            ClosedError: The segmenter was closed.
        """
        state = read_state(Path(path))
        remedy = "set an image instead: background.set(image)"
        if state.camera != self.camera:
            found = f"found that of camera {state.camera!r}"
            raise StateError(f"{path}: expected the background of camera {self.camera!r}, {found}; {remedy}")
        if size_of(state.image) != self.store.size:
            found, expected = (f"{width}x{height}" for width, height in (size_of(state.image), self.store.size))
            raise StateError(f"{path}: expected a background for networks of {expected}, found {found}; {remedy}")
        current = self.store.current
        if current is not None and not same_aspect(state.source_size, current.source_size):
            found, expected = (f"{width}x{height}" for width, height in (state.source_size, current.source_size))
            raise StateError(f"{path}: expected a background for frames of {expected}, found one of {found}; {remedy}")
        self.store.set(state.image, state.source_size, age_s=state.age_s)

    @property
    def image(self) -> Image | None:
        """A copy of the background, ``(H, W, 3) uint8 BGR`` at engine size; None if there is none yet."""
        current = self.store.current
        return None if current is None else current.image.copy()

    @property
    def id(self) -> int:
        """Number of backgrounds so far, including this one; 0 before the first, and after `reset`."""
        current = self.store.current
        return 0 if current is None else current.id

    @property
    def age_s(self) -> float | None:
        """Seconds, by the policy's clock, since the background was set or refreshed; None if there is none yet."""
        current = self.store.current
        return None if current is None else self.store.age_s(current)

    @property
    def events(self) -> tuple[SceneEvent, ...]:
        """The last hundred scene events, oldest first."""
        return () if self._worker is None else self._worker.events

    def observe(self, seen: Observation) -> None:
        """Hands a finished frame to the model. Frames must be passed in order.

        Raises:
            EdgefgError: An error in the model's thread since the last call. Other exceptions, such as those of
                ``on_event``, are raised here as they are.
        """
        if self._worker is not None:
            self._worker.hand_in(seen)

    def settle(self) -> None:
        """Waits until the model has processed all frames so far, which makes the results of a run reproducible."""
        if self._worker is not None:
            self._worker.settle()

    def close(self) -> None:
        """Ends the model's thread. Closing twice is fine; the background itself can still be read."""
        if self._worker is not None:
            self._worker.close()

    def _report(self, event: SceneEvent) -> None:
        if self.on_event is not None:
            self.on_event(event)


def _read(path: str | Path, levels: Levels) -> Image:
    if not Path(path).exists():
        raise MissingFileError(f"{path}: no such file; expected a background image")
    return read_levels(Path(path), levels)
