"""One Segmenter in several threads."""

import threading
from typing import Any

import numpy as np

from edgefg import Segmenter
from edgefg.bundle.bundle import Bundle
from edgefg.errors import ClosedError

BOX = (8, 12, 16, 20)


def box_mask(box: tuple[int, int, int, int] = BOX) -> np.ndarray:
    x, y, width, height = box
    mask = np.zeros((48, 64), np.uint8)
    mask[y : y + height, x : x + width] = 255
    return mask


def test_setting_the_background_in_another_thread_never_mixes_two(tiny_bundle: Bundle, make_scene: Any) -> None:
    # Of the two backgrounds one is the frame: each mask must be that of the background whose id it names.
    frame, other = make_scene(boxes=[BOX]), make_scene()
    with Segmenter(tiny_bundle, background=other, threads=1, policy="fixed") as segmenter:
        stop = threading.Event()

        def alternate() -> None:
            while not stop.is_set():
                segmenter.background.set(frame)
                segmenter.background.set(other)

        setter = threading.Thread(target=alternate)
        setter.start()
        try:
            results = [segmenter.segment(frame) for _ in range(200)]
        finally:
            stop.set()
            setter.join()
    for result in results:
        expected = box_mask() if result.background_id % 2 else np.zeros((48, 64), np.uint8)
        np.testing.assert_array_equal(result.mask, expected)
    assert len({result.background_id for result in results}) > 1


def test_several_threads_get_the_masks_of_their_own_frames(tiny_bundle: Bundle, make_scene: Any) -> None:
    segmenter = Segmenter(tiny_bundle, background=make_scene(), threads=1, policy="fixed")
    boxes = [(4 * step, 4 * step, 12, 12) for step in range(6)]
    wrong: list[Any] = []

    def segment_many(box: tuple[int, int, int, int]) -> None:
        frame = make_scene(boxes=[box])
        wrong.extend(box for _ in range(30) if not np.array_equal(segmenter.segment(frame).mask, box_mask(box=box)))

    threads = [threading.Thread(target=segment_many, args=(box,)) for box in boxes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    segmenter.close()
    assert wrong == []


def test_closing_while_another_thread_segments_ends_it_cleanly(tiny_bundle: Bundle, make_scene: Any) -> None:
    segmenter = Segmenter(tiny_bundle, background=make_scene(), threads=1, policy="fixed")
    started, ended = threading.Event(), []

    def segment_until_closed() -> None:
        try:
            while True:
                segmenter.segment(make_scene())
                started.set()
        except ClosedError as error:
            ended.append(error)

    worker = threading.Thread(target=segment_until_closed)
    worker.start()
    assert started.wait(timeout=30)
    segmenter.close()
    worker.join(timeout=30)
    assert len(ended) == 1
