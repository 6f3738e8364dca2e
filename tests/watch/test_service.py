"""A whole watch: frames in, and events, files and numbers out."""

import json
import time
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

pytest.importorskip("uvicorn")

from edgefg.errors import EngineError, MissingFileError, OptionError, OutputError
from edgefg.segmentation.options import InferenceOptions
from edgefg.watch import MotionOptions

from ..support.watch_rig import BOX, EMPTY, Scripted, Start, camera, play, wait_until
from ..support.watch_rig import scripted as scripted
from ..support.watch_rig import start as start


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

    def test_by_the_map_alone(self, start: Start, scripted: Scripted) -> None:
        watch = start(inference=InferenceOptions(threads=1, mode="map"))
        assert watch.state.networks == "tiny, fp32, openvino, mode map"
        play(scripted["door"], EMPTY, BOX)
        scripted["door"].end()
        assert "motion_started" in {event.kind for event in watch}

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
        wait_until(lambda: watch.state.cameras["door"].motion.active == ("frame",))
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

    def test_iterating_is_optional(self, start: Start, scripted: Scripted) -> None:
        watch = start()
        for _ in range(1500):
            watch.state.report("scene", "door", {})
        assert watch.state.events._waiting.qsize() <= 1001
        assert len(watch.state.events.after(0)) == 200


class TestAges:
    """Old frames are dropped and counted, never shown as fresh."""

    def test_frames_that_are_old_when_they_come(self, start: Start, scripted: Scripted) -> None:
        watch = start(max_age_ms=300.0)
        scripted["door"].put(EMPTY, age_s=5.0)
        scripted["door"].put(EMPTY, age_s=0.4)
        wait_until(lambda: watch.state.cameras["door"].status.drops.stale == 2)
        assert watch.state.latest.newest("door") is None
        scripted["door"].put(EMPTY)
        wait_until(lambda: watch.state.latest.newest("door") is not None)

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
        wait_until(lambda: watch.state.cameras["door"].status.drops.stale == 1)
        assert watch.state.latest.newest("door") is None
        assert watch.state.cameras["door"].status.frames == 0

    def test_of_a_slow_camera_older_frames_are_fresh(self, start: Start, scripted: Scripted) -> None:
        """There is none newer: one comes in ten seconds."""
        watch = start()
        door = watch.state.cameras["door"]
        for number, age_s in enumerate((30.0, 20.0, 10.0), start=1):
            scripted["door"].put(EMPTY, age_s=age_s)
            wait_until(lambda number=number: door.status.frames + door.status.drops.stale == number)  # type: ignore[misc]
        assert (door.status.frames, door.status.drops.stale) == (1, 2)
        watch.state.set_background("door")
        assert door.to_json()["max_age_ms"] == pytest.approx(25_000, rel=0.01)

    def test_after_an_outage_no_old_frame_is_fresh(self, start: Start, scripted: Scripted) -> None:
        watch = start()
        door = watch.state.cameras["door"]
        ages_s = [60.0 - number / 10 for number in range(20)] + [3.0, 2.9, 2.8]
        for age_s in ages_s:
            scripted["door"].put(EMPTY, age_s=age_s)
        wait_until(lambda: door.status.drops.stale == len(ages_s))
        assert door.status.frames == 0

    def test_drops_of_the_camera_are_counted(self, start: Start, scripted: Scripted) -> None:
        watch = start()
        scripted["door"].put(EMPTY, dropped=7)
        wait_until(lambda: watch.state.cameras["door"].status.frames == 1)
        assert watch.state.cameras["door"].status.drops.camera == 7

    def test_a_burst_is_dropped_not_queued(self, start: Start, scripted: Scripted) -> None:
        watch = start()
        for _ in range(100):
            scripted["door"].put(EMPTY)
        scripted["door"].end()
        list(watch)
        status = watch.state.cameras["door"].status
        assert status.frames + status.drops.pipeline + status.drops.stale == 100


class TestBackground:
    def test_the_newest_frame_becomes_it(self, start: Start, scripted: Scripted) -> None:
        watch = start()
        play(scripted["door"], EMPTY, BOX, for_s=0.2)
        wait_until(lambda: watch.state.cameras["door"].status.frames > 5)
        scripted["door"].put(BOX)
        watch.state.set_background("door")
        assert watch.state.cameras["door"].background.id == 2
        assert watch.state.events.after(0)[-1][1].kind == "background_set"

    def test_an_old_frame_does_not(self, start: Start, scripted: Scripted) -> None:
        watch = start(max_age_ms=100.0)
        with pytest.raises(OptionError, match="no fresh frame"):
            watch.state.set_background("door")
        scripted["door"].put(EMPTY)
        wait_until(
            lambda: watch.state.cameras["door"].status.frames + watch.state.cameras["door"].status.drops.stale == 1
        )
        time.sleep(0.15)
        with pytest.raises(OptionError, match="no fresh frame"):
            watch.state.set_background("door")

    def test_a_picture_of_another_shape_replaces_it(self, start: Start, scripted: Scripted) -> None:
        watch = start()
        scripted["door"].put(EMPTY)
        wait_until(lambda: watch.state.cameras["door"].status.frames == 1)
        scripted["door"].put(np.full((60, 160, 3), 20, np.uint8))
        wait_until(lambda: watch.state.cameras["door"].status.frames == 2)
        assert watch.state.errors == 0
        (reason,) = (
            event.details["reason"] for _, event in watch.state.events.after(0) if event.kind == "background_set"
        )
        assert reason == "the picture is now 160x60"

    def test_replacing_it_is_tried_until_it_works(
        self, start: Start, scripted: Scripted, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        watch = start()
        scripted["door"].put(EMPTY)
        wait_until(lambda: watch.state.cameras["door"].status.frames == 1)
        background, failures = watch.state.cameras["door"].background, [EngineError("out of memory")]
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
        wait_until(lambda: watch.state.cameras["door"].status.frames == 2)
        assert background.id == 2

    def test_freezing(self, start: Start, scripted: Scripted) -> None:
        watch = start(policy="selective")
        watch.state.freeze("door")
        assert watch.state.cameras["door"].background.frozen
        assert watch.state.to_json()["cameras"][0]["background"]["frozen"]
        watch.state.thaw("door")
        assert not watch.state.cameras["door"].background.frozen
        assert [event.kind for _, event in watch.state.events.after(0)] == ["background_frozen", "background_thawed"]

    def test_scene_events(self, start: Start, scripted: Scripted) -> None:
        watch = start(policy="selective")
        rough = np.random.default_rng(1).integers(40, 150, (6, 8, 3), np.uint8)
        colour = np.asarray(cv2.resize(rough, (64, 48), interpolation=cv2.INTER_CUBIC), np.uint8)
        infrared = np.repeat(np.asarray(cv2.cvtColor(colour, cv2.COLOR_BGR2GRAY))[..., None], 3, axis=2)
        play(scripted["door"], colour, infrared, for_s=1.5)
        wait_until(lambda: any(event.kind == "scene" for _, event in watch.state.events.after(0)))
        scene = next(event for _, event in watch.state.events.after(0) if event.kind == "scene")
        assert scene.details["scene"] == "infrared"
        assert {"strength", "action"} <= scene.details.keys()

    def test_an_unknown_camera(self, start: Start, scripted: Scripted) -> None:
        with pytest.raises(OptionError, match="expected one of door"):
            start().state.set_background("window")

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
        with pytest.raises(OutputError, match="record="):
            start(record=tmp_path / "file" / "clips")
