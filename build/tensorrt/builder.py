"""Compiler from ONNX to a TensorRT engine: one code path for TensorRT 10 and 11, and for TensorRT for RTX.

Precision lives in the ONNX: every network is strongly typed, so no flag here sets FP16 or INT8. Only the standard
library and TensorRT are imported, and TensorRT only when a compiler is opened: a Jetson has neither torch nor onnx.
"""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from edgefg.bundle.requirements import PLAN_ENGINES
from edgefg.engines.trt.library import import_tensorrt
from edgefg.engines.trt.log import TensorRtLog, make_logger, readable
from edgefg.errors import CompileError, EdgefgError, MissingDependencyError, OptionError
from edgefg.utils.cpu import platform_tag
from edgefg.utils.progress import Progress

from .gpu import compute_capability, no_gpu
from .progress import BuildMonitor, make_monitor, run_watched
from .refusal import parser_refusal
from .timing_cache import attach_timing_cache, save_timing_cache

if TYPE_CHECKING:
    import tensorrt as trt

MAX_OPTIMIZATION_LEVEL = 5

_CAPABILITY = re.compile(r"\d+\.\d")


@dataclass(frozen=True)
class CompileOptions:
    """Options of a compilation.

    Attributes:
        max_batch: Largest number of frames in one run; the engine is tuned for one.
        workspace_bytes: Largest GPU memory, in bytes, that a layer may use for its scratch data.
        optimization_level: 0 (fast build) to 5 (fast engine); None is TensorRT's default.
        timing_cache: A file that keeps measurements between builds on one GPU. TensorRT for RTX measures nothing
            while it builds, and ignores the file.
        compute_capabilities: Compute capabilities to compile for, such as ``"8.6"``. Only TensorRT for RTX can choose;
            if empty, it compiles for all that it counts as portable. TensorRT compiles for this machine's GPU.

    Raises:
        OptionError: A value is out of range.
    """

    max_batch: int = 1
    workspace_bytes: int = 1 << 30
    optimization_level: int | None = None
    timing_cache: Path | None = None
    compute_capabilities: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.max_batch < 1:
            raise OptionError(f"expected a largest batch of at least 1, got {self.max_batch}")
        if self.workspace_bytes < 1:
            raise OptionError(f"expected a workspace of at least 1 byte, got {self.workspace_bytes}")
        if self.optimization_level is not None and not 0 <= self.optimization_level <= MAX_OPTIMIZATION_LEVEL:
            raise OptionError(
                f"expected an optimization level from 0 to {MAX_OPTIMIZATION_LEVEL}, got {self.optimization_level}"
            )
        for text in self.compute_capabilities:
            if not _CAPABILITY.fullmatch(text):
                raise OptionError(f'expected a compute capability such as "8.6", got {text!r}')
        if len(set(self.compute_capabilities)) < len(self.compute_capabilities):
            raise OptionError(f"expected each compute capability once, got {', '.join(self.compute_capabilities)}")


@dataclass(frozen=True)
class Plan:
    """A compiled engine.

    Attributes:
        data: The engine, as TensorRT loads it.
        record: The compiler, its options and the GPUs, for the bundle's manifest.
        warnings: Warnings of TensorRT, and of the timing cache.
    """

    data: bytes
    record: dict[str, Any]
    warnings: tuple[str, ...]


def open_compiler(target: str) -> "Compiler":
    """Loads the TensorRT of a target.

    Args:
        target: ``"tensorrt"``, or ``"tensorrt-rtx"``, which compiles without a GPU.

    Raises:
        OptionError: There is no such target.
        MissingDependencyError: TensorRT is missing or too old, or the GPU that it needs is missing.
    """
    if target not in PLAN_ENGINES:
        raise OptionError(f"expected a target of TensorRT ({', '.join(PLAN_ENGINES)}), got {target!r}")
    module = import_tensorrt(target)
    return Compiler(target, module, (compute_capability(),) if target == "tensorrt" else ())


