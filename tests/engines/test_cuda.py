"""All that is asked of CUDA: memory, streams, events, graphs and contexts, on the fake GPU and on a real one."""

import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from edgefg.errors import ClosedError, EngineError, MissingDependencyError

from ..support import fake_gpu

COUNT = 4096


@pytest.fixture(params=["fake", pytest.param("real", marks=pytest.mark.gpu)])
def cuda(request: pytest.FixtureRequest) -> Any:
    """The module `edgefg.engines.trt.cuda`."""
    if request.param == "fake":
        fake_gpu.install(request.getfixturevalue("monkeypatch"))
    import edgefg.engines.trt.cuda

    return edgefg.engines.trt.cuda


@pytest.fixture
def gpu(cuda: Any) -> Iterator[Any]:
    opened = cuda.Gpu()
    yield opened
    opened.close()


class Shuttle:
    """Takes bytes up to the GPU, across, and down again."""

    def __init__(self, gpu: Any) -> None:
        self.stream, self.done = gpu.stream(), gpu.event()
        self.host, self.back = gpu.pinned((COUNT,), np.uint8), gpu.pinned((COUNT,), np.uint8)
        self.first, self.second = gpu.allocate(COUNT), gpu.allocate(COUNT)
        self._gpu = gpu

    def enqueue(self, stream: Any) -> None:
        self._gpu.upload(self.first, self.host, stream)
        self._gpu.copy(self.second, self.first.address, stream)
        self._gpu.download(self.back, self.second, stream)

    def carry(self, level: int) -> np.ndarray:
        self.host[:] = level
        self.enqueue(self.stream)
        self.done.record(self.stream)
        self.done.synchronize()
        return self.back.copy()


def test_a_gpu_says_what_it_is(gpu: Any) -> None:
    assert gpu.name
    major, _, minor = gpu.compute_capability.partition(".")
    assert major.isdecimal()
    assert minor.isdecimal()


def test_bytes_come_back_as_they_went(gpu: Any) -> None:
    with gpu.use("carry"):
        shuttle = Shuttle(gpu)
        for level in (7, 200):
            assert (shuttle.carry(level) == level).all()


