"""The engine that runs both stages on a GPU, from plans that TensorRT compiled.

A slot holds the resources of one batch: memory, a stream, and for each number of frames a context of each stage, all
bound once. Stage 2 reads the distance maps that stage 1 leaves on the GPU. Slots run concurrently, so one batch can be
in stage 1 while another is in stage 2. Backgrounds are embedded in a separate stream, and their features stay on the
GPU.
"""

import threading
import traceback
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from types import ModuleType

import numpy as np

from ...bundle.bundle import Bundle, Variant
from ...bundle.requirements import plan_mismatches
from ...errors import EngineError
from ...imaging.device import DeviceFrame
from ...imaging.io import Image
from ...utils.cpu import platform_tag
from ..io_spec import stage1_contract, stage2_contract
from ..pool import FairPool
from ..protocol import Comparison, EarlyExit, Outcome
from .arrivals import Arrivals
from .cuda import Gpu
from .embedder import Embedder, Features
from .plan import PlanRuntime, scratch_memory
from .runtime_cache import RuntimeCache, runtime_cache_path
from .scaler import Scaler
from .shapes import Shapes
from .slots import Slot, StageContexts


def load_plans(
    module: ModuleType, bundle: Bundle, variant: Variant, threads: int | None, slots: int
) -> "TensorRtEngine":
    """Loads both plans; see `edgefg.engines.open.open_engine` for the arguments and errors. ``threads`` is ignored."""
    return TensorRtEngine(module, bundle, variant, slots)


