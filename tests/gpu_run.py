"""Runs every test marked ``gpu``, and the benchmark, on a machine with an NVIDIA GPU; writes all it found as one JSON.

Run: python tests/gpu_run.py --json gpu.json [--packages FOLDER]

It needs Python 3.10 to 3.13 with torch, nvcc, and a C++ compiler for pycuda; compute-sanitizer runs too where it is
found. All else it installs into an environment of its own: with --packages from that folder alone, which is made on a
machine of the same kind: pip download -d FOLDER --no-binary pycuda $(python tests/gpu_run.py --list-packages).

A step that fails is told of, and the next one goes on. Ends with 0: all went well; 1: a step failed; 2: no GPU.
"""

import argparse
import ctypes
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parents[1]
PRECISIONS = ("fp32", "fp16", "int8")
PACKAGES = (
    *("setuptools>=77", "wheel", "numpy", "typer", "rich", "opencv-python-headless", "av", "openvino", "onnx"),
    *("onnxruntime", "onnxscript", "safetensors", "matplotlib", "tensorrt-rtx-cu13", "cuda-bindings"),
    *("pytools", "platformdirs", "mako", "pytest", "pytest-timeout"),
)
TESTS = (
    ("tests", "gpu and not soak", "not rtx", 120),
    # By themselves: a library that ends the process must not take the others along.
    ("tests of TensorRT for RTX", "gpu and not soak", "rtx", 120),
    ("soak tests", "gpu and soak", "not rtx", 60),
    ("soak tests of TensorRT for RTX", "gpu and soak", "rtx", 60),
)
"""Name, mark, names and limit in seconds."""

LOAD_PLAN = """
import pathlib, sys
import tensorrt_rtx as trt
runtime = trt.Runtime(trt.Logger(trt.Logger.INFO))
engine = runtime.deserialize_cuda_engine((pathlib.Path(sys.argv[1]) / "stage1.fp32.tensorrt-rtx.plan").read_bytes())
sys.exit(0 if engine and engine.create_execution_context() else 1)
"""

RTX_CAPABILITIES = ("7.5", "8.0", "8.6", "8.9")
"""Those that TensorRT for RTX names, beside 12.x."""

TAIL = 3000


class Report:
    """The JSON in the making, which is written anew after each step: what was found outlives a power cut.

    Attributes:
        found: What goes into it.
    """

    def __init__(self, path: Path, minutes: float, dry: bool = False) -> None:
        self.found: dict[str, Any] = {"gpu": None, "ok": False, "steps": []}
        self._path, self._dry = path, dry
        self._ends = time.monotonic() + 60 * minutes
        self._writing = threading.Lock()

    def run(
        self,
        name: str,
        command: Sequence[object],
        limit_s: float,
        environment: Mapping[str, str] | None = None,
        counts: bool = True,
    ) -> bool:
        """Runs a command from the checkout, and notes how it went.

        Args:
            name: What to call the step.
            command: Its words.
            limit_s: It is ended then, or when the time for all steps is up.
            environment: Variables to set.
            counts: Whether the whole run fails with this step.
        """
        words = [str(word) for word in command]
        limit_s = min(limit_s, self._ends - time.monotonic())
        started = time.monotonic()
        if self._dry:
            ok, output = None, ""
        elif limit_s < 1:
            ok, output = False, "not run: the time was up"
        else:
            ok, output = _run(words, limit_s, environment or {})
        # What worked is told by its results.
        told = output[-TAIL:] if ok is False else ""
        seconds = round(time.monotonic() - started, 1)
        with self._writing:
            self.found["steps"].append(
                {"name": name, "ok": ok, "counts": counts, "seconds": seconds, "command": words, "output": told}
            )
        self.write()
        print(f"{'dry' if ok is None else 'ok' if ok else 'FAIL':<5}{name} ({seconds} s)", flush=True)
        return ok is not False

    def keep(self, name: str, path: Path, read: Callable[[Path], Any]) -> None:
        """Takes results out of a file that a step wrote; None if it wrote none."""
        with self._writing:
            self.found[name] = None
            with suppress(OSError, ValueError, ElementTree.ParseError):
                self.found[name] = read(path)
        self.write()

    def write(self) -> None:
        with self._writing:
            steps = [step for step in self.found["steps"] if step["counts"]]
            self.found["failed"] = [step["name"] for step in steps if step["ok"] is False]
            self.found["ok"] = bool(steps) and all(step["ok"] for step in steps)
            partial = self._path.with_name(f".{self._path.name}.part")
            partial.write_text(json.dumps(self.found, indent=1) + "\n", "utf-8")
            partial.replace(self._path)


