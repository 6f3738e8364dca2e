"""Runs all that edgefg does on a Jetson, and writes what it found as one JSON file that you can send.

It has not been run on a Jetson.

Run, in a checkout: PATH=/opt/edgefg/venv/bin:$PATH python3 examples/jetson/prove.py [--out edgefg-proof.json]

The file has facts about the device and, for each step, its command, exit code, seconds, the end of its output and what
tegrastats said meanwhile. Look through it before you send it: it holds paths, and no pictures. A step that fails stops
no other. Ends with 0: every step went well or was skipped; 1: a step failed.
"""

import argparse
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

HERE = Path(__file__).resolve().parent
DATA = HERE.parents[1] / "edgefg" / "data"
ROOT = Path(os.environ.get("EDGEFG_ROOT", "/"))  # a folder that stands for /, as for tests
TRTEXEC = "/usr/src/tensorrt/bin"  # JetPack puts it where no PATH leads
TAIL = 4000
CLIP = str(DATA / "people.mp4")
NVDEC_CLIP = (
    f"filesrc location={CLIP} ! qtdemux ! h264parse ! nvv4l2decoder ! nvvidconv "
    "! video/x-raw,format=BGRx ! clocksync"  # as fast as a camera, not as fast as it can
)


@dataclass(frozen=True)
class Step:
    """A command whose success is part of the proof.

    Attributes:
        name: Name in the file.
        command: Its words.
        limit_s: It is ended after this time, as a failure.
        needs: A command. If it fails, the device lacks what the step is about, so the step is skipped.
    """

    name: str
    command: tuple[str, ...]
    limit_s: float
    needs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """How a step went; exit code None means that it was skipped, or ended at its limit."""

    name: str
    command: tuple[str, ...]
    result: str
    exit_code: int | None
    seconds: float
    output: str
    tegrastats: list[str]


def steps(work: Path, soak_frames: int, watch_s: float) -> Iterator[Step]:
    """Yields the steps in order.

    Args:
        work: A folder for what they write.
        soak_frames: Frames over which memory is watched.
        watch_s: How long cameras are watched, each time.
    """
    bundle = str(work / "bundle")
    yield Step("doctor", ("edgefg", "doctor"), 600)
    for network in sorted((DATA / "lite").glob("*.onnx")):
        if ".cpu." not in network.name:
            words = ("trtexec", f"--onnx={network}", "--stronglyTyped", "--useCudaGraph")
            yield Step(f"trtexec {network.stem}", words, 1200, needs=("which", "trtexec"))
    yield Step("compile", ("edgefg", "compile", "--target", "tensorrt", "--out", bundle), 3600)
    yield Step("masks", ("python", str(HERE / "masks.py"), bundle), 600)
    bench = ("edgefg", "bench", "--bundle", bundle, "--engine", "tensorrt")
    yield Step("bench", bench, 1800)
    yield Step("soak", (*bench, "--soak", str(soak_frames)), 3600)
    watch = ("edgefg", "watch", "--bundle", bundle, "--engine", "tensorrt", "--no-page", "--for", f"{watch_s:g}")
    for cameras in (1, 4, 8):
        yield Step(f"watch {cameras}", (*watch, "--loop", *[CLIP] * cameras), watch_s + 300)
    for cameras in (1, 4, 8):
        words = (*watch, *[NVDEC_CLIP] * cameras)
        has_decoder = ("gst-inspect-1.0", "--exists", "nvv4l2decoder")
        yield Step(f"watch {cameras} by nvv4l2decoder", words, watch_s + 300, needs=has_decoder)


