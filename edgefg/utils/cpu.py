"""What machine this is: which kind of CPU computes."""

import platform
import sys
from functools import cache
from pathlib import Path

# Instructions for 8-bit integers: with and without them engines take different ways, and may round differently.
_INTEGER_INSTRUCTIONS = ("avx2", "avx_vnni", "avx512_vnni", "amx_int8", "asimddp", "i8mm")


@cache
def cpu_model() -> str:
    """The CPU's name, such as ``"AMD EPYC"``."""
    return _field("model name") or platform.processor() or "model unknown"


@cache
def cpu_kind() -> str:
    """The CPU's name and its instructions for 8-bit integers: two of one kind compute INT8 networks alike."""
    flags = (_field("flags") or _field("Features")).split()
    return " ".join((cpu_model(), *(name for name in _INTEGER_INSTRUCTIONS if name in flags)))


def platform_tag() -> str:
    """The system and its processor, such as ``"linux-aarch64"``: plans of TensorRT load on theirs only."""
    return f"{sys.platform}-{platform.machine()}".lower()


def _field(name: str) -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(errors="replace").splitlines() if cpuinfo.is_file() else []
    values = (line.partition(":")[2].strip() for line in lines if line.partition(":")[0].strip() == name)
    return next(values, "")