class TensorRtEngine:
    """An `edgefg.engines.protocol.Engine` on a GPU. It also accepts frames that are already on the GPU.

    Attributes:
        graphs: Whether each stage is launched as a CUDA graph.
        pcie_bytes: Bytes that a frame on the host moves over the bus, ``to_gpu`` and ``from_gpu``.
    """

    def __init__(self, module: ModuleType, bundle: Bundle, variant: Variant, slots: int, graphs: bool = True) -> None:
        """Loads both plans.

        Args:
            module: TensorRT, or TensorRT for RTX.
            bundle: Bundle that contains the plans.
            variant: Variant of the bundle whose plans are loaded.
            slots: Number of batches that may be processed at once.
            graphs: Whether to launch each stage as a CUDA graph, if cuda-bindings is installed.
        """
        self.name = variant.engines[0]
        self.version: str = module.__version__
        self.variant = variant
        self.slots = slots
        self._size = bundle.input_size
        self._doing = f"run {bundle.path}"
        with ExitStack() as stack:
            self._gpu = Gpu()
            stack.callback(self._gpu.close)
            self.machine = self._gpu.name
            mismatches = plan_mismatches(
                variant,
                tensorrt=self.version,
                compute_capability=self._gpu.compute_capability,
                platform=platform_tag(),
            )
            if mismatches:
                raise EngineError(f"{bundle.path}: {'; '.join(map(str, mismatches))}")
            self.max_batch: int = variant.requires["max_batch"]
            try:
                with self._gpu.use(f"load {bundle.path}"):
                    embedder, arrivals, scaler, every = self._load(module, bundle, variant, graphs)
            except BaseException as error:
                _let_go(error)
                raise
            self._resources = stack.pop_all()
        self._embedder, self._arrivals, self._scaler = embedder, arrivals, scaler
        self._pool = FairPool(every, "TensorRT engine")
        self.graphs, self.pcie_bytes = every[0].has_graphs, every[0].pcie_bytes
        self._closing = threading.Lock()

    def _load(
        self, module: ModuleType, bundle: Bundle, variant: Variant, graphs: bool
    ) -> tuple[Embedder, Arrivals, Scaler, list[Slot]]:
        # No nested functions here: they would keep references that `_let_go` cannot clear.
        gpu = self._gpu
        # Only TensorRT for RTX compiles kernels when it runs.
        is_rtx = variant.engines[0] == "tensorrt-rtx"
        cache = gpu.keep(RuntimeCache(runtime_cache_path(bundle, variant))) if is_rtx else None
        runtime = gpu.keep(PlanRuntime(module, cache))
        contracts = stage1_contract(bundle, variant), stage2_contract(bundle, variant)
        stage1, stage2 = gpu.keep(runtime.load(contracts[0])), gpu.keep(runtime.load(contracts[1]))
        one, most = Shapes(bundle), Shapes(bundle, self.max_batch)
        arrivals, scaler = Arrivals(gpu), Scaler(gpu, bundle.input_size)
        embedding = gpu.keep(runtime.context(stage1, contracts[0], scratch_memory(gpu, stage1)))
        embedder = Embedder(gpu, embedding, one)
        blank = embedder.embed(np.zeros(one.frame[1:], np.uint8))
        slots = []
        for _ in range(self.slots):
            # A slot's contexts take turns in one stream, so they share their scratch memory.
            scratch = scratch_memory(gpu, stage1, stage2)
            contexts = []
            for batch in range(1, self.max_batch + 1):
                first = gpu.keep(runtime.context(stage1, contracts[0], scratch, batch))
                second = gpu.keep(runtime.context(stage2, contracts[1], scratch, batch))
                contexts.append(StageContexts(first, second))
            slot = Slot(gpu, contexts, most, scaler, blank, graphs)
            # A thread that has just returned the slot may drop it last, after `close`, and has no context current then.
            gpu.call_at_close(slot.let_go)
            slots.append(slot)
        if cache is not None:
            cache.save()  # All kernels are compiled: each slot has run.
        return embedder, arrivals, scaler, slots

    def embed(self, frame: Image) -> Features:
        self._check(frame)
        with self._gpu.use(self._doing):
            return self._embedder.embed(frame)

    def receive(self, frame: DeviceFrame) -> DeviceFrame:
        """Marks when a frame on the GPU is finished. Call it in the thread that has the frame."""
        with self._gpu.use("receive a frame"):
            return self._arrivals.receive(frame)

    def run(self, frame: Image | DeviceFrame, features: Features, early_exit: EarlyExit | None = None) -> Outcome:
        return self.run_batch([Comparison(frame, features)], early_exit)[0]

    def run_batch(self, batch: Sequence[Comparison], early_exit: EarlyExit | None = None) -> list[Outcome]:
        for frame, _ in batch:
            self._check(frame)
        outcomes: list[Outcome] = []
        for first in range(0, len(batch), self.max_batch):
            with self._pool.lend() as slot, self._gpu.use(self._doing):
                outcomes += slot.run(batch[first : first + self.max_batch], early_exit)
        return outcomes

    @contextmanager
    def bare(self) -> Iterator[list[Slot]]:
        """Yields all slots with the context current, for a benchmark that runs them without the engine."""
        with ExitStack() as stack:
            taken = [stack.enter_context(self._pool.lend()) for _ in range(self.slots)]
            with self._gpu.use(self._doing):
                yield taken

    def to_host(self, frame: DeviceFrame) -> Image:
        """Copies a frame from the GPU to the host, at the networks' size."""
        with self._gpu.use("read a frame"):
            return self._scaler.to_host(frame)

    def close(self) -> None:
        with self._closing:
            self._pool.close()
            self._embedder.close()
            self._arrivals.close()
            self._scaler.close()
            self._resources.close()

    def _check(self, frame: Image | DeviceFrame) -> None:
        wanted = (self._size[1], self._size[0], 3)
        if not isinstance(frame, DeviceFrame) and frame.shape != wanted:
            raise EngineError(f"{self.name} cannot {self._doing}: expected a frame of {wanted}, got {frame.shape}")


def _let_go(error: BaseException | None) -> None:
    """Clears the frames of an error's traceback, so that their objects are freed with the GPU, not with the error."""
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__cause__
