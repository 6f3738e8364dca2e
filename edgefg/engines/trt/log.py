"""What TensorRT says while it builds or loads, kept in place of printed, and put in one line."""

import re
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import tensorrt as trt

# Where in its own source TensorRT noticed: no use to a reader, and longer than the reason.
_SOURCE_LINE = re.compile(r"\s*\bIn \w+ at [^\s)]+|^\[\w+\.\w+::[^\]]*\]\s*")

_LAST = 3
"""How many lines of its log go into an error: TensorRT names the cause last, after what it tried."""


class TensorRtLog:
    """The warnings and errors of what is under way, each line once."""

    def __init__(self) -> None:
        self.warnings: list[str] = []
        self.errors: list[str] = []

    @property
    def count(self) -> int:
        return len(self.warnings) + len(self.errors)

    def clear(self) -> None:
        self.warnings.clear()
        self.errors.clear()

    def add(self, kept: list[str], text: str) -> None:
        line = readable(text)
        if line not in kept:
            kept.append(line)

    def last_errors(self) -> str:
        return "; ".join(self.errors[-_LAST:]) or "it does not say why"


def make_logger(module: ModuleType, log: TensorRtLog) -> "trt.ILogger":
    """A logger of TensorRT's that fills `log` and prints nothing. TensorRT may call it from several threads."""
    if TYPE_CHECKING:
        import tensorrt as trt
    else:
        trt = module
    severe = (trt.ILogger.Severity.INTERNAL_ERROR, trt.ILogger.Severity.ERROR)

    class Logger(trt.ILogger):
        def __init__(self) -> None:
            trt.ILogger.__init__(self)  # Not super(): the binding wants its own constructor to be called.

        def log(self, severity: trt.ILogger.Severity, msg: str) -> None:
            if severity in severe:
                log.add(log.errors, msg)
            elif severity == trt.ILogger.Severity.WARNING:
                log.add(log.warnings, msg)

    return Logger()


def readable(text: str) -> str:
    """A message of TensorRT's in one line, without the places in its source."""
    return " ".join(_SOURCE_LINE.sub("", text).split())