def _run(words: list[str], limit_s: float, environment: Mapping[str, str]) -> tuple[bool, str]:
    try:
        process = subprocess.Popen(
            words,
            cwd=ROOT,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
    except OSError as error:
        return False, str(error)
    try:
        output, _ = process.communicate(timeout=limit_s)
    except subprocess.TimeoutExpired:
        # With all that it started.
        os.killpg(process.pid, signal.SIGKILL)
        output, _ = process.communicate()
        return False, f"{output}\nended: it took more than {limit_s:.0f} s"
    return process.returncode == 0, f"{output}\nexit code {process.returncode}"


def find_gpu() -> dict[str, Any]:
    """The first GPU.

    Raises:
        OSError: There is none, or no driver.
    """
    cuda = ctypes.CDLL("libcuda.so.1")
    count, version, name = ctypes.c_int(), ctypes.c_int(), ctypes.create_string_buffer(100)
    numbers = {"major": 75, "minor": 76}
    attributes = {key: ctypes.c_int() for key in numbers}
    status = (
        cuda.cuInit(0) or cuda.cuDeviceGetCount(ctypes.byref(count)) or cuda.cuDriverGetVersion(ctypes.byref(version))
    )
    if status or not count.value:
        raise OSError(f"the driver finds no device (CUDA error {status})")
    cuda.cuDeviceGetName(name, len(name), 0)
    for key, number in numbers.items():
        cuda.cuDeviceGetAttribute(ctypes.byref(attributes[key]), number, 0)
    return {
        "name": name.value.decode(errors="replace"),
        "compute_capability": f"{attributes['major'].value}.{attributes['minor'].value}",
        "cuda_of_driver": version.value,
    }


def find_cuda() -> Path | None:
    """The toolkit's folder, for pycuda's headers and nvcc."""
    nvcc = shutil.which("nvcc")
    candidates = [Path(os.environ[name]) for name in ("CUDA_HOME", "CUDA_ROOT", "CUDA_PATH") if os.environ.get(name)]
    candidates += [Path(nvcc).resolve().parents[1]] if nvcc else []
    candidates += [Path("/usr/local/cuda"), *sorted(Path("/usr/local").glob("cuda-*"), reverse=True)]
    candidates += [folder for place in sys.path for folder in sorted(Path(place).glob("nvidia/cu[0-9]*"), reverse=True)]
    return next((folder for folder in candidates if (folder / "include/cuda.h").is_file()), None)


def pycuda_settings(cuda: Path | None, driver: Path) -> str:
    """What pycuda's set-up reads as ``~/.aksetup-defaults.py``."""
    curand = cuda is not None and (cuda / "include/curand.h").is_file()
    return "\n".join(
        (
            *([] if cuda is None else [f"CUDA_ROOT = {str(cuda)!r}"]),
            f"CUDA_ENABLE_CURAND = {curand}",
            f"CUDADRV_LIB_DIR = {[str(driver)]!r}",
            "",
        )
    )


def link_driver(folder: Path) -> None:
    """Makes the driver's library known to a linker, which wants it without the version in its name."""
    folder.mkdir(parents=True, exist_ok=True)
    for line in Path("/proc/self/maps").read_text().splitlines():
        path = Path(line.split(maxsplit=5)[-1])
        if path.name.startswith("libcuda.so") and not (folder / "libcuda.so").exists():
            (folder / "libcuda.so").symlink_to(path)


def runs_rtx(gpu: Mapping[str, Any] | None) -> bool:
    """Whether TensorRT for RTX is made for a GPU."""
    capability = str(gpu["compute_capability"]) if gpu else ""
    return not capability or capability in RTX_CAPABILITIES or capability.startswith("12.")


def share_packages(environment: Path) -> None:
    """Lets an environment find the packages of this Python, such as torch, which need not be installed again.

    Not by --system-site-packages: where this Python is itself of an environment, that finds those of the system.
    """
    shared = [folder for folder in sys.path if Path(folder).name in ("site-packages", "dist-packages")]
    for folder in environment.glob("lib/python3*/site-packages"):
        (folder / "shared.pth").write_text("".join(f"{name}\n" for name in shared))


def junit_results(path: Path) -> dict[str, Any]:
    """What pytest's JUnit file says."""
    found: dict[str, Any] = {"passed": 0, "failed": {}, "skipped": {}}
    for case in ElementTree.parse(path).iter("testcase"):
        name = f"{case.get('classname')}::{case.get('name')}"
        bad, skip = [*case.iter("failure"), *case.iter("error")], case.find("skipped")
        if bad:
            found["failed"][name] = (bad[0].text or "")[-TAIL:]
        elif skip is not None:
            found["skipped"][name] = skip.get("message")
        else:
            found["passed"] += 1
    return found


def ratios(benchmarks: Mapping[str, Mapping[str, Any] | None]) -> dict[str, dict[str, Any]]:
    """What compares one figure with another, by precision; of those that were measured."""
    measured = {precision: figures for precision, figures in benchmarks.items() if figures}
    found: dict[str, dict[str, Any]] = {}
    for precision, figures in measured.items():
        modes = {mode: loop["fps"] for mode, loop in figures["raw_modes"].items()}
        found[precision] = {
            "pipeline / raw": figures["pipeline_to_raw"],
            "pipeline / sequential": figures["pipeline_to_sequential"],
            "pcie_bytes": figures["pcie_bytes"],
        }
        if {"CUDA graphs", "call by call"} <= modes.keys():
            found[precision]["CUDA graphs / call by call"] = modes["CUDA graphs"] / modes["call by call"]
        if "fp32" in measured:
            found[precision]["pipeline / pipeline in fp32"] = figures["pipeline_fps"] / measured["fp32"]["pipeline_fps"]
    return found


def check(report: Report, work: Path, packages: Path | None) -> None:
    """All steps, in an environment made in ``work``."""
    python = work / "venv/bin/python"
    cuda = find_cuda()
    nvcc = {} if cuda is None else {"PATH": f"{cuda / 'bin'}{os.pathsep}{os.environ['PATH']}", "CUDA_ROOT": str(cuda)}
    of_folder = ["--retries=1", "--timeout=10"] if packages is None else ["--no-index", "--find-links", packages]
    pip: list[object] = [python, "-m", "pip", "--disable-pip-version-check"]
    install = [*pip, "install", "--quiet", *of_folder]
    # TensorRT for RTX refuses the GPUs of data centres: there its steps only show how.
    rtx = runs_rtx(report.found["gpu"])
    report.run(
        "environment",
        [sys.executable, "-m", "venv", *([] if find_spec("pip") is None else ["--without-pip"]), work / "venv"],
        60,
    )
    share_packages(work / "venv")
    if not report.run("packages", [*install, *PACKAGES], 150):
        for name in PACKAGES:
            report.run(f"package {name}", [*install, name], 60)
    with ThreadPoolExecutor(1) as beside:
        home = {"HOME": str(work / "home"), **nvcc}
        wheel = [*pip, "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", work / "wheels", *of_folder]
        building = beside.submit(report.run, "pycuda, built", [*wheel, "pycuda"], 280, home)
        report.run("edgefg", [*install, "--no-deps", "--no-build-isolation", "-e", ROOT], 60)
        # INT8 for its speed: a real one would be calibrated on the camera that it is for.
        build = [python, "-m", "edgefg", "build", "--size", "lite", "--target", "tensorrt-rtx", "--out", work / "lite"]
        clip = ROOT / "edgefg/data/people.mp4"
        report.run("engines", [*build, "--calibrate", clip, "--samples", 32, "--max-f-drop", 0.1], 200)
        building.result()
    built = [*pip, "install", "--quiet", "--no-index", "--find-links", work / "wheels", "--no-deps", "pycuda"]
    report.run("pycuda", built, 60)

    # Tests are marked themselves, or take their plans from gpu_plans.py, which marks those for a real GPU.
    texts = {path.relative_to(ROOT): path.read_text() for path in sorted(ROOT.glob("tests/*/test_*.py"))}
    files = [path for path, text in texts.items() if "mark.gpu" in text or "gpu_plans" in text]
    pytest: list[object] = [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--continue-on-collection-errors"]
    for name, marks, names, limit_s in TESTS:
        results = work / f"{name}.xml"
        command = [*pytest, "-m", marks, "-k", names, f"--junitxml={results}", *files]
        report.run(name, command, limit_s, nvcc, counts=rtx or names != "rtx")
        report.keep(name, results, junit_results)
    # Where no TensorRT runs, this tells what our part of the way costs. Twice: the spread says what a figure is worth.
    for name in ("bench kernels", "bench kernels again"):
        figures = work / f"{name}.json"
        report.run(name, [python, "-m", "tests.support.kernel_tensorrt", figures], 80, nvcc)
        report.keep(name, figures, _json)
    # Without our preflight, which knows only of the GPUs that TensorRT for RTX is documented for.
    report.run("a plan, loaded by TensorRT for RTX alone", [python, "-c", LOAD_PLAN, work / "lite"], 60, counts=rtx)
    for precision in PRECISIONS:
        name, figures = f"bench {precision}", work / f"{precision}.json"
        bench = [python, "-m", "edgefg", "bench", "--bundle", work / "lite", "--engine", "tensorrt-rtx", "--cameras", 4]
        report.run(name, [*bench, "--frames", 600, "--precision", precision, "--json", figures], 90, counts=rtx)
        report.keep(name, figures, _json)
    report.found["ratios"] = ratios({precision: report.found[f"bench {precision}"] for precision in PRECISIONS})
    masks = work / "masks.json"
    report.run("masks", [python, ROOT / "tests/support/gpu_masks.py", work / "lite", masks], 60, counts=rtx)
    report.keep("masks", masks, _json)
    sanitizer = shutil.which("compute-sanitizer", path=nvcc.get("PATH"))
    report.found["compute-sanitizer"] = sanitizer
    # In a sandbox it may find no process to watch, which is no fault of the code.
    if sanitizer and report.run(
        "memcheck of nothing", [sanitizer, "--error-exitcode", 86, python, "-c", ""], 60, counts=False
    ):
        # Without the tests that provoke errors, or bring another library.
        chosen = [
            "-m",
            "gpu and not soak",
            "-k",
            "not rtx and not memory and not fails and not library and not not_there",
        ]
        engine = [path for path in files if path.name.startswith("test_tensorrt_engine")]
        watched = [*pytest, "-o", "timeout=300", *chosen, "tests/engines/test_cuda.py", *engine]
        report.run("memcheck", [sanitizer, "--error-exitcode", 86, *watched], 150, nvcc)
    report.write()


def _json(path: Path) -> Any:
    return json.loads(path.read_text("utf-8"))


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, default=Path("gpu.json"), help="where the results go")
    parser.add_argument("--packages", type=Path, help="a folder of wheels, with pycuda as source")
    parser.add_argument("--minutes", type=float, default=9.5, help="for all steps together")
    parser.add_argument("--dry", action="store_true", help="write the steps, and run none; needs no GPU")
    parser.add_argument("--list-packages", action="store_true", help="print what --packages should hold, and stop")
    options = parser.parse_args(arguments)
    if options.list_packages:
        print(*PACKAGES, "pycuda")
        return 0
    if options.packages is not None and not options.packages.is_dir():
        parser.error(f"--packages {options.packages}: expected a folder of wheels, found none")
    if not options.json.parent.is_dir():
        parser.error(f"--json {options.json}: its folder does not exist")
    report = Report(options.json.resolve(), options.minutes, options.dry)
    if not options.dry:
        try:
            report.found["gpu"] = find_gpu()
        except OSError as error:
            report.found["error"] = f"no GPU: expected an NVIDIA GPU and its driver, found none ({error})"
            report.write()
            print(report.found["error"], file=sys.stderr)
            return 2
    with tempfile.TemporaryDirectory(prefix="edgefg-gpu-") as folder:
        work = Path(folder)
        if not options.dry:
            link_driver(work / "driver")
        (work / "home").mkdir()
        (work / "home/.aksetup-defaults.py").write_text(pycuda_settings(find_cuda(), work / "driver"))
        packages = None if options.packages is None else options.packages.resolve()
        check(report, work, packages)
    failed = ", ".join(report.found["failed"])
    print(f"{options.json}: {f'failed: {failed}' if failed else 'nothing was run' if options.dry else 'all went well'}")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
