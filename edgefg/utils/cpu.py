"""Names for this machine's CPU and platform."""

import platform
import sys
from functools import cache
from pathlib import Path

# Instructions for 8-bit integers. With and without them engines use different code, which may round differently.
_INTEGER_INSTRUCTIONS = ("avx2", "avx_vnni", "avx512_vnni", "amx_int8", "asimddp", "i8mm")


@cache
def cpu_model() -> str:
    """Returns the CPU's name, such as ``"AMD EPYC"``."""
    return _field("model name") or platform.processor() or "model unknown"


@cache
def cpu_kind() -> str:
    """Returns the CPU's name and its 8-bit integer instructions. CPUs of one kind compute INT8 networks alike."""
    flags = (_field("flags") or _field("Features")).split()
    return " ".join((cpu_model(), *(name for name in _INTEGER_INSTRUCTIONS if name in flags)))


def platform_tag() -> str:
    """Returns the system and processor, such as ``"linux-aarch64"``. A TensorRT plan loads only on its own platform."""
    return f"{sys.platform}-{platform.machine()}".lower()


def _field(name: str) -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(errors="replace").splitlines() if cpuinfo.is_file() else []
    values = (line.partition(":")[2].strip() for line in lines if line.partition(":")[0].strip() == name)
    return next(values, "")
