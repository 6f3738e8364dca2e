"""The part of a fake package `tensorrt` that all fakes share; they differ in how they run plans."""

from enum import Enum
from types import ModuleType, SimpleNamespace
from typing import Any

VERSION = "10.3.0"


class DataType(Enum):
    UINT8 = "uint8"
    FLOAT = "float32"
    HALF = "float16"


class TensorIOMode(Enum):
    INPUT = 0
    OUTPUT = 1


class Logger:
    class Severity(Enum):
        INTERNAL_ERROR = 0
        ERROR = 1
        WARNING = 2

    def log(self, severity: Severity, msg: str) -> None: ...


class ContextMemory:
    """What an execution context is told of memory before it runs."""

    def __init__(self, engine: Any) -> None:
        self._engine = engine
        self._addresses: dict[str, int] = {}
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._scratch = 0

    def set_device_memory(self, memory: int, size: int) -> None:
        self._scratch = size


def make_module(runtime: type) -> ModuleType:
    """Makes the module, of which only the runtime is the caller's own."""
    tensorrt = ModuleType("tensorrt")
    for name, value in {
        "__version__": VERSION,
        "Builder": object,
        "ILogger": Logger,
        "Runtime": runtime,
        "DataType": DataType,
        "TensorIOMode": TensorIOMode,
        "ExecutionContextAllocationStrategy": SimpleNamespace(USER_MANAGED=2),
    }.items():
        setattr(tensorrt, name, value)
    return tensorrt