class Compiler:
    """A loaded TensorRT, which compiles one network at a time; see `open_compiler`.

    Attributes:
        target: ``"tensorrt"`` or ``"tensorrt-rtx"``.
        version: TensorRT's version.
    """

    def __init__(self, target: str, module: ModuleType, capabilities: tuple[str, ...]) -> None:
        if TYPE_CHECKING:
            # An imported module keeps its types for mypy; one that is passed in has none.
            import tensorrt as trt
        else:
            trt = module
        self.target = target
        self.version = trt.__version__
        self._title = f"{PLAN_ENGINES[target]} {self.version}"
        self._trt = trt
        self._capabilities = capabilities
        self._log = TensorRtLog()
        self._logger = make_logger(module, self._log)
        try:
            self._builder = trt.Builder(self._logger)
        except (TypeError, RuntimeError) as error:
            found = self._log.last_errors() if self._log.errors else readable(str(error))
            if target == "tensorrt":
                raise no_gpu(found) from error
            raise MissingDependencyError(f"{self._title} does not start: {found}") from error

    def compile(
        self,
        onnx: bytes,
        *,
        name: str,
        options: CompileOptions,
        progress: Progress = lambda what, done, total: None,
    ) -> Plan:
        """Compiles a network whose dimensions are all fixed except the first, the batch.

        Args:
            onnx: The contents of an ONNX file.
            name: Name of the network in errors.
            options: Options of the compilation.
            progress: Receives the progress of each phase, from another thread but never twice at once; phases nest.
                An exception that it raises ends the build and is raised here.

        Raises:
            OptionError: TensorRT cannot compile for a requested GPU.
            CompileError: TensorRT cannot compile the network.
            KeyboardInterrupt: Ctrl-C was pressed; the build has ended.
        """
        trt = self._trt
        started = time.perf_counter()
        self._log.clear()
        warnings: list[str] = []
        with self._compile_errors(name):
            network = self._builder.create_network(self._network_flags())
            parser = trt.OnnxParser(network, self._logger)  # It owns the weights, so it has to outlive the build.
            self._parse(parser, network, onnx, name)
            config = self._configuration(network, name, options)
            cache = options.timing_cache if self.target == "tensorrt" else None
            if cache is not None:
                warnings += attach_timing_cache(config, cache, self._log)
            watch = BuildMonitor(progress)
            config.progress_monitor = make_monitor(trt, watch)
            built = run_watched(lambda: self._builder.build_serialized_network(network, config), watch)
        if watch.failure is not None:
            raise watch.failure
        if built is None:
            raise CompileError(f"{name}: {self._title} cannot build it: {self._log.last_errors()}")
        data = bytes(built)
        if cache is not None:
            warnings += save_timing_cache(config, cache)
        record = {
            "target": self.target,
            "version": self.version,
            "platform": platform_tag(),
            "compute_capabilities": list(options.compute_capabilities or self._capabilities),
            "strongly_typed": True,
            "max_batch": options.max_batch,
            "workspace_bytes": options.workspace_bytes,
            "optimization_level": config.builder_optimization_level,
            "timing_cache": cache is not None,
            "graph_capture": self._allocates_ahead() or self.target == "tensorrt",
            "build_seconds": round(time.perf_counter() - started, 3),
            "bytes": len(data),
        }
        return Plan(data, record, (*warnings, *self._log.warnings))

    def _network_flags(self) -> int:
        # TensorRT 11 has no other networks, and keeps the flag only so that older code runs.
        flag = self._trt.NetworkDefinitionCreationFlag.__members__.get("STRONGLY_TYPED")
        return 0 if flag is None else 1 << int(flag)

    def _allocates_ahead(self) -> bool:
        """Reports whether this TensorRT needs a flag to leave all allocation to edgefg.

        A run that allocates memory cannot be captured. TensorRT for RTX needs the flag; TensorRT never allocates while
        it runs networks of fixed dimensions.
        """
        return "REQUIRE_USER_ALLOCATION" in self._trt.BuilderFlag.__members__

    def _parse(self, parser: "trt.OnnxParser", network: "trt.INetworkDefinition", onnx: bytes, name: str) -> None:
        if not parser.parse(onnx):
            raise CompileError(f"{name}: {self._title}: {parser_refusal(parser, self._log)}")
        # Bytes that are not ONNX at all may pass as one without nodes.
        if not network.num_outputs:
            raise CompileError(f"{name}: expected an ONNX file, found {len(onnx)} bytes without a network")

    def _configuration(
        self, network: "trt.INetworkDefinition", name: str, options: CompileOptions
    ) -> "trt.IBuilderConfig":
        trt = self._trt
        config = self._builder.create_builder_config()
        config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, options.workspace_bytes)
        if options.optimization_level is not None:
            config.builder_optimization_level = options.optimization_level
        # A stage has no branches worth streams of their own, and those of all slots would compete.
        config.max_aux_streams = 0
        # FP32 means FP32: TF32 keeps 10 of its 23 mantissa bits, and a bundle's figures were measured with all.
        config.clear_flag(trt.BuilderFlag.TF32)
        if self._allocates_ahead():
            config.set_flag(trt.BuilderFlag.REQUIRE_USER_ALLOCATION)
        if options.compute_capabilities:
            self._choose_gpus(config, options.compute_capabilities)
        self._set_shapes(network, config, name, options.max_batch)
        return config

    def _set_shapes(
        self, network: "trt.INetworkDefinition", config: "trt.IBuilderConfig", name: str, max_batch: int
    ) -> None:
        profile = self._builder.create_optimization_profile()
        for index in range(network.num_inputs):
            tensor = network.get_input(index)
            batch, *sides = tuple(tensor.shape) or (0,)
            if batch not in (-1, max_batch) or -1 in sides:
                raise CompileError(
                    f"{name}: expected only the batch of {tensor.name} to be dynamic, or fixed at "
                    f"{max_batch}, found {tuple(tensor.shape)}; export it with edgefg build"
                )
            least = (1 if batch == -1 else batch, *sides)
            if max_batch == 1:
                # Kernels for fixed shapes can be faster, and need no shapes computed before each run.
                tensor.shape = least
            profile.set_shape(tensor.name, least, least, (max_batch, *sides))
        config.add_optimization_profile(profile)

    def _choose_gpus(self, config: "trt.IBuilderConfig", wanted: tuple[str, ...]) -> None:
        if self.target == "tensorrt":
            raise OptionError(
                f"TensorRT compiles for this machine's GPU ({', '.join(self._capabilities)}) only, "
                f"got {', '.join(wanted)}; run edgefg compile on the device, or use target='tensorrt-rtx'"
            )
        members = self._trt.ComputeCapability.__members__
        known = {f"{key[2:-1]}.{key[-1]}": member for key, member in members.items() if key.startswith("SM")}
        config.num_compute_capabilities = len(wanted)
        for index, text in enumerate(wanted):
            if text not in known:
                raise OptionError(f"{self._title} compiles for {', '.join(known)}, got {text}")
            config.set_compute_capability(known[text], index)

    @contextmanager
    def _compile_errors(self, name: str) -> Iterator[None]:
        try:
            yield
        except EdgefgError:
            raise
        except (RuntimeError, TypeError, ValueError, MemoryError) as error:
            raise CompileError(f"{name}: {self._title} failed: {readable(str(error))}") from error
