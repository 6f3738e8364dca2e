"""Forked processes, as gunicorn's preload and multiprocessing make them, and pickle: an error at once, never a hang."""

import copy
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from edgefg import Pipeline, Segmenter
from edgefg.bundle.bundle import Bundle
from edgefg.errors import ClosedError, OtherProcessError

from ..support.forking import in_fork

pytest.importorskip("openvino")

FORKED = "OtherProcessError: this {} was made before a fork, which its threads do not survive; make it in the process"


@pytest.fixture(scope="module")
def frames(make_scene: Any) -> list[np.ndarray]:
    return [make_scene(), *(make_scene(boxes=((4 * step, 16, 16, 16),)) for step in range(5))]


@pytest.fixture(scope="module")
def segmenter(tiny_bundle: Bundle, frames: list[np.ndarray]) -> Iterator[Segmenter]:
    with Segmenter(tiny_bundle, threads=1) as segmenter:
        for frame in frames[:3]:
            segmenter.segment(frame)
        yield segmenter


@pytest.fixture(scope="module")
def pipeline(tiny_bundle: Bundle, frames: list[np.ndarray]) -> Iterator[Pipeline]:
    with Pipeline(tiny_bundle, threads=1, slots=2) as pipeline:
        list(pipeline.map(frames[:3], "door"))
        yield pipeline


class TestSegmenter:
    @pytest.mark.parametrize(
        ("what", "use"),
        [
            ("Segmenter", lambda one, frame: one.segment(frame)),
            ("Background", lambda one, frame: one.background.settle()),
            ("Background", lambda one, frame: one.background.set(frame)),
            ("Background", lambda one, frame: one.background.freeze()),
            ("Background", lambda one, frame: one.background.reset()),
        ],
        ids=["segment", "settle", "set", "freeze", "reset"],
    )
    def test_says_so_at_once(
        self, segmenter: Segmenter, frames: list[np.ndarray], what: str, use: Callable[..., object]
    ) -> None:
        assert in_fork(lambda: use(segmenter, frames[0])).startswith(FORKED.format(what))

    def test_closing_it_does_nothing(self, segmenter: Segmenter, frames: list[np.ndarray]) -> None:
        assert in_fork(segmenter.close) == "None"
        assert segmenter.segment(frames[0]).mask.shape == (48, 64)

    def test_its_background_can_be_read_and_saved(self, segmenter: Segmenter, tmp_path: Any) -> None:
        def save() -> object:
            segmenter.background.save(tmp_path / "door.npz")
            return segmenter.background.id

        assert in_fork(save) == str(segmenter.background.id)
        segmenter.background.load(tmp_path / "door.npz")

    def test_the_parent_goes_on(self, segmenter: Segmenter, frames: list[np.ndarray]) -> None:
        in_fork(lambda: segmenter.segment(frames[0]))
        segmenter.background.settle()
        assert segmenter.segment(frames[5]).mask.any()

    def test_even_while_a_lock_is_held(self, segmenter: Segmenter) -> None:
        """By a thread that the child does not have."""
        condition = vars(vars(segmenter.background)["_worker"])["_changed"]
        with condition:
            assert in_fork(segmenter.background.settle).startswith(FORKED.format("Background"))
            assert in_fork(segmenter.close) == "None"


