"""What ``edgefg doctor`` reports of a Jetson: its JetPack, power mode and clocks. Elsewhere it reports nothing."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

from .diagnosis import Diagnosis

_PATIENCE_S = 10


def examine_jetson(root: Path = Path("/")) -> Iterator[Diagnosis]:
    """Reads what NVIDIA's files and commands say of this device, if it is a Jetson. Changes nothing.

    Args:
        root: The folder that stands for ``/``.
    """
    release = _release(root / "etc/nv_tegra_release")
    if release is None:
        return
    yield _jetpack(release)
    yield _power_mode()
    yield _clocks()


def _release(file: Path) -> str | None:
    """Returns the version of Jetson Linux, such as ``"36.4.3"``; None on other machines."""
    try:
        first = file.read_text(errors="replace").partition("\n")[0]
    except OSError:
        return None
    found = re.search(r"R(\d+) .*REVISION: ([\d.]+)", first)
    return f"{found[1]}.{found[2]}" if found else "of an unknown version"


def _jetpack(release: str) -> Diagnosis:
    version = _output("dpkg-query", "--show", "--showformat=${Version}", "nvidia-jetpack")
    if version:
        return Diagnosis("jetpack", f"{version}, Jetson Linux {release}")
    text = f"Jetson Linux {release} without the package nvidia-jetpack, which brings TensorRT and CUDA"
    return Diagnosis("jetpack", f"{text}: sudo apt-get install nvidia-jetpack", good=False)


def _power_mode() -> Diagnosis:
    found = re.search(r"NV Power Mode: *(\S+)", _output("nvpmodel", "-q"))
    if found:
        return Diagnosis("power mode", f"{found[1]}; compile in the mode that edgefg runs in")
    return Diagnosis("power mode", "not told: sudo nvpmodel -q", good=False)


def _clocks() -> Diagnosis:
    shown = _output("jetson_clocks", "--show")
    found = re.search(r"^GPU MinFreq=(\d+) MaxFreq=(\d+) CurrentFreq=(\d+)", shown, re.MULTILINE)
    if not found:
        return Diagnosis("clocks", "not told, which may need root: sudo jetson_clocks --show", good=False)
    lowest, highest, now = (int(hertz) // 1_000_000 for hertz in found.groups())
    if lowest == highest:
        return Diagnosis("clocks", f"GPU held at {highest} MHz")
    return Diagnosis("clocks", f"GPU at {now} MHz, from {lowest} to {highest}; sudo jetson_clocks holds them up")


def _output(*command: str) -> str:
    """Returns what a command prints; nothing if it fails, hangs or is missing."""
    try:
        ended = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=_PATIENCE_S)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return ended.stdout if ended.returncode == 0 else ""
