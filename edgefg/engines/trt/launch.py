"""The launch of one stage, as a CUDA graph or call by call."""

from collections.abc import Callable
from typing import Any

import numpy.typing as npt

from .cuda import Gpu, Span
from .plan import PlanContext


class StageLaunch:
    """Runs one stage on a fixed number of frames, and copies what it finds to the host.

    A graph belongs to the context that it was recorded from, which must not change afterwards. So each number of frames
    has a context of its own.
    """

    def __init__(
        self, gpu: Gpu, context: PlanContext, found: Span, on_host: npt.NDArray[Any], stream: Any, **addresses: Span
    ) -> None:
        """Binds a context.

        Args:
            gpu: The GPU.
            context: Context of the stage, for this launch alone.
            found: Output that is copied to the host.
            on_host: Pinned array for it, as long as the frames that are launched need.
            stream: Stream that the work is enqueued in.
            **addresses: All inputs and outputs of the stage.
        """
        self._gpu = gpu
        self._context = context
        self._found, self._on_host = found, on_host
        self._stream = stream
        # A slot that held its own methods would be freed only when Python collects reference cycles.
        self._graph: Callable[[], None] | None = None
        context.bind(**addresses)

    @property
    def is_graph(self) -> bool:
        """Whether the stage is launched as a CUDA graph."""
        return self._graph is not None

    def record(self) -> None:
        """Records the graph, where there can be one. Call it after a first run, when the stream is idle."""
        if self._context.can_be_captured(self._stream):
            self._graph = self._gpu.record(self._enqueue, self._stream)

    def __call__(self) -> None:
        """Enqueues the work."""
        if self._graph is None:
            self._enqueue(self._stream)
        else:
            self._graph()

    def _enqueue(self, stream: Any) -> None:
        self._context.enqueue(stream)
        self._gpu.download(self._on_host, self._found, stream)
