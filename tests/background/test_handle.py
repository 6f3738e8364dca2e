"""The background object and the temporal median."""

import threading
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from edgefg.background.handle import Background
from edgefg.errors import EngineError, FrameError, MediaError, MissingFileError
from edgefg.imaging.median import median_of_files, temporal_median

SIZE = (64, 48)


def mean_level(frame: np.ndarray) -> float:
    """Stands in for an engine's embed."""
    return float(frame.mean())


def slow_mean_level(frame: np.ndarray) -> float:
    """Takes long enough that other threads get in between."""
    time.sleep(0.002)
    return mean_level(frame)


def level(value: int, size: tuple[int, int] = SIZE) -> np.ndarray:
    return np.full((size[1], size[0], 3), value, np.uint8)


@pytest.fixture
def background() -> Background:
    return Background(mean_level, SIZE)


def test_before_any_is_set_there_is_none(background: Background) -> None:
    assert (background.image, background.id, background.age_s) == (None, 0, None)


def test_setting_counts_up_and_restarts_the_age(background: Background) -> None:
    background.set(level(10))
    background.set(level(20))
    assert background.id == 2
    assert background.age_s is not None
    assert 0 <= background.age_s < 60
    np.testing.assert_array_equal(background.image, level(20))


def test_the_image_is_kept_at_engine_size(background: Background) -> None:
    background.set(level(10, (640, 480)))
    np.testing.assert_array_equal(background.image, level(10))


def test_the_image_given_out_is_a_copy(background: Background) -> None:
    background.set(level(10))
    given = background.image
    assert given is not None
    given[:] = 99
    np.testing.assert_array_equal(background.image, level(10))


@pytest.mark.parametrize("size", [SIZE, (640, 480)])
def test_the_caller_may_reuse_the_array_that_was_set(background: Background, size: tuple[int, int]) -> None:
    camera_buffer = level(10, size)
    background.set(camera_buffer)
    camera_buffer[:] = 99
    np.testing.assert_array_equal(background.image, level(10))


def test_a_part_of_a_larger_buffer_is_copied_too(background: Background) -> None:
    camera_buffer = level(10, (64, 60))
    background.set(camera_buffer[:48])
    camera_buffer[:] = 99
    np.testing.assert_array_equal(background.image, level(10))


@pytest.mark.parametrize("bad", [level(3).astype(np.float32), np.zeros((0, 0, 3), np.uint8), None])
def test_a_bad_image_leaves_the_one_before(background: Background, bad: Any) -> None:
    background.set(level(10))
    with pytest.raises(FrameError):
        background.set(bad)
    assert background.id == 1
    np.testing.assert_array_equal(background.image, level(10))


def test_an_engine_that_fails_leaves_the_one_before() -> None:
    def fail_on_white(frame: np.ndarray) -> float:
        if frame.max() == 255:
            raise EngineError("out of memory")
        return 0.0

    background = Background(fail_on_white, SIZE)
    background.set(level(10))
    with pytest.raises(EngineError):
        background.set(level(255))
    assert background.id == 1
    background.set(level(20))
    assert background.id == 2


def test_a_file_can_be_set(background: Background, tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "empty room.png"), level(77))
    background.set(tmp_path / "empty room.png")
    np.testing.assert_array_equal(background.image, level(77))
    background.set(str(tmp_path / "empty room.png"))
    assert background.id == 2


def test_a_missing_file_is_named(background: Background, tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match=r"nowhere\.png"):
        background.set(tmp_path / "nowhere.png")


@pytest.mark.parametrize("content", [b"", b"this is no picture", b"\x89PNG\r\n\x1a\n"])
def test_a_file_that_is_no_image_is_named(background: Background, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "background.png").write_bytes(content)
    with pytest.raises(MediaError, match=r"background\.png"):
        background.set(tmp_path / "background.png")


def test_the_first_frame_is_adopted_once(background: Background) -> None:
    first, adopted = background.store.current_or_adopt(lambda: level(10), SIZE)
    second, adopted_again = background.store.current_or_adopt(lambda: level(20), SIZE)
    assert (adopted, adopted_again) == (True, False)
    assert second is first