def test_memory_is_cleared_and_read(gpu: Any) -> None:
    with gpu.use("clear"):
        buffer = gpu.allocate(COUNT)
        gpu.clear(buffer, gpu.stream())
        assert not gpu.read(buffer.address, (COUNT // 4,), np.float32).any()


def test_events_tell_the_time_between_them(gpu: Any) -> None:
    with gpu.use("measure"):
        shuttle, began = Shuttle(gpu), gpu.event()
        began.record(shuttle.stream)
        shuttle.carry(1)
        assert shuttle.done.time_since(began) >= 0


def test_a_graph_does_what_was_recorded(gpu: Any) -> None:
    with gpu.use("record"):
        shuttle = Shuttle(gpu)
        shuttle.carry(1)
        launch = gpu.record(shuttle.enqueue, shuttle.stream)
        assert launch is not None
        assert (shuttle.back == 1).all()
        for level in (3, 4):
            shuttle.host[:] = level
            launch()
            shuttle.stream.synchronize()
            assert (shuttle.back == level).all()


def test_other_threads_go_on_while_a_graph_is_recorded(gpu: Any) -> None:
    """Of the default stream, too, as torch uses it, and a plain copy."""
    wrong: list[object] = []

    def use_the_gpu() -> None:
        try:
            with gpu.use("carry"):
                assert (Shuttle(gpu).carry(5) == 5).all()
                buffer = gpu.allocate(COUNT)
                gpu.clear(buffer, gpu.stream())
                assert not gpu.read(buffer.address, (COUNT,), np.uint8).any()
        except BaseException as error:
            wrong.append(error)

    with gpu.use("record"):
        shuttle = Shuttle(gpu)
        shuttle.carry(1)

        def enqueue(stream: Any) -> None:
            shuttle.enqueue(stream)
            other = threading.Thread(target=use_the_gpu)
            other.start()
            other.join(60)

        launch = gpu.record(enqueue, shuttle.stream)
        assert wrong == []
        assert launch is not None
        shuttle.host[:] = 3
        launch()
        shuttle.stream.synchronize()
        assert (shuttle.back == 3).all()


def test_another_gpu_that_closes_waits_until_a_graph_is_recorded(cuda: Any, gpu: Any) -> None:
    other, closed = cuda.Gpu(), threading.Event()
    wrong: list[object] = []

    def close() -> None:
        try:
            other.close()
        except BaseException as error:
            wrong.append(error)
        closed.set()

    with gpu.use("record"):
        shuttle = Shuttle(gpu)
        shuttle.carry(1)

        def enqueue(stream: Any) -> None:
            threading.Thread(target=close).start()
            assert not closed.wait(0.2)
            shuttle.enqueue(stream)

        assert gpu.record(enqueue, shuttle.stream) is not None
    assert closed.wait(60)
    assert wrong == []


def fails(stream: Any) -> None:
    raise EngineError("TensorRT cannot run this plan")


def waits(stream: Any) -> None:
    stream.synchronize()


@pytest.mark.parametrize("spoil", [fails, waits])
def test_work_that_cannot_be_captured_gives_no_graph_and_still_runs(gpu: Any, spoil: Any) -> None:
    with gpu.use("record"):
        shuttle = Shuttle(gpu)
        shuttle.carry(1)
        calls: list[Any] = []

        def enqueue(stream: Any) -> None:
            calls.append(stream)
            shuttle.enqueue(stream)
            if len(calls) > 1:  # The first call is not captured.
                spoil(stream)

        assert gpu.record(enqueue, shuttle.stream) is None
        assert len(calls) == 2
        assert (shuttle.carry(2) == 2).all()
        assert gpu.record(shuttle.enqueue, shuttle.stream) is not None


def test_without_cuda_bindings_there_are_no_graphs(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_gpu.install(monkeypatch, graphs=False)
    from edgefg.engines.trt.cuda import Gpu

    gpu = Gpu()
    with gpu.use("record"):
        shuttle = Shuttle(gpu)
        assert gpu.record(shuttle.enqueue, shuttle.stream) is None
        shuttle.enqueue(shuttle.stream)
        assert gpu.moment() is None
        gpu.settle()
        assert (shuttle.back == shuttle.host).all()
    gpu.close()


def test_a_stream_waits_for_a_moment_of_another(cuda: Any, gpu: Any) -> None:
    with gpu.use("wait"):
        shuttle, moment = Shuttle(gpu), gpu.moment()
        theirs = cuda.driver.Stream()
        shuttle.host[:] = 9
        gpu.upload(shuttle.first, shuttle.host, theirs)
        moment.mark(theirs.handle)
        moment.delay(shuttle.stream)
        gpu.download(shuttle.back, shuttle.first, shuttle.stream)
        shuttle.stream.synchronize()
        assert (shuttle.back == 9).all()


def test_the_host_waits_for_a_moment_of_the_default_stream(cuda: Any, gpu: Any) -> None:
    with gpu.use("wait"):
        shuttle, moment = Shuttle(gpu), gpu.moment()
        # The default stream waits for blocking streams, such as this one.
        theirs = cuda.driver.Stream()
        shuttle.enqueue(theirs)
        moment.mark(1)
        moment.synchronize()
        assert (shuttle.back == shuttle.host).all()


def test_any_thread_may_call(gpu: Any) -> None:
    wrong: list[object] = []

    def work(level: int) -> None:
        try:
            with gpu.use("carry"):
                shuttle = Shuttle(gpu)
            for _ in range(20):
                with gpu.use("carry"):
                    wrong.extend(value for value in np.unique(shuttle.carry(level)) if value != level)
        except BaseException as error:
            wrong.append(error)

    threads = [threading.Thread(target=work, args=(level,)) for level in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert wrong == []


def test_more_memory_than_there_is_is_an_error_and_the_rest_is_freed(cuda: Any) -> None:
    gpu = cuda.Gpu()
    with gpu.use("ask"):
        before = cuda.driver.mem_get_info()[0]
    told = r"cannot fill it: the memory of .* is exhausted, \d+ of \d+ MiB are free"
    with pytest.raises(EngineError, match=told), gpu.use("fill it"):
        gpu.allocate(16 << 20)
        gpu.allocate(1 << 45)
    gpu.close()
    again = cuda.Gpu()
    with again.use("ask"):
        assert before - cuda.driver.mem_get_info()[0] < 16 << 20
    again.close()


def test_a_call_that_fails_says_what_was_done(gpu: Any) -> None:
    with pytest.raises(EngineError, match=r"cannot read nothing on .*: "), gpu.use("read nothing"):
        gpu.read(8, (COUNT,), np.uint8)


def test_a_closed_gpu_says_so_and_closes_twice(cuda: Any) -> None:
    gpu, other = cuda.Gpu(), cuda.Gpu()
    gpu.close()
    gpu.close()
    with pytest.raises(ClosedError, match="this GPU was closed"), gpu.use("work"):
        pass
    # They share a context, which the other still has.
    with other.use("work"):
        assert (Shuttle(other).carry(5) == 5).all()
    other.close()


def test_a_gpu_that_is_not_there(cuda: Any) -> None:
    with pytest.raises(MissingDependencyError, match=r"expected an NVIDIA GPU with number 99 .*engine='openvino'"):
        cuda.Gpu(99)
