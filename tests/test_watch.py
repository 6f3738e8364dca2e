"""A whole watch: frames in, and events, files and numbers out."""

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

pytest.importorskip("uvicorn")

from edgefg.bundle import Bundle
from edgefg.errors import EngineError, MissingFileError, OptionError, OutputError
from edgefg.watch import MotionOptions, Watch, WatchedCamera, WatchOptions

from .scripted_camera import ScriptedCamera

EMPTY = np.full((48, 64, 3), 20, np.uint8)
BOX = cv2.rectangle(EMPTY.copy(), (20, 12), (43, 35), (250, 250, 250), -1)
QUICK = MotionOptions(min_area=0.02, start_after_s=0.1, end_after_s=0.4)
Scripted = dict[str, ScriptedCamera]


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> Scripted:
    """Every camera that is opened becomes one of these, by name."""
    opened: Scripted = {}

    def open_fake(url: str, name: str, options: object) -> ScriptedCamera:
        opened[name] = ScriptedCamera()
        return opened[name]

    monkeypatch.setattr("edgefg.watch.watched.open_camera", open_fake)
    return opened


Start = Callable[..., Watch]


@pytest.fixture
def start(tiny_bundle: Bundle) -> Iterator[Start]:
    """Starts a watch that ends with the test."""
    running: list[Watch] = []

    def begin(*cameras: WatchedCamera, **options: Any) -> Watch:
        chosen: dict[str, Any] = {"bundle": tiny_bundle.path, "listen": None, "threads": 1, "policy": "fixed"} | options
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
        assert time.monotonic() < until_s, "it did not come about"
        time.sleep(0.02)


def play(one: ScriptedCamera, *images: Any, for_s: float = 0.6) -> None:
    """Gives a camera its frames, each again and again for a while."""
    for image in images:
        for _ in range(round(for_s / 0.05)):
            one.put(image)
            time.sleep(0.05)


class TestEvents:
    def test_motion_starts_and_ends(self, start: Start, scripted: Scripted) -> None:
        watch = start()
        play(scripted["door"], EMPTY, BOX, EMPTY, for_s=0.8)
        scripted["door"].end()
        events = [event for event in watch if event.kind.startswith("motion")]
        assert [event.kind for event in events] == ["motion_started", "motion_ended"]
        started, ended = events
        assert started.details["zone"] == "frame"
        assert started.details["area"] == pytest.approx(24 * 24 / (64 * 48), rel=0.1)
        assert started.details["motion"] == ended.details["motion"]
        assert started.snapshot is not None
        snapshot = cv2.imdecode(np.frombuffer(started.snapshot, np.uint8), cv2.IMREAD_COLOR)
        assert snapshot is not None
        assert snapshot.shape == (48, 64, 3)
        assert abs(time.time() - started.at_s) < 60

    def test_only_in_the_zone_where_it_moves(self, start: Start, scripted: Scripted) -> None:
        right = ((0.8, 0.0), (1.0, 0.0), (1.0, 1.0), (0.8, 1.0))
        middle = ((0.3, 0.2), (0.7, 0.2), (0.7, 0.8), (0.3, 0.8))
        watch = start(camera(zones={"right": right, "middle": middle}))
        play(scripted["door"], EMPTY, BOX)
        scripted["door"].end()
        assert {event.details["zone"] for event in watch if event.kind == "motion_started"} == {"middle"}

    def test_a_camera_that_goes_quiet_mid_motion(self, start: Start, scripted: Scripted) -> None:
        watch = start(max_age_ms=200.0)
        play(scripted["door"], EMPTY, BOX)
        ended = next(event for event in watch if event.kind == "motion_ended")
        assert ended.details["reason"] == "no frames"

    def test_stopping_ends_motion(self, start: Start, scripted: Scripted) -> None:
        watch = start(camera(motion=MotionOptions(min_area=0.02, start_after_s=0, end_after_s=60)))
        play(scripted["door"], EMPTY, BOX, for_s=0.3)
        wait_until(lambda: watch.cameras["door"].motion.active == ("frame",))
        watch.stop()
        assert [event.details["reason"] for event in watch if event.kind == "motion_ended"] == ["stopped"]

    def test_json_lines(self, start: Start, scripted: Scripted, tmp_path: Path) -> None:
        (tmp_path / "events.jsonl").write_text('{"kept": true}\n')
        watch = start(events=tmp_path / "events.jsonl")
        play(scripted["door"], EMPTY, BOX)
        scripted["door"].end()
        events = [event.to_json() for event in watch]
        watch.close()
        kept, *lines = map(json.loads, (tmp_path / "events.jsonl").read_text().splitlines())
        assert kept == {"kept": True}
        assert lines == events
        assert len({line["id"] for line in lines}) == len(lines)

    @pytest.mark.timeout(60)
    def test_may_be_iterated_over_again(self, start: Start, scripted: Scripted) -> None:
        watch = start()
        play(scripted["door"], EMPTY, BOX)
        scripted["door"].end()
        assert list(watch)
        assert list(watch) == []
        watch.close()
        assert list(watch) == []

    def test_nobody_has_to_iterate(self, start: Start, scripted: Scripted) -> None:
        watch = start()
        for _ in range(1500):
            watch._report("scene", "door", {})
        assert watch._events.qsize() <= 1001
        assert len(watch.events_after(0)) == 200


