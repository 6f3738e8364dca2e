"""GStreamer pipelines as cameras, through Debian's PyGObject, in a process of their own.

The environment of the tests knows nothing of Debian's packages, so that process is shown PyGObject alone.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ..support import rtsp

pytestmark = pytest.mark.rtsp

PYGOBJECT = Path("/usr/lib/python3/dist-packages/gi")
READER = """
import json, sys, time
from edgefg import CameraOptions, StreamEndedError, open_camera
from tests.support.rtsp import number_in

options = CameraOptions(stall_s=0.5, read_timeout_s=1.0, min_delay_s=0.1, max_delay_s=0.2)
numbers, shapes, ages_ms, ended = [], [], [], ""
with open_camera(sys.argv[1], options=options) as camera:
    deadline_s = time.monotonic() + float(sys.argv[2])
    while time.monotonic() < deadline_s and len(numbers) < int(sys.argv[3]):
        try:
            frame = camera.read(timeout_s=0.1)
        except StreamEndedError as reason:
            ended = str(reason)
            break
        if frame is not None:
            numbers.append(number_in(frame.image))
            shapes.append(frame.image.shape)
            ages_ms.append(frame.age_ms)
            frame.image[:] = 0  # it is the reader's own
    reasons = [change.reason for change in camera.take_changes()]
    facts = dict(numbers=numbers, shapes=shapes, ages_ms=ages_ms, ended=ended, reasons=reasons, error=camera.error)
    facts |= dict(state=camera.state.value, name=camera.name, reconnects=camera.statistics.reconnects)
    print(json.dumps(facts))
"""


@pytest.fixture(scope="module")
def path_to_gi(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if reason := rtsp.missing():
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("gi")
    (folder / "gi").symlink_to(PYGOBJECT)
    check = [sys.executable, "-c", "import gi"]
    ended = subprocess.run(check, env=os.environ | {"PYTHONPATH": str(folder)}, capture_output=True, timeout=60)
    if ended.returncode:
        pytest.skip("Debian's PyGObject is for another Python")
    return folder


def read(path_to_gi: Path, pipeline: str, limit_s: float = 30, frames: int = 10, before: str = "") -> dict[str, Any]:
    root = Path(__file__).parents[2]
    ended = subprocess.run(
        [sys.executable, "-c", before + READER, pipeline, str(limit_s), str(frames)],
        env=os.environ | {"PYTHONPATH": f"{path_to_gi}:{root}"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ended.returncode == 0, ended.stderr
    assert "hunter2" not in ended.stdout + ended.stderr
    facts: dict[str, Any] = json.loads(ended.stdout)
    return facts


def test_frames_come_from_a_server_in_time(path_to_gi: Path, tmp_path: Path) -> None:
    with rtsp.RtspServer(rtsp.write_clip(tmp_path / "a.mp4", 100)) as server:
        source = f"rtspsrc location={server.url} latency=0 protocols=tcp ! rtph264depay ! avdec_h264"
        facts = read(path_to_gi, source, frames=40)
    assert facts["numbers"] == sorted(facts["numbers"])
    assert len(set(facts["numbers"])) == 40
    assert facts["shapes"] == [[240, 320, 3]] * 40
    assert sorted(facts["ages_ms"])[20] < 500
    assert (facts["state"], facts["error"]) == ("live", "")


# The way of nvv4l2decoder, which only a Jetson has, with another decoder in its place.
NVDEC = """
import platform
from edgefg.cameras import rtsp

platform.machine = lambda: "aarch64"
rtsp._ELEMENTS = ("rtspsrc", "decodebin")
rtsp._DECODED = "decodebin ! videoconvert ! video/x-raw,format=BGRx"
"""


def test_an_address_is_decoded_by_gstreamer_where_that_has_a_decoder(path_to_gi: Path, tmp_path: Path) -> None:
    with rtsp.RtspServer(rtsp.write_clip(tmp_path / "a.mp4", 100)) as server:
        facts = read(path_to_gi, server.url, frames=20, before=NVDEC)
    assert len(set(facts["numbers"])) == 20
    assert facts["shapes"] == [[240, 320, 3]] * 20
    assert (facts["state"], facts["error"]) == ("live", "")


def test_there_a_camera_that_is_down_names_the_option_and_keeps_its_login(path_to_gi: Path) -> None:
    facts = read(path_to_gi, "rtsp://guard:hunter2@127.0.0.1:1/camera", limit_s=5, before=NVDEC)
    assert facts["error"].startswith("GStreamer: ")
    assert facts["error"].endswith("decoder=cpu takes FFmpeg instead)")
    assert facts["state"] == "connecting"


def test_lines_that_are_padded_are_read_right(path_to_gi: Path) -> None:
    """GStreamer starts each line of BGR at a multiple of four bytes."""
    facts = read(path_to_gi, "videotestsrc is-live=true pattern=white ! video/x-raw,width=161,height=47", frames=2)
    assert facts["shapes"] == [[47, 161, 3]] * 2
    assert facts["numbers"] == [1023] * 2


CROWD = """
import sys
from edgefg import open_camera

cameras = [open_camera(sys.argv[1]) for _ in range(8)]
frames = [camera.read(timeout_s=30) for camera in cameras]
print(sum(frame is not None for frame in frames))
for camera in cameras:
    camera.close()
"""


def test_cameras_that_are_opened_at_once_do_not_disturb_each_other(path_to_gi: Path) -> None:
    words = [sys.executable, "-c", CROWD, "videotestsrc is-live=true ! video/x-raw,width=64,height=48"]
    environment = os.environ | {"PYTHONPATH": f"{path_to_gi}:{Path(__file__).parents[2]}"}
    ended = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=100)
    assert (ended.returncode, ended.stdout) == (0, "8\n"), ended.stderr


def test_a_pipeline_that_ends_is_made_anew(path_to_gi: Path) -> None:
    facts = read(path_to_gi, "videotestsrc is-live=true num-buffers=5 ! video/x-raw,width=320,height=240", frames=12)
    assert facts["reconnects"] >= 1
    assert "the camera ended the stream" in facts["reasons"]


@pytest.mark.parametrize("pipeline", ["videotestsrc ! nonsense", "rtspsrc nonsense=1 user-pw=hunter2 ! decodebin"])
def test_a_pipeline_that_cannot_be_made_ends_with_that(path_to_gi: Path, pipeline: str) -> None:
    facts = read(path_to_gi, pipeline)
    assert "cannot make the GStreamer pipeline: no " in facts["ended"]
    assert facts["state"] == "ended"


def test_a_camera_that_is_not_there_is_tried_again_and_keeps_its_login(path_to_gi: Path) -> None:
    pipeline = "rtspsrc location=rtsp://guard:hunter2@127.0.0.1:1/camera user-pw=hunter2 ! rtph264depay ! avdec_h264"
    facts = read(path_to_gi, pipeline, limit_s=6)
    assert facts["error"].startswith("GStreamer: ")
    assert facts["name"].startswith("rtspsrc location=rtsp://***@127.0.0.1:1/camera user-pw=*** !")
    assert facts["state"] == "connecting"


def test_a_pipeline_that_gives_nothing_is_given_up(path_to_gi: Path) -> None:
    facts = read(path_to_gi, "videotestsrc is-live=true ! video/x-raw,framerate=1/9 ! identity", limit_s=4, frames=3)
    assert "no picture that can be decoded for 1 s" in facts["reasons"]