def test_of_two_threads_with_a_first_frame_one_adopts_it() -> None:
    both_in = threading.Barrier(2)
    background = Background(slow_mean_level, SIZE)
    adopted = []

    def adopt(value: int) -> None:
        both_in.wait(timeout=30)
        adopted.append(background.store.current_or_adopt(lambda: level(value), SIZE)[1])

    threads = [threading.Thread(target=adopt, args=(value,)) for value in (10, 20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(adopted) == [False, True]
    assert background.id == 1


def test_image_features_and_id_always_belong_together() -> None:
    background = Background(mean_level, SIZE)
    background.set(level(0))
    stop = threading.Event()

    def keep_setting() -> None:
        while not stop.is_set():
            # The n-th background has level n: each of the three tells the other two.
            background.set(level(background.id % 250))

    setter = threading.Thread(target=keep_setting)
    setter.start()
    try:
        for _ in range(500):
            current, _ = background.store.current_or_adopt(lambda: level(0), SIZE)
            assert current.image[0, 0, 0] == current.features == (current.id - 1) % 250
    finally:
        stop.set()
        setter.join()


def test_sets_from_several_threads_take_turns() -> None:
    inside: list[int] = []
    crowds: list[int] = []

    def embed(frame: np.ndarray) -> None:
        inside.append(1)
        time.sleep(0.002)
        crowds.append(len(inside))
        inside.pop()

    background = Background(embed, SIZE)

    def set_five() -> None:
        for _ in range(5):
            background.set(level(5))

    threads = [threading.Thread(target=set_five) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert crowds == [1] * 20
    assert background.id == 20


@pytest.mark.parametrize("count", [1, 2, 3, 8, 11])
def test_the_median_is_the_lower_middle_value(count: int) -> None:
    frames = np.random.default_rng(count).integers(0, 256, (count, 16, 18, 3), dtype=np.uint8)
    np.testing.assert_array_equal(temporal_median(frames), np.sort(frames, axis=0)[(count - 1) // 2])


def test_the_median_of_an_odd_number_is_numpy_s() -> None:
    frames = np.random.default_rng(0).integers(0, 256, (7, 16, 18, 3), dtype=np.uint8)
    np.testing.assert_array_equal(temporal_median(frames), np.median(frames, axis=0))


def test_who_walks_through_is_not_in_the_median() -> None:
    frames = [level(30) for _ in range(5)]
    for step, frame in enumerate(frames):
        frame[10:30, 12 * step : 12 * step + 12] = 240
    np.testing.assert_array_equal(temporal_median(iter(frames)), level(30))


def test_the_median_takes_what_segment_takes() -> None:
    gray, deep = level(40)[..., 0], level(40).astype(np.uint16) * 257
    np.testing.assert_array_equal(temporal_median([gray, deep, level(40)]), level(40))


def test_the_median_leaves_its_frames_alone() -> None:
    frame = level(40)
    temporal_median([frame])[:] = 0
    np.testing.assert_array_equal(frame, level(40))


def test_a_median_of_nothing_is_refused() -> None:
    with pytest.raises(FrameError, match="at least one"):
        temporal_median([])


def test_a_median_of_two_sizes_is_refused_by_the_frame_that_differs() -> None:
    with pytest.raises(FrameError, match="frames 0 and 2 are 64x48 and 32x24"):
        temporal_median([level(1), level(1), level(1, (32, 24))])


@pytest.mark.parametrize(("held", "reads"), [(0, 1 + 8 * 6), (3, 3 + 8 * 4), (7, 7)])
def test_a_median_of_files_holds_what_fits_and_reads_the_others_again(held: int, reads: int) -> None:
    frames = np.random.default_rng(1).integers(0, 256, (7, 16, 18, 3), dtype=np.uint8)
    asked: list[Path] = []

    def read(file: Path) -> np.ndarray:
        asked.append(file)
        return frames[int(file.name)]

    found = median_of_files([Path(str(number)) for number in range(7)], read, max_held_bytes=held * frames[0].nbytes)
    np.testing.assert_array_equal(found, temporal_median(frames))
    assert len(asked) == reads


def test_a_median_of_no_files_is_refused() -> None:
    with pytest.raises(FrameError, match="at least one"):
        median_of_files([], lambda file: level(1))
