"""A fake Jetson for tests of its recipe: a folder that stands for /, and fake commands. None of them is NVIDIA's."""

import os
import subprocess
from pathlib import Path

RELEASE = "# R36 (release), REVISION: 4.3, GCID: 1, BOARD: generic, EABI: aarch64, DATE: never\n"

# It knows only the answers that it was given. A fake venv has a pip and an edgefg that note their words.
_PYTHON = """#!/bin/sh
case "$*" in
    "-m venv"*)
        for folder; do :; done
        mkdir -p "$folder/bin"
        cp "{commands}/noted" "$folder/bin/pip"
        cp "{commands}/noted" "$folder/bin/edgefg"
        ;;
    *version_info*) cat "{answers}/version" ;;
    *tensorrt*) cat "{answers}/tensorrt" ;;
    *cv2*) cat "{answers}/cv2" ;;
    *numpy*) cat "{answers}/numpy" ;;
    *venv*) echo 1 ;;
    *sysconfig*) echo "{answers}" ;;
esac
"""
_NOTED = """#!/bin/sh
echo "$(basename "$0") $*" >>"{log}"
"""


class FakeJetson:
    """A Jetson on which everything is there, until a test takes something away.

    Attributes:
        root: The folder that stands for /.
    """

    def __init__(self, folder: Path) -> None:
        """Makes the device.

        Args:
            folder: An empty folder for all of it.
        """
        self.root = folder / "root"
        self._commands, self._answers, self._log = folder / "commands", folder / "answers", folder / "log"
        for made in (self._commands, self._answers, self.root / "etc/systemd/system"):
            made.mkdir(parents=True)
        (self.root / "etc/nv_tegra_release").write_text(RELEASE)
        for name in ("noted", "useradd", "chgrp", "systemctl", "g++"):
            self.command(name, _NOTED.format(log=self._log))
        self.command("id", '#!/bin/sh\n[ "$1" = -u ] && echo 0\n')
        self.command("dpkg-query", "#!/bin/sh\nprintf installed\n")
        self.file("usr/bin/python3", _PYTHON.format(commands=self._commands, answers=self._answers))
        self.file("usr/local/cuda/bin/nvcc", "#!/bin/sh\n")
        for name, version in (("version", "3.10"), ("tensorrt", "10.3.0"), ("cv2", "4.8.0"), ("numpy", "1.21.5")):
            self.python_has(name, version)
        (self._answers / "Python.h").touch()

    def command(self, name: str, text: str) -> None:
        """Puts a fake command on the PATH."""
        _write_command(self._commands / name, text)

    def file(self, path: str, text: str) -> None:
        """Puts a fake command below the root."""
        _write_command(self.root / path, text)

    def python_has(self, name: str, version: str) -> None:
        """Sets what the system's python says of a package; empty if it has none."""
        (self._answers / name).write_text(version)

    def noted(self) -> list[str]:
        """The fake commands that were run, with their words."""
        return self._log.read_text().splitlines() if self._log.is_file() else []

    def run(self, script: Path, *words: str) -> "subprocess.CompletedProcess[str]":
        """Runs a script on the device."""
        environment = os.environ | {"EDGEFG_ROOT": str(self.root), "PATH": f"{self._commands}:{os.environ['PATH']}"}
        return subprocess.run(["sh", str(script), *words], env=environment, capture_output=True, text=True, timeout=60)


def _write_command(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
