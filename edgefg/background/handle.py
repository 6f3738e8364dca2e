"""The background that frames are compared with: what users set, freeze and save, and what a model keeps right."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import FrameError, MissingFileError, StateError
from ..imaging.convert import Frame, fit, same_aspect, size_of, to_bgr8
from ..imaging.io import Image, read_image
from .events import SceneEvent
from .observation import Observation
from .persistence import BackgroundState, read_state, write_state
from .policy import FIXED, BackgroundPolicy
from .registration import Outline, outline
from .worker import BackgroundWorker

_BLANK_DEVIATION = 3.0
"""In levels: a picture whose pixels differ by less shows nothing, such as a camera's first frame, all black."""


@dataclass(frozen=True, eq=False)
class EmbeddedBackground:
    """One background as the engine sees it; never changed after it is made.

    Attributes:
        image: ``(H, W, 3) uint8 BGR`` at engine size.
        features: What stage 1 made of it; only the engine that made it can read it.
        source_size: Width and height, in pixels, of the image before it was scaled.
        id: 1 for the first background, one more for each that follows.
        set_at_s: The policy's clock when it was set.
        stopgap: It shows nothing, and gives way to the first frame that does.
        first_frame: It is a frame that was adopted, which a bootstrap may replace.
        shaky: Frames have to be put onto it, because the camera shakes.
    """

    image: Image
    features: Any
    source_size: tuple[int, int]
    id: int
    set_at_s: float
    stopgap: bool = False
    first_frame: bool = False
    shaky: bool = False

    @cached_property
    def outline(self) -> Outline:
        """Its edges, as `edgefg.background.registration.outline` gives them."""
        return outline(self.image)

    def check_fits(self, frame_size: tuple[int, int]) -> None:
        """Raises FrameError if a frame of this (width, height) shows another field of view."""
        if not same_aspect(frame_size, self.source_size):
            frame, background = (f"{width}x{height}" for width, height in (frame_size, self.source_size))
            raise FrameError(
                f"the frame is {frame} and the background {background}: their aspect ratios must agree within 2%; "
                "set one of the frame's shape: --background IMG, or background.set(image)"
            )


