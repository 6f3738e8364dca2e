"""Events for a store, and what is in one."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from edgefg.media.writers import VideoWriter
from edgefg.watch.events import Event
from edgefg.watch.history import store as store_module
from edgefg.watch.history.filters import EventFilter
from edgefg.watch.history.reader import StoredEvent, reading
from edgefg.watch.history.store import EventStore

NOON_S = 1_790_000_000.0


def store(folder: Path, *cameras: str, **options: Any) -> EventStore:
    return EventStore(folder, cameras or ("door",), **({"max_mb": 10.0} | options))


@contextmanager
def opened(folder: Path, *cameras: str, **options: Any) -> Iterator[EventStore]:
    one = store(folder, *cameras, **options)
    try:
        yield one
    finally:
        one.close()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "_RETRY_S", 0.05)


def motion(number: int, *, camera: str = "door", at_s: float = NOON_S, zone: str = "mat", **more: Any) -> list[Event]:
    """Both ends of a motion of three seconds."""
    details = {"motion": f"{number:016x}", "zone": zone, "area": 0.01, "clip": f"{camera}-{number}.mp4"} | more
    started = Event("motion_started", camera, at_s, details | {"boxes": [[1, 2, 3, 4]], "size": [64, 48]})
    ended = Event("motion_ended", camera, at_s + 3, details | {"area": 0.05, "duration_s": 3.0, "reason": "quiet"})
    return [started, ended]


def state(name: str, at_s: float, camera: str = "door", **more: Any) -> Event:
    return Event("camera_state", camera, at_s, {"state": name, "frozen_feed": False} | more)


def written(one: EventStore, *events: Event) -> None:
    """Publishes events, and waits until they are on the disk."""
    for event in events:
        one.publish(event)
    until_s = time.monotonic() + 20
    while one._waiting:
        assert time.monotonic() < until_s, one.problem
        time.sleep(0.005)


def stored(folder: Path, limit: int = 10_000, **chosen: Any) -> list[StoredEvent]:
    with reading(folder) as history:
        return list(history.events(EventFilter(**chosen), limit))


def recorded(folder: Path, number: int, seconds: float = 1.0, **more: Any) -> list[Event]:
    """A motion with a clip and a snapshot in the folder."""
    name = f"{more.get('camera', 'door')}-20260921T141320-{number:016x}"
    video = VideoWriter(folder / f"{name}.mp4", fps=10, size=(160, 90))
    for index in range(round(seconds * 10)):
        picture = np.full((90, 160, 3), (90, 60, 40), np.uint8)
        cv2.rectangle(picture, (10 * index % 120, 30), (10 * index % 120 + 30, 70), (200, 220, 240), -1)
        video.write(picture)
    video.close()
    cv2.imwrite(str(folder / f"{name}.jpg"), picture)
    return motion(number, **({"clip": f"{name}.mp4"} | more))


def ids(folder: Path) -> set[str]:
    return {event.id for event in stored(folder)}
