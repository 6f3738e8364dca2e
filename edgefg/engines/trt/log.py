"""TensorRT's messages during builds and loads, which are kept as single lines instead of printed."""

import re
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import tensorrt as trt

# The position in TensorRT's own source, which is longer than the reason and does not help you.
_SOURCE_LINE = re.compile(r"\s*\bIn \w+ at [^\s)]+|^\[\w+\.\w+::[^\]]*\]\s*")

_LAST = 3
"""Number of log lines in an error. TensorRT names the cause last, after its attempts."""


class TensorRtLog:
    """The warnings and errors of the current task, each line once."""

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
        return "; ".join(self.errors[-_LAST:]) or "TensorRT reports no reason"


def make_logger(module: ModuleType, log: TensorRtLog) -> "trt.ILogger":
    """Makes a TensorRT logger that fills `log` and prints nothing. TensorRT may call it from several threads."""
    if TYPE_CHECKING:
        import tensorrt as trt
    else:
        trt = module
    severe = (trt.ILogger.Severity.INTERNAL_ERROR, trt.ILogger.Severity.ERROR)

    class Logger(trt.ILogger):
        def __init__(self) -> None:
            trt.ILogger.__init__(self)  # Not super(): the binding requires a call of its own constructor.

        def log(self, severity: trt.ILogger.Severity, msg: str) -> None:
            if severity in severe:
                log.add(log.errors, msg)
            elif severity == trt.ILogger.Severity.WARNING:
                log.add(log.warnings, msg)

    return Logger()


def readable(text: str) -> str:
    """Returns a message of TensorRT as one line, without positions in its source."""
    return " ".join(_SOURCE_LINE.sub("", text).split())
