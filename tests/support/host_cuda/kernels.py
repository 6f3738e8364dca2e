"""Kernels for the driver in host memory: CUDA's source, compiled for this CPU."""

import re
import subprocess
import tempfile
from pathlib import Path

HEADER = Path(__file__).parent / "driver/host_kernel.hpp"
# Without fused multiply-adds, which not every CPU has: then every CPU computes the same.
OPTIONS = ("-std=c++17", "-O1", "-fPIC", "-shared", "-ffp-contract=off", "-fvisibility=hidden")


def compile_for_host(source: str) -> bytes:
    """Compiles all ``extern "C" __global__`` functions; returns the image of a module."""
    names = re.findall(r'extern "C" __global__ void (\w+)\(', source)
    exported = "\n".join(f"HOST_KERNEL({name})" for name in names)
    with tempfile.TemporaryDirectory() as folder:
        image = Path(folder) / "kernels.so"
        words = ["g++", *OPTIONS, "-DHOST_CUDA_KERNEL", "-include", str(HEADER), "-x", "c++", "-", "-o", str(image)]
        subprocess.run(words, input=f"{source}\n{exported}\n", text=True, check=True)
        return image.read_bytes()
