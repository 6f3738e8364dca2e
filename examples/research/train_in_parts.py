"""Trains, builds and evaluates in parts of some minutes, for machines that are only lent: run it until it is done.

Run: python examples/research/train_in_parts.py DATA/splits.json --out runs/paper --part-minutes 8.5 \\
         --size paper --init vgg16.npz --learning-rate 1e-4 --minutes 120

What is no option here goes to `edgefg train`. Exit code 3 says that there is more to do: run the same command again.
"""

import argparse
import signal
import subprocess
import sys
from pathlib import Path

TO_BE_CONTINUED = 3
INTERRUPTED = 130


def edgefg(*words: object) -> list[str]:
    return [sys.executable, "-m", "edgefg", *map(str, words)]


def train_a_part(data: Path, folder: Path, options: list[str], part_s: float) -> None:
    """Trains until it is done or the part is over; a checkpoint keeps what was reached."""
    resume = ["--resume"] if (folder / "checkpoint.pt").exists() else []
    training = subprocess.Popen(edgefg("train", "--data", data, "--part", "train", "--out", folder, *options, *resume))
    try:
        code = training.wait(part_s)
    except subprocess.TimeoutExpired:
        training.send_signal(signal.SIGINT)
        code = training.wait()
    if code == INTERRUPTED:
        print("to be continued: run the same command again")
        raise SystemExit(TO_BE_CONTINUED)
    if code:
        raise SystemExit(code)


def main() -> None:
    # Without abbreviations: an option of `edgefg train` must not be taken for one of these.
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--part-minutes", type=float, default=8.5)
    given, training = parser.parse_known_args()

    weights, bundle = given.out / "weights.safetensors", given.out / "bundle"
    if not weights.exists():
        train_a_part(given.data, given.out, training, given.part_minutes * 60)
    if not bundle.exists():
        build = edgefg("build", "--weights", weights, "--target", "onnx", "--out", bundle)
        subprocess.run(build, check=True)
    for part in ("validate", "transfer"):
        scores = given.out / f"{part}.json"
        if not scores.exists():
            methods = [word for name in ("edgefg", "edgefg-full", "edgefg-map") for word in ("--method", name)]
            judge = edgefg("evaluate", given.data, "--part", part, "--bundle", bundle, *methods, "--json", scores)
            subprocess.run(judge, check=True)
    print(f"done: {bundle}")


if __name__ == "__main__":
    main()
