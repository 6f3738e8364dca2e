"""Compiles edgefg's CUDA kernel to PTX, which the driver of any GPU from compute capability 7.5 on translates for it.

The result is part of the repository, so neither users nor tests need a compiler. NVRTC of CUDA 11 writes PTX that
drivers since 2022 read; it needs no GPU.

Run: pip install nvidia-cuda-nvrtc-cu11==11.8.89
     python examples/research/compile_kernels.py [--nvrtc libnvrtc.so.11.2]
"""

import argparse
import ctypes
import hashlib
from importlib.util import find_spec
from pathlib import Path

SOURCE = Path(__file__).parents[2] / "edgefg/engines/trt/scale.cu"
OPTIONS = (b"--gpu-architecture=compute_75", b"--std=c++14", b"--fmad=false")
"""Without fused multiply-adds, so that the tests on a CPU compute the same."""


def default_nvrtc() -> str:
    spec = find_spec("nvidia")
    for folder in spec.submodule_search_locations or () if spec else ():
        for path in sorted(Path(folder).glob("cuda_nvrtc/lib/libnvrtc.so.*")):
            return str(path)
    return "libnvrtc.so"


def compile_to_ptx(source: bytes, nvrtc: ctypes.CDLL) -> bytes:
    program = ctypes.c_void_p()
    options = (ctypes.c_char_p * len(OPTIONS))(*OPTIONS)
    nvrtc.nvrtcCreateProgram(ctypes.byref(program), source, b"scale.cu", 0, None, None)
    status = nvrtc.nvrtcCompileProgram(program, len(OPTIONS), options)
    size = ctypes.c_size_t()
    nvrtc.nvrtcGetProgramLogSize(program, ctypes.byref(size))
    log = ctypes.create_string_buffer(size.value)
    nvrtc.nvrtcGetProgramLog(program, log)
    if status:
        raise SystemExit(log.value.decode())
    nvrtc.nvrtcGetPTXSize(program, ctypes.byref(size))
    ptx = ctypes.create_string_buffer(size.value)
    nvrtc.nvrtcGetPTX(program, ptx)
    return ptx.value


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--nvrtc", default=default_nvrtc())
    source = SOURCE.read_bytes()
    ptx = compile_to_ptx(source, ctypes.CDLL(parser.parse_args().nvrtc))
    # A test compares this with the source.
    header = f"// Compiled by examples/research/compile_kernels.py. Source: {hashlib.sha256(source).hexdigest()}\n"
    SOURCE.with_suffix(".ptx").write_bytes(header.encode() + ptx)


if __name__ == "__main__":
    main()
