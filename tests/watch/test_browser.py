"""The live page in a real browser, and how long a frame takes to get there."""

import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

pytest.importorskip("uvicorn")

from edgefg.bundle.bundle import Bundle
from edgefg.watch import Listen, MotionOptions, Watch, WatchedCamera, WatchOptions

from ..support import rtsp
from ..support.chromium import PROGRAM, Tab, browser
from ..support.scripted_camera import ScriptedCamera
from ..support.watch_rig import ONE_THREAD
from ..support.watched_page import feeding

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(PROGRAM is None, reason="needs Debian's package chromium"),
]

EMPTY = np.full((48, 64, 3), (20, 40, 60), np.uint8)
BOX = cv2.rectangle(EMPTY.copy(), (20, 12), (43, 35), (250, 250, 250), -1)
DOOR = "document.querySelector('[data-camera=door]')"

# Notes, for each picture on the canvas, the number that is drawn into it and the time, in Unix milliseconds.
NOTE_NUMBERS = """
window.seen = [];
const canvas = document.querySelector("[data-camera=door] .screen canvas");
let last = "";
function look() {
  if (canvas.dataset.number !== last) {
    last = canvas.dataset.number;
    const row = canvas.getContext("2d").getImageData(0, 8, 160, 1).data;
    let number = 0;
    for (let bit = 0; bit < 10; bit++) if (row[(bit * 16 + 8) * 4 + 1] > 125) number += 1 << bit;
    window.seen.push([number, performance.timeOrigin + performance.now()]);
  }
  requestAnimationFrame(look);
}
look();
"""


@pytest.fixture(scope="module")
def tab() -> Iterator[Tab]:
    with browser() as one:
        yield one


@pytest.fixture
def cameras(monkeypatch: pytest.MonkeyPatch) -> dict[str, ScriptedCamera]:
    opened: dict[str, ScriptedCamera] = {}

    def open_fake(url: str, name: str, options: object) -> ScriptedCamera:
        opened[name] = ScriptedCamera()
        return opened[name]

    monkeypatch.setattr("edgefg.watch.camera.open_camera", open_fake)
    return opened


@pytest.fixture
def watch(cameras: dict[str, ScriptedCamera], tiny_bundle: Bundle) -> Iterator[Watch]:
    quick = MotionOptions(min_area=0.02, start_after_s=0.1, end_after_s=0.4)
    zones = {"mat": ((0.2, 0.2), (0.8, 0.2), (0.8, 0.8), (0.2, 0.8))}
    watched = (
        WatchedCamera(url="rtsp://viewer:geheim@nowhere.invalid/1", name="door", zones=zones, motion=quick),
        WatchedCamera(url="rtsp://nowhere.invalid/2", name="yard", motion=quick),
    )
    with Watch(
        WatchOptions(watched, bundle=tiny_bundle.path, listen=Listen("127.0.0.1", 0), inference=ONE_THREAD)
    ) as one:
        yield one


def colour_at(tab: Tab, x: int, y: int) -> list[int]:
    """Red, green and blue of a pixel on the door's canvas."""
    found: list[int] = tab.evaluate(
        f"Array.from({DOOR}.querySelector('.screen canvas').getContext('2d').getImageData({x}, {y}, 1, 1).data)"
    )
    return found[:3]


