"""A whole watch on scripted cameras, for tests of its output.

Test modules import its fixtures under their own names (``start as start``), as only pytest uses them.
"""

import time
from collections.abc import Callable, Iterator
from typing import Any

import cv2
import numpy as np
import pytest

from edgefg.bundle.bundle import Bundle
from edgefg.segmentation.options import InferenceOptions
from edgefg.watch import MotionOptions, Watch, WatchedCamera, WatchOptions

from .scripted_camera import ScriptedCamera

EMPTY = np.full((48, 64, 3), 20, np.uint8)
BOX = cv2.rectangle(EMPTY.copy(), (20, 12), (43, 35), (250, 250, 250), -1)
QUICK = MotionOptions(min_area=0.02, start_after_s=0.1, end_after_s=0.4)
ONE_THREAD = InferenceOptions(threads=1)
Scripted = dict[str, ScriptedCamera]


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> Scripted:
    """Every camera that is opened becomes one of these, by name."""
    opened: Scripted = {}

    def open_fake(url: str, name: str, options: object) -> ScriptedCamera:
        opened[name] = ScriptedCamera()
        return opened[name]

    monkeypatch.setattr("edgefg.watch.camera.open_camera", open_fake)
    return opened


Start = Callable[..., Watch]


@pytest.fixture
def start(tiny_bundle: Bundle) -> Iterator[Start]:
    """Starts a watch that ends with the test."""
    running: list[Watch] = []

    def begin(*cameras: WatchedCamera, **options: Any) -> Watch:
        chosen: dict[str, Any] = {
            "bundle": tiny_bundle.path,
            "listen": None,
            "inference": ONE_THREAD,
            "policy": "fixed",
        } | options
        running.append(Watch(WatchOptions(cameras=cameras or (camera(),), **chosen)))
        return running[-1]

    yield begin
    for watch in running:
        watch.close()


def camera(name: str = "door", **more: Any) -> WatchedCamera:
    return WatchedCamera(**({"url": "rtsp://nowhere.invalid/1", "name": name, "motion": QUICK} | more))


def wait_until(holds: Callable[[], bool], timeout_s: float = 30) -> None:
    until_s = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < until_s, "it did not happen"
        time.sleep(0.02)


def play(one: ScriptedCamera, *images: Any, for_s: float = 0.6) -> None:
    """Puts frames into a camera, each repeatedly for a while."""
    for image in images:
        for _ in range(round(for_s / 0.05)):
            one.put(image)
            time.sleep(0.05)