class TestPipeline:
    @pytest.mark.parametrize(
        "use",
        [
            lambda one, frame: one.submit(frame, "door"),
            lambda one, frame: one.take(),
            lambda one, frame: next(iter(one)),
            lambda one, frame: list(one.map([frame])),
            lambda one, frame: one.flush(),
            lambda one, frame: one.remove("door"),
            lambda one, frame: one.statistics,
            lambda one, frame: one.backgrounds["door"],
            lambda one, frame: list(one.backgrounds),
        ],
        ids=["submit", "take", "iterate", "map", "flush", "remove", "statistics", "background", "names"],
    )
    def test_says_so_at_once(self, pipeline: Pipeline, frames: list[np.ndarray], use: Callable[..., object]) -> None:
        assert in_fork(lambda: use(pipeline, frames[0])).startswith(FORKED.format("Pipeline"))

    def test_async_iteration_says_so(self, pipeline: Pipeline) -> None:
        import asyncio

        async def take() -> object:
            async for result in pipeline:
                return result
            return None

        assert in_fork(lambda: asyncio.run(take())).startswith(FORKED.format("Pipeline"))

    def test_closing_it_does_nothing(self, pipeline: Pipeline, frames: list[np.ndarray]) -> None:
        assert in_fork(pipeline.close) == "None"
        assert len(list(pipeline.map(frames))) == len(frames)

    def test_even_while_a_lock_is_held(self, pipeline: Pipeline) -> None:
        with vars(pipeline)["_work"], vars(pipeline)["_closing"]:
            assert in_fork(lambda: pipeline.statistics).startswith(FORKED.format("Pipeline"))
            assert in_fork(pipeline.close) == "None"


def test_a_child_that_ends_by_itself_does_not_hang(tiny_bundle: Bundle) -> None:
    """What is registered for the end of the program runs there, too."""
    code = (
        "import os, sys, numpy as np, edgefg\n"
        "frame = np.zeros((48, 64, 3), np.uint8)\n"
        "segmenter, pipeline = edgefg.Segmenter(sys.argv[1]), edgefg.Pipeline(sys.argv[1])\n"
        "segmenter.segment(frame); segmenter.segment(frame + 50); list(pipeline.map([frame] * 3))\n"
        "if os.fork() == 0: sys.exit(7)\n"
        "print(os.waitstatus_to_exitcode(os.wait()[1]))"
    )
    ended = subprocess.run([sys.executable, "-c", code, str(tiny_bundle.path)], capture_output=True, timeout=30)
    assert ended.stdout.split() == [b"7"], ended.stderr


class TestPickle:
    @pytest.mark.parametrize("send", [pickle.dumps, copy.copy, copy.deepcopy])
    def test_what_has_threads_says_what_to_do(
        self, segmenter: Segmenter, pipeline: Pipeline, send: Callable[[object], object]
    ) -> None:
        for one in (segmenter, pipeline):
            with pytest.raises(OtherProcessError, match=r"cannot be pickled or copied.*make one in each process$"):
                send(one)
        with pytest.raises(OtherProcessError, match=r"background\.save\(path\)"):
            send(segmenter.background)

    def test_a_closed_one_too(self, tiny_bundle: Bundle) -> None:
        segmenter = Segmenter(tiny_bundle, threads=1)
        segmenter.close()
        with pytest.raises(OtherProcessError):
            pickle.dumps(segmenter)
        with pytest.raises(ClosedError):
            segmenter.segment(np.zeros((48, 64, 3), np.uint8))

    def test_the_error_itself_can_be_sent(self, segmenter: Segmenter) -> None:
        """A pool of processes passes it on to the parent."""
        with pytest.raises(OtherProcessError) as raised:
            pickle.dumps(segmenter)
        assert str(pickle.loads(pickle.dumps(raised.value))) == str(raised.value)

    def test_results_and_what_they_are_made_from_can_be_sent(
        self, segmenter: Segmenter, pipeline: Pipeline, frames: list[np.ndarray]
    ) -> None:
        result = segmenter.segment(frames[5])
        np.testing.assert_array_equal(pickle.loads(pickle.dumps(result)).mask, result.mask)
        (other,) = pipeline.map(frames[5:6], "door")
        assert pickle.loads(pickle.dumps(other)).camera == "door"
        bundle = pickle.loads(pickle.dumps(segmenter.bundle))
        with Segmenter(bundle, threads=1, policy=pickle.loads(pickle.dumps(segmenter.background.policy))) as copied:
            assert copied.segment(frames[0]).background_adopted
