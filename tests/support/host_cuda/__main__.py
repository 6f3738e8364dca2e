"""Builds the driver: python -m tests.support.host_cuda FOLDER --include FOLDER_OF_CUDA_H [--pycuda FOLDER]

Without --pycuda it makes a driver to link pycuda with, and with it the driver to run, which also has the calls that
pycuda names and edgefg does not need: they fail.
"""

import argparse
import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

SOURCES = Path(__file__).parent / "driver"
OPTIONS = ("-std=c++17", "-O1", "-Wall", "-Wextra", "-Werror", "-fPIC")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where libcuda.so.1 goes")
    parser.add_argument("--include", type=Path, required=True, help="the folder of cuda.h")
    parser.add_argument("--pycuda", type=Path, help="the folder that pycuda was installed into")
    options = parser.parse_args(arguments)
    options.folder.mkdir(parents=True, exist_ok=True)
    library = options.folder / "libcuda.so.1"
    with tempfile.TemporaryDirectory() as scratch:
        objects = [Path(scratch) / f"{source.stem}.o" for source in sorted(SOURCES.glob("*.cpp"))]
        with ThreadPoolExecutor() as compilers:
            list(compilers.map(lambda each: compile_one(SOURCES / f"{each.stem}.cpp", each, options.include), objects))
        link(library, objects)
        if options.pycuda is not None:
            (extension,) = (options.pycuda / "pycuda").glob("_driver*.so")
            refusals = Path(scratch) / "refusals.cpp"
            refusals.write_text(refusing(calls(extension, "--undefined-only") - calls(library, "--defined-only")))
            link(library, [*objects, refusals])
    # The name by which a linker looks for it.
    short = options.folder / "libcuda.so"
    short.unlink(missing_ok=True)
    short.symlink_to(library.name)


def compile_one(source: Path, target: Path, include: Path) -> None:
    run("g++", *OPTIONS, f"-I{include}", "-c", source, "-o", target)


def link(library: Path, parts: Iterable[Path]) -> None:
    run("g++", *OPTIONS, "-shared", "-pthread", *parts, "-o", library, "-ldl", f"-Wl,-soname,{library.name}")


def refusing(names: Iterable[str]) -> str:
    """Source of calls that only fail, with CUDA_ERROR_NOT_SUPPORTED."""
    return "".join(f'extern "C" int {name}() {{ return 801; }}\n' for name in sorted(names))


def run(*words: object) -> None:
    subprocess.run(list(map(str, words)), check=True)


def calls(library: Path, which: str) -> set[str]:
    """The calls of the driver's interface that a library defines or needs."""
    words = ["nm", "--dynamic", which, "--format=posix", str(library)]
    listed = subprocess.run(words, check=True, capture_output=True, text=True).stdout
    names = {line.split()[0].split("@")[0] for line in listed.splitlines()}
    return {name for name in names if name.startswith("cu") and name[2:3].isupper()}


if __name__ == "__main__":
    main()
