"""Frames that another library still works on when it hands them over, on the fake GPU and on a real one."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from edgefg import Pipeline, Segmenter
from edgefg.bundle.bundle import Bundle
from edgefg.errors import FrameError

from ..support.fake_gpu import FakeGpu
from ..support.gpu_plans import expected_masks, random_frame
from ..support.gpu_plans import fake_plans as fake_plans
from ..support.gpu_plans import gpu as gpu
from ..support.gpu_plans import plans as plans
from ..support.producers import Array, OfDlpack, OfThisThread, Producer

pytest.importorskip("onnxruntime")


@pytest.fixture
def producer(plans: Bundle) -> Iterator[Producer]:
    made = Producer()
    yield made
    made.close()


def masks_of(plans: Bundle, arrays: list[Any], background: np.ndarray) -> list[np.ndarray]:
    name = plans.variants[0].engines[0]
    with Pipeline(plans, engine=name, slots=3, policy="fixed") as pipeline:
        pipeline.backgrounds[""].set(background)
        return [result.mask for result in pipeline.map(arrays)]


@pytest.mark.parametrize("kind", [Array, OfThisThread, OfDlpack])
def test_are_waited_for(kind: type[Array], plans: Bundle, tiny_bundle: Bundle, producer: Producer) -> None:
    frames = [random_frame() for _ in range(8)]
    masks = masks_of(plans, [producer.array(kind, frame) for frame in frames], frames[0])
    for mask, expected in zip(masks, expected_masks(tiny_bundle, frames), strict=True):
        np.testing.assert_array_equal(mask, expected)


def test_without_a_stream_wait_for_the_default_stream(plans: Bundle, tiny_bundle: Bundle, producer: Producer) -> None:
    frames = [random_frame() for _ in range(4)]
    arrays = [producer.array(Array, frame, version=2, stream=None) for frame in frames]
    for mask, expected in zip(masks_of(plans, arrays, frames[0]), expected_masks(tiny_bundle, frames), strict=True):
        np.testing.assert_array_equal(mask, expected)


def test_become_backgrounds_once_they_are_finished(plans: Bundle, producer: Producer) -> None:
    frame = random_frame()
    with Segmenter(plans, engine=plans.variants[0].engines[0], policy="fixed") as segmenter:
        assert segmenter.segment(producer.array(OfThisThread, frame)).background_adopted  # type: ignore[arg-type]
        np.testing.assert_array_equal(segmenter.background.image, frame)


def test_that_cannot_be_waited_for_are_errors_in_place_of_their_results(plans: Bundle, producer: Producer) -> None:
    broken = producer.array(OfDlpack, random_frame())
    broken.fails = True
    with Pipeline(plans, engine=plans.variants[0].engines[0], policy="fixed") as pipeline:
        pipeline.backgrounds[""].set(random_frame())
        pipeline.submit(broken)  # type: ignore[arg-type]
        pipeline.submit(random_frame())
        with pytest.raises(
            FrameError, match=r"must name its stream or have a working __dlpack__; .*not exported"
        ) as told:
            pipeline.take(60)
        assert told.value.sequence == 0
        assert pipeline.take(60).sequence == 1


def test_no_stream_of_the_engine_waits_for_the_default_stream(gpu: FakeGpu, fake_plans: Bundle) -> None:
    with Segmenter(fake_plans, background=random_frame(), engine="tensorrt", policy="fixed") as segmenter:
        segmenter.segment(random_frame())
        assert gpu.streams
        assert not any(stream.blocking for stream in gpu.streams.values())


def test_of_one_camera_share_a_few_moments(gpu: FakeGpu, fake_plans: Bundle) -> None:
    producer = Producer()
    before = len(gpu.alive)
    with Segmenter(fake_plans, background=random_frame(), engine="tensorrt", policy="fixed") as segmenter:
        segmenter.segment(producer.array(OfThisThread, random_frame()))  # type: ignore[arg-type]
        opened = len(gpu.alive)
        assert opened > before
        for _ in range(10):
            segmenter.segment(producer.array(OfThisThread, random_frame()))  # type: ignore[arg-type]
        assert len(gpu.alive) <= opened + 20  # Each array has a stream of its own, and the other threads' one.
    producer.close()
