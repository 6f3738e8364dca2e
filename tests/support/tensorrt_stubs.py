"""Empty libraries of TensorRT, over which its Python bindings can be imported, and asked what they have.

Run: python -m tests.support.tensorrt_stubs PACKAGE FOLDER      (PACKAGE: the folder tensorrt_bindings of a wheel)
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path


def main(package: str, folder: str) -> None:
    (bindings,) = Path(package).glob("tensorrt*.so")
    libraries = re.findall(r"NEEDED.*\[(libnv\S+)\]", output("readelf", "--dynamic", bindings))
    # Those of the C and C++ libraries have a version after an @, those of Python are its own.
    listed = [
        line.split()[0]
        for line in output("nm", "--dynamic", "--undefined-only", "--format=posix", bindings).splitlines()
    ]
    missing = [name for name in listed if re.fullmatch(r"(create|get|init)\w+", name)]
    with tempfile.TemporaryDirectory() as scratch:
        source = Path(scratch) / "stubs.c"
        source.write_text("".join(f"void *{name}(void) {{ return 0; }}\n" for name in missing))
        for library in libraries:
            target = Path(folder) / library
            target.parent.mkdir(parents=True, exist_ok=True)
            output("gcc", "-shared", "-fPIC", source, "-o", target, f"-Wl,-soname,{library}")


def output(*words: object) -> str:
    return subprocess.run(list(map(str, words)), check=True, capture_output=True, text=True).stdout


if __name__ == "__main__":
    main(*sys.argv[1:])
