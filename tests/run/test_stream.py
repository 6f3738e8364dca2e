"""Cameras in, results out: what `edgefg.stream` opens, hands on and closes."""

import gc
import threading
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgefg.bundle.bundle import Bundle
from edgefg.cameras.options import CameraOptions
from edgefg.cameras.state import CameraState
from edgefg.errors import CameraError, ClosedError, FrameError, MissingFileError, OptionError
from edgefg.run.stream import stream
from edgefg.segmentation.options import InferenceOptions

pytest.importorskip("av")

PACED = CameraOptions(fps=20)
ENDLESS = CameraOptions(fps=20, loop=True)


def pictures(folder: Path, count: int = 6, size: tuple[int, int] = (64, 48)) -> Path:
    """A folder of pictures, as a camera."""
    folder.mkdir()
    for number in range(count):
        cv2.imwrite(str(folder / f"{number}.png"), np.full((size[1], size[0], 3), 10 * number, np.uint8))
    return folder


def test_gives_results_of_every_camera_with_its_frame(tiny_bundle: Bundle, tmp_path: Path) -> None:
    cameras = {"door": pictures(tmp_path / "a"), "yard": pictures(tmp_path / "b")}
    results = list(stream(cameras, bundle=tiny_bundle, camera_options=PACED))
    assert {result.camera for result in results} == {"door", "yard"}
    for result in results:
        assert result.user_data.image.shape == (*result.mask.shape, 3)
        assert result.user_data.age_ms >= 0


def test_ends_with_its_cameras_and_closes_everything(tiny_bundle: Bundle, tmp_path: Path) -> None:
    results = stream({"door": pictures(tmp_path / "a")}, bundle=tiny_bundle, camera_options=PACED)
    sequences = [result.sequence for result in results]
    assert sequences and sequences == sorted(sequences)
    assert results.cameras["door"].state is CameraState.ENDED
    with pytest.raises(ClosedError):
        results.pipeline.submit(np.zeros((48, 64, 3), np.uint8))


def test_the_options_reach_the_networks(tiny_bundle: Bundle, tmp_path: Path) -> None:
    chosen = InferenceOptions(engine="onnxruntime", threshold=0.25)
    pytest.importorskip("onnxruntime")
    with stream({"door": pictures(tmp_path / "a")}, bundle=tiny_bundle, options=chosen) as results:
        assert (results.pipeline.engine.name, results.pipeline.threshold) == ("onnxruntime", 0.25)


def test_each_camera_has_a_policy_of_its_own(tiny_bundle: Bundle, tmp_path: Path) -> None:
    cameras = {"door": pictures(tmp_path / "a"), "yard": pictures(tmp_path / "b")}
    with stream(cameras, bundle=tiny_bundle, policy={"door": "fixed"}, camera_options=ENDLESS) as results:
        next(results)
        assert results.pipeline.backgrounds["door"].policy.refresh == "fixed"
        assert results.pipeline.backgrounds["yard"].policy.refresh == "selective"


def test_an_error_at_one_frame_does_not_end_it(tiny_bundle: Bundle, tmp_path: Path) -> None:
    with stream({"door": pictures(tmp_path / "a")}, bundle=tiny_bundle, camera_options=ENDLESS) as results:
        next(results)
        results.pipeline.submit(np.zeros((8, 8, 3), np.uint8), camera="door")
        with pytest.raises(FrameError) as raised:
            for _ in range(40):
                next(results)
        assert raised.value.camera == "door"
        assert next(results).camera == "door"


def test_a_loop_that_breaks_closes_it(tiny_bundle: Bundle, tmp_path: Path) -> None:
    cameras = {}

    def first() -> None:
        results = stream({"door": pictures(tmp_path / "a")}, bundle=tiny_bundle, camera_options=ENDLESS)
        cameras["door"] = results.cameras["door"]
        for _ in results:
            break

    before = threading.active_count()
    first()
    gc.collect()
    deadline = time.monotonic() + 10
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.02)
    assert threading.active_count() <= before
    assert cameras["door"].state is CameraState.ENDED


def test_closing_twice_is_fine_and_ends_the_iteration(tiny_bundle: Bundle, tmp_path: Path) -> None:
    results = stream({"door": pictures(tmp_path / "a")}, bundle=tiny_bundle, camera_options=ENDLESS)
    next(results)
    results.close()
    results.close()
    assert all(result.camera == "door" for result in results)


@pytest.mark.parametrize("cameras", ["door.mp4", ["door.mp4"]])
def test_cameras_without_names(cameras: object, tiny_bundle: Bundle) -> None:
    with pytest.raises(OptionError, match=f"cameras must map names to addresses, .*; got {type(cameras).__name__}"):
        stream(cameras, bundle=tiny_bundle)  # type: ignore[arg-type]


def test_a_policy_for_a_camera_that_is_not_there(tiny_bundle: Bundle, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="policy must be for cameras among door; got yard"):
        stream({"door": pictures(tmp_path / "a")}, bundle=tiny_bundle, policy={"yard": "fixed"})


def test_a_damaged_file_is_an_error_at_the_end(tiny_bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").touch()
    results = stream({"door": tmp_path / "empty.mp4"}, bundle=tiny_bundle)
    with pytest.raises(CameraError, match=r"door: .*empty\.mp4: expected a video"):
        next(results)
    assert list(results) == []


def test_no_camera(tiny_bundle: Bundle) -> None:
    with pytest.raises(OptionError, match="cameras must name at least one camera; got none"):
        stream({}, bundle=tiny_bundle)


@pytest.mark.parametrize(("url", "error"), [("ftp://door", CameraError), ("missing.mp4", MissingFileError)])
def test_what_no_camera_can_be_is_refused_at_once(url: str, error: type[Exception], tiny_bundle: Bundle) -> None:
    before = threading.active_count()
    with pytest.raises(error):
        stream({"door": url}, bundle=tiny_bundle)
    assert threading.active_count() == before