class Background:
    """The background of one camera. Any thread may call any method at any time.

    A frame in work keeps the background that it started with: a change swaps a single reference to a finished,
    immutable `EmbeddedBackground`. What the policy makes of the frames is computed beside them, in a thread of its own.

    Attributes:
        camera: The camera's name.
        policy: What keeps the background right.
        on_event: Called with each `edgefg.background.events.SceneEvent`, in the model's thread; None calls nobody.
    """

    def __init__(
        self,
        embed: Callable[[Image], Any],
        size: tuple[int, int],
        policy: BackgroundPolicy = FIXED,
        camera: str = "",
    ) -> None:
        """Starts without a background.

        Args:
            embed: The engine's ``embed``: ``(H, W, 3) uint8 BGR`` at engine size to features.
            size: The engine's width and height in pixels.
            policy: What becomes of the background.
            camera: The camera's name, which a saved state carries.
        """
        self.camera = camera
        self.policy = policy
        self.on_event: Callable[[SceneEvent], None] | None = None
        self._embed = embed
        self._size = size
        self._current: EmbeddedBackground | None = None
        self._set_count = 0
        self._frozen = False
        self._changing = threading.Lock()
        self._worker = BackgroundWorker(self, size) if policy.watches else None

    def set(self, image: Frame | str | Path) -> None:
        """Makes an image the background. On an error the one before stays.

        Args:
            image: Anything that ``segment()`` takes as a frame, of any size, or the path of an image file. Objects may
                stand in it.

        Raises:
            FrameError: The array, or what the file holds, is no image that can be segmented.
            MissingFileError: There is no such file.
            MediaError: The file is no image.
            ClosedError: The segmenter was closed.
        """
        bgr = to_bgr8(_read(image) if isinstance(image, (str, Path)) else image)
        with self._changing:
            self._replace(bgr, size_of(bgr))

    def freeze(self) -> None:
        """Keeps the background as it is: the policy changes nothing until `thaw`; events are still told of."""
        with self._changing:
            self._frozen = True

    def thaw(self) -> None:
        """Lets the policy change the background again."""
        with self._changing:
            self._frozen = False

    @property
    def frozen(self) -> bool:
        """Whether it is frozen."""
        return self._frozen

    def reset(self) -> None:
        """Forgets the background: the next frame becomes it, and the policy's bootstrap begins anew."""
        with self._changing:
            self._current = None

    def save(self, path: str | Path) -> None:
        """Writes the background to a file, for `load`.

        Args:
            path: Its name, best ending in ``.npz``; a file of that name is replaced when the new one is complete.

        Raises:
            StateError: There is no background yet.
            OutputError: The file cannot be written.
        """
        current = self._current
        if current is None:
            raise StateError(f"{path}: expected a background to save, there is none yet; set one, or segment a frame")
        state = BackgroundState(self.camera, current.image, current.source_size, self._age_s(current))
        write_state(Path(path), state)

    def load(self, path: str | Path) -> None:
        """Takes the background of a file that `save` wrote. On an error the one before stays.

        Raises:
            MissingFileError: There is no such file.
            StateError: It is damaged, or of another camera, size or schema.
            ClosedError: The segmenter was closed.
        """
        state = read_state(Path(path))
        remedy = "set an image instead: --background IMG, or background.set(image)"
        if state.camera != self.camera:
            found = f"found that of camera {state.camera!r}"
            raise StateError(f"{path}: expected the background of camera {self.camera!r}, {found}; {remedy}")
        if size_of(state.image) != self._size:
            found, expected = (f"{width}x{height}" for width, height in (size_of(state.image), self._size))
            raise StateError(f"{path}: expected a background for networks of {expected}, found {found}; {remedy}")
        current = self._current
        if current is not None and not same_aspect(state.source_size, current.source_size):
            found, expected = (f"{width}x{height}" for width, height in (state.source_size, current.source_size))
            raise StateError(f"{path}: expected a background for frames of {expected}, found one of {found}; {remedy}")
        with self._changing:
            self._replace(state.image, state.source_size, age_s=state.age_s)

    @property
    def image(self) -> Image | None:
        """A copy of the background, ``(H, W, 3) uint8 BGR`` at engine size; None before there is one."""
        current = self._current
        return None if current is None else current.image.copy()

    @property
    def id(self) -> int:
        """How many backgrounds there were so far, this one included; 0 before the first, and after `reset`."""
        current = self._current
        return 0 if current is None else current.id

    @property
    def age_s(self) -> float | None:
        """Seconds, by the policy's clock, since the background was set or refreshed; None before there is one."""
        current = self._current
        return None if current is None else self._age_s(current)

    @property
    def events(self) -> tuple[SceneEvent, ...]:
        """The last hundred scene events, oldest first."""
        return () if self._worker is None else self._worker.events

    @property
    def current(self) -> EmbeddedBackground | None:
        """What frames are compared with; None before there is one."""
        return self._current

    def current_or_adopt(self, read: Callable[[], Image]) -> tuple[EmbeddedBackground, bool]:
        """Gives the background, which becomes a frame if there is none yet, or one that shows nothing.

        Args:
            read: Gives that frame: ``(H, W, 3) uint8 BGR``, any size.

        Returns:
            The background, and whether it is this very frame.
        """
        current = self._current
        if current is not None and not (current.stopgap and not _is_blank(read())):
            return current, False
        with self._changing:
            # Another thread may have set one while this thread waited for the lock.
            if self._current is not None and self._current is not current:
                return self._current, False
            frame = read()
            return self._replace(frame, size_of(frame), adopted=True), True

    def observe(self, seen: Observation) -> None:
        """Hands a finished frame to the model; frames have to come in order.

        Raises:
            EdgefgError: Or whatever else went wrong in the model's thread, or in ``on_event``, since the last call.
        """
        if self._worker is not None:
            self._worker.hand_in(seen)

    def settle(self) -> None:
        """Waits until all frames so far are considered, for runs that must give the same each time."""
        if self._worker is not None:
            self._worker.settle()

    def close(self) -> None:
        """Ends the model's thread. Closing twice is fine; the background itself can still be read."""
        if self._worker is not None:
            self._worker.close()

    def refreshed(self, image: Image | None, shaky: bool, based_on: int) -> EmbeddedBackground | None:
        """Swaps in what the model decided, unless somebody was faster.

        Args:
            image: ``(H, W, 3) uint8 BGR`` at engine size; None keeps the one that is there.
            shaky: Whether frames have to be put onto it.
            based_on: Id of the background that the decision was about.

        Returns:
            The background that is in use now; None if nothing was done.

        Raises:
            EngineError: The engine failed; the one before stays.
        """
        with self._changing:
            current = self._current
            if current is None or current.id != based_on:
                return None
            if image is not None and not self._frozen:
                return self._replace(image, current.source_size, shaky=shaky)
            if shaky != current.shaky:
                self._current = replace(current, shaky=shaky)
            return self._current

    def _replace(
        self,
        bgr: Image,
        source_size: tuple[int, int],
        age_s: float = 0.0,
        adopted: bool = False,
        shaky: bool = False,
    ) -> EmbeddedBackground:
        scaled = fit(bgr, self._size)
        if np.shares_memory(scaled, bgr):
            # The caller's array: its next frame may be read into it.
            scaled = scaled.copy()
        fresh = EmbeddedBackground(
            image=scaled,
            features=self._embed(scaled),
            source_size=source_size,
            id=self._set_count + 1,
            set_at_s=self.policy.now_s() - age_s,
            stopgap=adopted and self.policy.watches and _is_blank(scaled),
            first_frame=adopted,
            shaky=shaky,
        )
        self._set_count = fresh.id
        self._current = fresh
        return fresh

    def _age_s(self, background: EmbeddedBackground) -> float:
        # A clock may be set back.
        return max(0.0, self.policy.now_s() - background.set_at_s)


def _is_blank(image: Image) -> bool:
    return float(image[::4, ::4].std()) < _BLANK_DEVIATION


def _read(path: str | Path) -> Image:
    if not Path(path).exists():
        raise MissingFileError(f"expected a background image at {path}; there is no such file")
    return read_image(Path(path))
