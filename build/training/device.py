"""The device and the precision of training."""

import os
import shutil
from contextlib import AbstractContextManager
from pathlib import Path

import torch

from edgefg.errors import OptionError
from edgefg.utils.validation import check_choice


def choose_device(name: str) -> torch.device:
    """Returns the device for ``auto`` (CUDA where available), ``cpu`` or ``cuda``.

    Raises:
        OptionError: The name is another, or it is ``cuda`` and torch finds no CUDA GPU.
    """
    check_choice("device", name, ("auto", "cpu", "cuda"))
    if name == "cuda" and not torch.cuda.is_available():
        raise OptionError("device='cuda': torch finds no CUDA GPU; pass device='cpu', or install a CUDA build of torch")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


def check_compiler() -> None:
    """Checks for a C++ compiler, whose absence `torch.compile` would report only in its first step.

    Raises:
        OptionError: There is no compiler.
    """
    compiler = os.environ.get("CXX", "g++")
    if shutil.which(compiler) is None:
        raise OptionError(f"compile=True needs a C++ compiler, found no {compiler}; install one (g++)")


def mixed_precision(device: torch.device) -> AbstractContextManager[object]:
    """Computes heavy layers in bfloat16 on CUDA, and on CPUs that multiply it, where it is two to four times faster.

    bfloat16 has float32's range, so no gradient needs scaling.
    """
    return torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda" or _multiplies_bfloat16())


def _multiplies_bfloat16() -> bool:
    """Reports whether the CPU has instructions for bfloat16; torch has no public function for that."""
    cpuinfo = Path("/proc/cpuinfo")
    if not cpuinfo.is_file():
        return False
    known = cpuinfo.read_text()
    return " amx_bf16" in known or " avx512_bf16" in known
