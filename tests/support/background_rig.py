"""A background model that uses plain pixel differences as masks instead of networks, on a scene with texture."""

import cv2
import numpy as np

from edgefg.background.events import SceneEvent
from edgefg.background.model import BackgroundModel
from edgefg.background.observation import Copies, Observation
from edgefg.background.policy import BackgroundPolicy

WIDTH, HEIGHT = 160, 120
STEP_S = 0.15


def textured_scene(seed: int = 0, size: tuple[int, int] = (WIDTH, HEIGHT)) -> np.ndarray:
    """``(H, W, 3) uint8``: blocks of many colours, a little soft, as a camera sees a street."""
    generator = np.random.default_rng(seed)
    width, height = size
    coarse = generator.integers(50, 160, (height // 10, width // 10, 3)).astype(np.uint8)
    return cv2.GaussianBlur(cv2.resize(coarse, size, interpolation=cv2.INTER_NEAREST), (3, 3), 0)


def with_box(frame: np.ndarray, x: int = 60, y: int = 40, width: int = 24, height: int = 40) -> np.ndarray:
    """The frame with an object of one dark colour in it."""
    picture = frame.copy()
    picture[y : y + height, x : x + width] = (15, 20, 235)
    return picture


class Rig:
    """Shows frames to a model, and keeps its background and events."""

    def __init__(self, policy: BackgroundPolicy, first: np.ndarray, bootstrap: bool = False) -> None:
        self.model = BackgroundModel(policy, (WIDTH, HEIGHT))
        self.background = first
        self.id = 1
        self.events: list[SceneEvent] = []
        self.shaky = self.frozen = False
        self.now_s = 0.0
        self._noise = np.random.default_rng(1)
        self.model.start(first, 1, bootstrap)

    def mask(self, frame: np.ndarray) -> np.ndarray:
        """``(H, W) uint8``: where the frame differs from the present background."""
        return self.compare(frame, self.background)

    def compare(self, frame: np.ndarray, background: np.ndarray) -> np.ndarray:
        """``(H, W) uint8``: where the frame differs from a background."""
        apart = cv2.absdiff(frame, background).max(axis=2)
        return cv2.morphologyEx(((apart > 25) * 255).astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))

    def show(self, frame: np.ndarray, seconds: float, step_s: float = STEP_S, noise: float = 1.0) -> "Rig":
        """Shows a frame for some seconds; each time the camera's noise is another."""
        for _ in range(max(1, round(seconds / step_s))):
            self.now_s += step_s
            grain = self._noise.normal(0, noise, frame.shape) if noise else 0.0
            self.look(np.clip(frame + grain, 0, 255).astype(np.uint8))
        return self

    def look(self, frame: np.ndarray) -> None:
        mask = self.mask(frame)
        distance = cv2.resize(mask, (WIDTH // 4, HEIGHT // 4), interpolation=cv2.INTER_AREA).astype(np.float32) / 8
        decision = self.model.observe(
            Observation(lambda: Copies(frame, mask, distance), self.now_s, self.id, None, self.compare), self.frozen
        )
        if decision is None:
            return
        self.events += decision.events
        self.shaky = decision.shaky
        if decision.image is not None:
            self.id += 1
            self.background = decision.image
            self.model.published(decision.image, self.id)

    def foreground(self, frame: np.ndarray) -> float:
        """Share of the mask of a frame."""
        return float(np.mean(self.mask(frame) > 0))

    @property
    def kinds(self) -> list[str]:
        return [event.kind for event in self.events]