class TestPage:
    def test_shows_all_cameras_and_what_happens(
        self, tab: Tab, watch: Watch, cameras: dict[str, ScriptedCamera]
    ) -> None:
        assert watch.url is not None
        tab.errors.clear()
        with feeding(cameras["door"], EMPTY):
            tab.open(watch.url)
            tab.wait_for(f"{DOOR} && {DOOR}.querySelector('.screen canvas').width === 64")
            assert tab.evaluate("document.querySelectorAll('.tile').length") == 2
            tab.wait_for(f"{DOOR}.querySelector('.state').textContent === 'live'")
            tab.wait_for(f"Number({DOOR}.querySelector('.fps').textContent) > 1")
            tab.wait_for(f"!{DOOR}.classList.contains('stale')")
        with feeding(cameras["door"], BOX):
            tab.wait_for(f"{DOOR}.classList.contains('moving')")
            tab.wait_for(f"{DOOR}.querySelector('[data-zone=mat]').classList.contains('on')")
            tab.wait_for("[...document.querySelectorAll('#events li')].some(e => e.className === 'motion_started')")
            # White, tinted red.
            red, green, blue = colour_at(tab, 32, 24)
            assert red > blue + 30
            assert red > green + 30
        assert tab.errors == []

    def test_views_can_be_switched(self, tab: Tab, watch: Watch, cameras: dict[str, ScriptedCamera]) -> None:
        assert watch.url is not None
        with feeding(cameras["door"], EMPTY):
            tab.open(watch.url)
            tab.wait_for(f"{DOOR} && {DOOR}.querySelector('.screen canvas').width === 64")
        with feeding(cameras["door"], BOX):
            for view, is_right in (
                ("frame", "pixel[0] > 200 && pixel[2] > 200"),
                ("background", "pixel[0] < 90"),
                ("mask", "pixel[0] > pixel[2] + 30"),
            ):
                tab.evaluate(f"document.querySelector('#views [data-view={view}]').click()")
                until_s = time.monotonic() + 20
                while not tab.evaluate(f"(pixel => {is_right})({colour_at(tab, 32, 24)})"):
                    assert time.monotonic() < until_s, (view, colour_at(tab, 32, 24))
                    time.sleep(0.1)

    def test_setting_the_background_and_freezing(
        self, tab: Tab, watch: Watch, cameras: dict[str, ScriptedCamera]
    ) -> None:
        assert watch.url is not None
        background = watch.state.cameras["door"].background
        with feeding(cameras["door"], EMPTY):
            tab.open(watch.url)
            tab.wait_for(f"{DOOR} && {DOOR}.querySelector('.screen canvas').width === 64")
            tab.evaluate(f"{DOOR}.querySelector('.freeze').click()")
            tab.wait_for(f"{DOOR}.querySelector('.back').textContent.includes('frozen')")
            assert background.frozen
            tab.wait_for(f"{DOOR}.querySelector('.freeze').textContent === 'Thaw'")
            before = background.id
            tab.evaluate(f"{DOOR}.querySelector('.set').click()")
            tab.wait_for(f"{DOOR}.querySelector('.set').textContent === 'Done'")
            assert background.id == before + 1

    def test_a_camera_that_stops_is_not_shown_as_fresh(
        self, tab: Tab, watch: Watch, cameras: dict[str, ScriptedCamera]
    ) -> None:
        assert watch.url is not None
        with feeding(cameras["door"], EMPTY):
            tab.open(watch.url)
            tab.wait_for(f"{DOOR} && {DOOR}.querySelector('.screen canvas').width === 64")
            tab.wait_for(f"!{DOOR}.classList.contains('stale')")
        tab.wait_for(f"{DOOR}.classList.contains('stale')")
        assert "No fresh frame for" in tab.evaluate(f"{DOOR}.querySelector('.notice').textContent")

    def test_it_finds_its_way_back(
        self, tab: Tab, watch: Watch, cameras: dict[str, ScriptedCamera], tiny_bundle: Bundle
    ) -> None:
        assert watch.url is not None
        tab.open(watch.url)
        tab.wait_for(DOOR)
        watch.close()
        tab.wait_for("!document.getElementById('banner').hidden")
        tab.wait_for(f"{DOOR}.classList.contains('stale')")
        port = int(watch.url.rstrip("/").rpartition(":")[2])
        door = WatchedCamera(url="rtsp://nowhere.invalid/1", name="door")
        options = WatchOptions((door,), bundle=tiny_bundle.path, listen=Listen("127.0.0.1", port), inference=ONE_THREAD)
        with Watch(options), feeding(cameras["door"], EMPTY):
            tab.wait_for(f"!{DOOR}.classList.contains('stale')")
            tab.wait_for("document.getElementById('banner').hidden")


@pytest.mark.rtsp
@pytest.mark.skipif(bool(rtsp.missing()), reason=rtsp.missing() or "it is there")
def test_glass_to_page(tab: Tab, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """From the moment a frame with its number is handed to an RTSP server to the picture on the page's canvas."""
    clip = rtsp.write_clip(tmp_path / "clock.mp4")
    with rtsp.RtspServer(clip) as server:
        door = WatchedCamera(url=server.url, name="door")
        with Watch(WatchOptions((door,), listen=Listen("127.0.0.1", 0), max_age_ms=5000.0)) as watch:
            assert watch.url is not None
            tab.open(watch.url)
            tab.wait_for(f"{DOOR} && {DOOR}.querySelector('.screen canvas').width === 320", 60)
            tab.evaluate("setAllViews('frame')")
            time.sleep(1)
            tab.evaluate(NOTE_NUMBERS)
            time.sleep(4)
            seen: list[list[float]] = tab.evaluate("window.seen")
        latencies_ms = sorted(latency_ms(number, shown_ms, server) for number, shown_ms in seen)
    median, p99 = statistics.median(latencies_ms), latencies_ms[int(len(latencies_ms) * 0.99)]
    with capsys.disabled():
        print(f"\nglass to page: median {median:.0f} ms, p99 {p99:.0f} ms, {len(latencies_ms) / 4:.1f} frames a second")
    assert len(latencies_ms) > 10
    assert 0 < median < 3000  # a busy machine has the last word on the rest


def latency_ms(number: float, shown_ms: float, server: Any) -> float:
    """How long before it was shown the server sent the frame of this number, the last time."""
    shown_s = shown_ms / 1e3 - (time.time() - time.monotonic())
    return ((shown_s - server.first_frame_s - number / rtsp.FPS) % (server.frames / rtsp.FPS)) * 1e3