class TestAges:
    """Old frames are dropped and counted, never shown as fresh."""

    def test_frames_that_are_old_when_they_come(self, start: Start, scripted: Scripted) -> None:
        watch = start(max_age_ms=300.0)
        scripted["door"].put(EMPTY, age_s=5.0)
        scripted["door"].put(EMPTY, age_s=0.4)
        wait_until(lambda: watch.cameras["door"].status.drops.stale == 2)
        assert watch.live.newest("door") is None
        scripted["door"].put(EMPTY)
        wait_until(lambda: watch.live.newest("door") is not None)

    def test_frames_that_grow_old_in_the_networks(
        self, start: Start, scripted: Scripted, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        watch = start(max_age_ms=300.0)
        run = watch._pipeline.engine.run

        def slow(*args: Any) -> Any:
            time.sleep(0.5)
            return run(*args)

        monkeypatch.setattr(watch._pipeline.engine, "run", slow)
        scripted["door"].put(BOX)
        wait_until(lambda: watch.cameras["door"].status.drops.stale == 1)
        assert watch.live.newest("door") is None
        assert watch.cameras["door"].status.frames == 0

    def test_drops_of_the_camera_are_counted(self, start: Start, scripted: Scripted) -> None:
        watch = start()
        scripted["door"].put(EMPTY, dropped=7)
        wait_until(lambda: watch.cameras["door"].status.frames == 1)
        assert watch.cameras["door"].status.drops.camera == 7

    def test_a_burst_is_dropped_not_queued(self, start: Start, scripted: Scripted) -> None:
        watch = start()
        for _ in range(100):
            scripted["door"].put(EMPTY)
        scripted["door"].end()
        list(watch)
        status = watch.cameras["door"].status
        assert status.frames + status.drops.pipeline + status.drops.stale == 100


class TestBackground:
    def test_the_newest_frame_becomes_it(self, start: Start, scripted: Scripted) -> None:
        watch = start()
        play(scripted["door"], EMPTY, BOX, for_s=0.2)
        wait_until(lambda: watch.cameras["door"].status.frames > 5)
        scripted["door"].put(BOX)
        watch.set_background("door")
        assert watch.cameras["door"].background.id == 2
        assert watch.events_after(0)[-1][1].kind == "background_set"

    def test_an_old_frame_does_not(self, start: Start, scripted: Scripted) -> None:
        watch = start(max_age_ms=100.0)
        with pytest.raises(OptionError, match="expected a fresh frame"):
            watch.set_background("door")
        scripted["door"].put(EMPTY)
        wait_until(lambda: watch.cameras["door"].status.frames + watch.cameras["door"].status.drops.stale == 1)
        time.sleep(0.15)
        with pytest.raises(OptionError, match="expected a fresh frame"):
            watch.set_background("door")

    def test_a_picture_of_another_shape_begins_anew(self, start: Start, scripted: Scripted) -> None:
        watch = start()
        scripted["door"].put(EMPTY)
        wait_until(lambda: watch.cameras["door"].status.frames == 1)
        scripted["door"].put(np.full((60, 160, 3), 20, np.uint8))
        wait_until(lambda: watch.cameras["door"].status.frames == 2)
        assert watch.errors == 0
        (reason,) = (event.details["reason"] for _, event in watch.events_after(0) if event.kind == "background_set")
        assert reason == "the picture is now 160x60"

    def test_beginning_anew_is_tried_until_it_works(
        self, start: Start, scripted: Scripted, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        watch = start()
        scripted["door"].put(EMPTY)
        wait_until(lambda: watch.cameras["door"].status.frames == 1)
        background, failures = watch.cameras["door"].background, [EngineError("out of memory")]
        change = background.set

        def fail_once(image: Any) -> None:
            if failures:
                raise failures.pop()
            change(image)

        monkeypatch.setattr(background, "set", fail_once)
        # One by one: of two that come at once the reader may see the newer alone.
        scripted["door"].put(np.full((60, 160, 3), 20, np.uint8))
        wait_until(lambda: not failures)
        scripted["door"].put(np.full((60, 160, 3), 20, np.uint8))
        wait_until(lambda: watch.cameras["door"].status.frames == 2)
        assert background.id == 2

    def test_freezing(self, start: Start, scripted: Scripted) -> None:
        watch = start(policy="selective")
        watch.freeze("door")
        assert watch.cameras["door"].background.frozen
        assert watch.status()["cameras"][0]["background"]["frozen"]
        watch.thaw("door")
        assert not watch.cameras["door"].background.frozen
        assert [event.kind for _, event in watch.events_after(0)] == ["background_frozen", "background_thawed"]

    def test_scene_events(self, start: Start, scripted: Scripted) -> None:
        watch = start(policy="selective")
        rough = np.random.default_rng(1).integers(40, 150, (6, 8, 3), np.uint8)
        colour = np.asarray(cv2.resize(rough, (64, 48), interpolation=cv2.INTER_CUBIC), np.uint8)
        infrared = np.repeat(np.asarray(cv2.cvtColor(colour, cv2.COLOR_BGR2GRAY))[..., None], 3, axis=2)
        play(scripted["door"], colour, infrared, for_s=1.5)
        wait_until(lambda: any(event.kind == "scene" for _, event in watch.events_after(0)))
        scene = next(event for _, event in watch.events_after(0) if event.kind == "scene")
        assert scene.details["scene"] == "infrared"
        assert {"strength", "action"} <= scene.details.keys()

    def test_an_unknown_camera(self, start: Start, scripted: Scripted) -> None:
        with pytest.raises(OptionError, match="expected one of door"):
            start().set_background("window")

    def test_an_image_that_is_not_there(self, start: Start, scripted: Scripted, tmp_path: Path) -> None:
        with pytest.raises((MissingFileError, OSError), match=r"none\.png"):
            start(camera(background=tmp_path / "none.png"))


class TestRecording:
    def test_a_clip_with_the_time_before(self, start: Start, scripted: Scripted, tmp_path: Path) -> None:
        watch = start(record=tmp_path / "clips", pre_roll_s=1.0)
        play(scripted["door"], EMPTY, BOX, EMPTY, for_s=0.8)
        scripted["door"].end()
        events = [event for event in watch if event.kind.startswith("motion")]
        watch.close()
        (clip,) = (tmp_path / "clips").glob("*.mp4")
        assert {event.details["clip"] for event in events} == {clip.name}
        assert clip.with_suffix(".jpg").is_file()
        with av.open(str(clip)) as video:
            frames = [frame.to_ndarray(format="gray") for frame in video.decode(video=0)]
        bright = [bool(frame.max() > 150) for frame in frames]
        first = bright.index(True)
        assert first >= 5  # about 0.8 s of 20 fps
        assert not all(bright[first:])

    def test_all_that_ends_at_once_names_the_clip(self, start: Start, scripted: Scripted, tmp_path: Path) -> None:
        whole = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))
        watch = start(camera(zones={"yard": whole, "door": whole, "mat": whole}), record=tmp_path)
        play(scripted["door"], EMPTY, BOX, EMPTY, for_s=0.8)
        scripted["door"].end()
        events = [event for event in watch if event.kind.startswith("motion")]
        watch.close()
        (clip,) = tmp_path.glob("*.mp4")
        assert [(event.kind, event.details.get("clip")) for event in events] == [
            *[("motion_started", clip.name)] * 3,
            *[("motion_ended", clip.name)] * 3,
        ]

    def test_everything_with_the_foreground_tinted(self, start: Start, scripted: Scripted, tmp_path: Path) -> None:
        watch = start(overlay=tmp_path)
        play(scripted["door"], EMPTY, BOX, for_s=0.4)
        scripted["door"].end()
        list(watch)
        watch.close()
        (film,) = tmp_path.glob("door-*.mp4")
        with av.open(str(film)) as video:
            *_, last = (frame.to_ndarray(format="bgr24").astype(int) for frame in video.decode(video=0))
        assert last[24, 32, 2] > last[24, 32, 0] + 20  # red over white

    def test_what_a_killed_run_left_is_removed(self, start: Start, scripted: Scripted, tmp_path: Path) -> None:
        """In one folder for both, too."""
        left = tmp_path / ".door-20260101T000000-2.part.mp4"
        left.touch()
        start(record=tmp_path, overlay=tmp_path)
        assert not left.exists()

    def test_a_folder_that_cannot_be_made(self, start: Start, scripted: Scripted, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(OutputError, match="--record"):
            start(record=tmp_path / "file" / "clips")


class TestTrouble:
    def test_a_fault_of_our_own_does_not_pass_for_an_end(
        self, start: Start, scripted: Scripted, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        watch = start()
        monkeypatch.setattr(watch, "_tick", lambda _: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            list(watch)
        assert watch.health() == "failing"

    @pytest.mark.timeout(60)
    def test_nor_does_one_at_the_very_end(
        self, start: Start, scripted: Scripted, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        watch = start()
        monkeypatch.setattr(watch.cameras["door"].motion, "stop", lambda: 1 / 0)
        watch.stop()
        with pytest.raises(ZeroDivisionError):
            list(watch)

    def test_networks_that_always_fail_end_it(
        self, start: Start, scripted: Scripted, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        watch = start()

        def fail(*_: Any) -> Any:
            raise EngineError("stage 1 is on fire")

        monkeypatch.setattr(watch._pipeline.engine, "run", fail)
        feeding = threading.Thread(target=lambda: play(scripted["door"], EMPTY, for_s=30), daemon=True)
        feeding.start()
        with pytest.raises(EngineError, match="on fire"):
            list(watch)
        assert watch.health() == "failing"

    def test_one_camera_that_never_comes_stops_no_other(self, start: Start, scripted: Scripted) -> None:
        watch = start(camera("dead"), camera("door"))
        play(scripted["door"], EMPTY, BOX)
        wait_until(lambda: watch.cameras["door"].motion.active == ("frame",))
        assert watch.live.newest("dead") is None

    def test_a_fault_at_one_camera_is_told_and_it_goes_on(
        self, start: Start, scripted: Scripted, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        watch = start()
        door = watch.cameras["door"]
        submit, broken = watch._pipeline.submit, True

        def fail(*words: Any, **more: Any) -> Any:
            if broken:
                raise ZeroDivisionError("in rtsp://u:geheim@h/1")
            return submit(*words, **more)

        monkeypatch.setattr(watch._pipeline, "submit", fail)
        for _ in range(3):
            scripted["door"].put(EMPTY)
        wait_until(lambda: watch.health() == "failing")
        assert door.to_json()["error"] == "ZeroDivisionError: in rtsp://***@h/1"
        broken = False
        scripted["door"].put(EMPTY)
        wait_until(lambda: watch.health() == "ok" and door.status.frames > 0)
        told = [event.details for _, event in watch.events_after(0) if event.kind == "camera_state"]
        assert [one.get("reason") for one in told] == [
            "its frames cannot be used: ZeroDivisionError: in rtsp://***@h/1",
            None,
        ]

    def test_a_full_disk_is_told_and_stops_nothing(self, start: Start, scripted: Scripted, tmp_path: Path) -> None:
        file = tmp_path / "events.jsonl"
        watch = start(events=file)
        file.unlink()
        file.mkdir()
        play(scripted["door"], EMPTY, BOX)
        wait_until(lambda: any("cannot write" in problem for _, _, problem in watch.output_health()))
        assert watch.cameras["door"].motion.active == ("frame",)

    def test_nothing_is_left_over(self, start: Start, scripted: Scripted, tmp_path: Path) -> None:
        before = set(threading.enumerate())
        watch = start(events=tmp_path / "e.jsonl", record=tmp_path / "r", overlay=tmp_path / "o")
        play(scripted["door"], EMPTY, BOX)
        watch.close()
        watch.close()
        wait_until(lambda: set(threading.enumerate()) <= before)


class TestCommand:
    """In a process of its own, as a user starts it."""

    @pytest.fixture
    def words(self, write_video: Callable[..., Path], tiny_bundle: Bundle, tmp_path: Path) -> list[str]:
        video = write_video(tmp_path / "yard.mp4", frames=30)
        return [sys.executable, "-m", "edgefg", "watch", str(video), "--bundle", str(tiny_bundle.path), "--no-page"]

    def test_ends_with_its_cameras(self, words: list[str]) -> None:
        ended = subprocess.run(words, capture_output=True, text=True, timeout=60)
        assert (ended.returncode, ended.stderr) == (0, "")
        assert "yard  motion_started" in ended.stdout
        assert "yard: " in ended.stdout.splitlines()[-1]

    def test_cameras_that_give_nothing_are_a_failure(self, words: list[str], tmp_path: Path) -> None:
        (tmp_path / "yard.mp4").write_text("no video")
        ended = subprocess.run(words, capture_output=True, text=True, timeout=60)
        assert ended.returncode == 2
        assert "error: no camera gave a frame" in ended.stderr
        assert "Traceback" not in ended.stderr

    def test_a_background_that_does_not_fit_is_named(self, words: list[str], tmp_path: Path) -> None:
        cv2.imwrite(str(tmp_path / "wide.png"), np.zeros((40, 140, 3), np.uint8))
        config = tmp_path / "watch.yaml"
        config.write_text(f"cameras: [{{url: {words.pop(4)}, background: wide.png}}]")
        ended = subprocess.run([*words, "--config", str(config)], capture_output=True, text=True, timeout=60)
        assert "wide.png has 140x40 pixels, which does not fit" in ended.stdout

    @pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
    def test_a_signal_ends_it_and_completes_its_files(
        self, words: list[str], tmp_path: Path, number: int, code: int
    ) -> None:
        words += ["--loop", "--record", str(tmp_path / "clips"), "--events", str(tmp_path / "e.jsonl")]
        with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None and process.stderr is not None
            for line in process.stdout:
                if "motion_started" in line:
                    break
            process.send_signal(number)
            out, err = process.communicate(timeout=30)
        assert process.returncode == code
        assert "motion_ended" in out
        assert "Traceback" not in err
        (clip,) = (tmp_path / "clips").glob("*.mp4")
        with av.open(str(clip)) as video:
            assert next(video.decode(video=0))
        assert json.loads((tmp_path / "e.jsonl").read_text().splitlines()[-1])["kind"] == "motion_ended"

    def test_sigterm_while_it_starts(self, words: list[str]) -> None:
        with subprocess.Popen([*words, "--loop"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            process.stdout.readline()  # "watching": cameras are open
            process.send_signal(signal.SIGTERM)
            process.send_signal(signal.SIGTERM)
            _, err = process.communicate(timeout=30)
        assert (process.returncode, err) == (0, "")

    def test_for_a_while(self, words: list[str]) -> None:
        ended = subprocess.run([*words, "--loop", "--for", "1"], capture_output=True, text=True, timeout=60)
        assert (ended.returncode, ended.stderr) == (0, "")

    @pytest.mark.parametrize(
        ("package", "words"), [("starlette", []), ("uvicorn", []), ("paho", ["--mqtt", "mqtt://x"])]
    )
    def test_a_package_that_is_missing(self, package: str, words: list[str], tiny_bundle: Bundle) -> None:
        code = f"import sys; sys.modules[{package!r}] = None; from edgefg.__main__ import main; main()"
        words = ["watch", "a.mp4", "--bundle", str(tiny_bundle.path), "--listen", "127.0.0.1:0", *words]
        ended = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, timeout=60)
        assert ended.returncode == 2
        assert ended.stderr.count("\n") == 1
        assert 'pip install "edgefg[watch]"' in ended.stderr

    @pytest.mark.parametrize(
        ("more", "said"),
        [
            ([], "at least one camera"),
            (["none.mp4"], "none.mp4"),
            (["--config", "none.yaml"], "no such file"),
            (["a.mp4", "--listen", "0.0.0.0:80"], "needs --token"),
            (["a.mp4", "--listen", "0.0.0.0:80", "--token", "short"], "at least 16"),
            (["a.mp4", "--mqtt", "broker"], "--mqtt"),
            (["a.mp4", "--max-age-ms", "-1"], "max_age_ms"),
            (["a.mp4", "--events", "/proc/none/e"], "--events"),
            (["a.mp4", "--record", "/proc/none"], "--record"),
            (["a.mp4", "--threshold", "7"], "threshold"),
            (["a.mp4", "--bundle", "none"], "none"),
        ],
    )
    def test_bad_input_is_one_line(self, edgefg: Callable[..., Any], more: list[str], said: str) -> None:
        ended = edgefg("watch", *more)
        assert (ended.code, ended.err.count("\n")) == (2, 1)
        assert said in ended.err

    @pytest.mark.parametrize(
        ("address", "shown"),
        [
            ("viewer:geheim@10.0.0.5/stream", "***@10.0.0.5/stream: no such file"),
            ("rtsp:/viewer:geheim@10.0.0.5/stream", "***@10.0.0.5/stream: no such file"),
            ("viewer:geheim[x@10.0.0.5/stream", "***@10.0.0.5/stream: no file matches"),
            ("viewer:geh/eim?@10.0.0.5/stream", "***@10.0.0.5/stream: no file matches"),
            (f"viewer:{'geheim' * 50}@10.0.0.5/stream", "***@10.0.0.5/stream: no such file"),
            ("10.0.0.5/user=geheim&password=geheim", "10.0.0.5/user=***&password=***: no such file"),
        ],
    )
    def test_nor_are_those_of_an_address_that_is_none(
        self, edgefg: Callable[..., Any], tiny_bundle: Bundle, address: str, shown: str
    ) -> None:
        ended = edgefg("watch", address, "--bundle", tiny_bundle.path, "--no-page")
        assert (ended.code, ended.err.count("\n")) == (2, 1)
        assert shown in ended.err
        assert "geh" not in ended.err
        assert ("begins with rtsp://" in ended.err) == ("***@" in ended.err)

    @pytest.mark.parametrize("login", ["viewer:geheim", "viewer:[geheim", "viewer:geheim[geheim]"])
    def test_credentials_are_nowhere(
        self, edgefg: Callable[..., Any], tiny_bundle: Bundle, tmp_path: Path, login: str
    ) -> None:
        """An address that refuses at once, for a second."""
        url = f"rtsp://{login}@127.0.0.1:9/stream?password=geheim"
        words = [url, "--bundle", tiny_bundle.path, "--for", "2", "--events", tmp_path / "e.jsonl", "--no-page"]
        ended = edgefg("watch", *words, "--mqtt", "mqtt://u:geheim@127.0.0.1:9/x")
        assert ended.code == 0, ended.err
        assert "127.0.0.1" in ended.out
        everything = ended.out + ended.err + (tmp_path / "e.jsonl").read_text()
        assert "geheim" not in everything