def run(step: Step, work: Path) -> Outcome:
    """Runs a step, while tegrastats samples the device."""
    if step.needs and output_of(*step.needs) is None:
        return Outcome(step.name, step.command, "skipped", None, 0.0, f"not here: {step.needs[-1]}", [])
    samples = work / "tegrastats"
    started_s = time.monotonic()
    with (work / "output").open("w+b") as output:
        with tegrastats(samples):
            code = exit_code(step, output)
        end = tail_of(output)
    seconds = round(time.monotonic() - started_s, 1)
    load = samples.read_text(errors="replace").splitlines()
    return Outcome(step.name, step.command, "ok" if code == 0 else "failed", code, seconds, end, load)


def exit_code(step: Step, output: IO[bytes]) -> int | None:
    """Runs a step's command; returns None if it was ended at its limit."""
    try:
        process = subprocess.Popen(
            step.command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
    except OSError as error:
        output.write(str(error).encode())
        return 127
    try:
        return process.wait(step.limit_s)
    except subprocess.TimeoutExpired:
        output.write(f"\nended after {step.limit_s:g} s".encode())
        return None
    finally:
        # Also when Ctrl-C ends this program.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def tail_of(output: IO[bytes]) -> str:
    output.seek(max(0, output.seek(0, os.SEEK_END) - TAIL))
    return output.read().decode(errors="replace")


@contextmanager
def tegrastats(path: Path) -> Iterator[None]:
    """Writes the device's load to a file every five seconds; nothing where there is no tegrastats."""
    with path.open("wb") as file:
        try:
            process = subprocess.Popen(("tegrastats", "--interval", "5000"), stdout=file, stderr=subprocess.DEVNULL)
        except OSError:
            process = None
        try:
            yield
        finally:
            if process is not None:
                process.terminate()
                process.wait()


def output_of(*command: str) -> str | None:
    """Returns a short command's output; None if it fails."""
    try:
        ended = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return ended.stdout.strip() if ended.returncode == 0 else None


def facts() -> dict[str, str | None]:
    """Returns what is known of the device; None stands for what it does not say."""
    return {
        "model": text_of("proc/device-tree/model"),
        "release": text_of("etc/nv_tegra_release"),
        "jetpack": output_of("dpkg-query", "--show", "--showformat=${Version}", "nvidia-jetpack"),
        "power_mode": output_of("nvpmodel", "-q"),
        "clocks": output_of("jetson_clocks", "--show"),
        "kernel": platform.release(),
        "machine": platform.machine(),
        "memory": (text_of("proc/meminfo") or "").partition("\n")[0],
        "commit": output_of("git", "-C", str(HERE), "rev-parse", "HEAD"),
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


def text_of(path: str) -> str | None:
    try:
        return (ROOT / path).read_text(errors="replace").strip("\0\n")
    except OSError:
        return None


def write(path: Path, proof: object) -> None:
    """Writes the file in one piece, again after each step: a power cut loses one step alone."""
    part = path.with_name(f".{path.name}.part")
    part.write_text(json.dumps(proof, indent=1) + "\n", encoding="utf-8")
    part.replace(path)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("edgefg-proof.json"), help="the file to write")
    parser.add_argument("--soak-frames", type=int, default=5000, metavar="N", help="frames of the soak")
    parser.add_argument("--watch-s", type=float, default=60, metavar="S", help="seconds of each watch")
    options = parser.parse_args()
    os.environ["PATH"] += f"{os.pathsep}{TRTEXEC}"
    outcomes: list[Outcome] = []
    device = facts()
    with tempfile.TemporaryDirectory(prefix="edgefg-proof-") as folder:
        for step in steps(Path(folder), options.soak_frames, options.watch_s):
            print(f"{step.name} ...", end=" ", flush=True)
            outcomes.append(run(step, Path(folder)))
            print(f"{outcomes[-1].result} ({outcomes[-1].seconds} s)", flush=True)
            write(options.out, {"device": device, "steps": [asdict(outcome) for outcome in outcomes]})
    failed = [outcome.name for outcome in outcomes if outcome.result == "failed"]
    print(f"wrote {options.out}" + (f"; failed: {', '.join(failed)}" if failed else ""))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
