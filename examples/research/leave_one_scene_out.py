"""Trains without a scene and tests on it, scene by scene; docs/research-log.md has the table.

Run: python examples/research/leave_one_scene_out.py DATA/splits.json --scenes highway canoe,office --out runs/folds

Scenes that are joined by commas share a training, which sees none of them: less to learn from, and less time.
What follows the options here goes to `edgefg train`, such as --minutes, --steps, --compile.

A fold that is there is not trained again, and one that was stopped goes on: run it again after Ctrl-C.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

METHODS = ("edgefg", "edgefg-full", "edgefg-map", "mog2", "knn")


def edgefg(*words: object) -> None:
    subprocess.run([sys.executable, "-m", "edgefg", *map(str, words)], check=True)


def split_without(scenes: list[str], splits: Path, folder: Path) -> Path:
    """Writes a data file whose part ``train`` lacks the scenes, which are the part ``test``; ``validate`` stays."""
    given = json.loads(splits.read_text())
    train = given["train"]
    tested = [path for path in train if Path(path).name in scenes]
    if missing := set(scenes) - {Path(path).name for path in tested}:
        raise SystemExit(f"{splits}: expected a scene {', '.join(sorted(missing))} in its part train, found none")
    where = Path(os.path.relpath(splits.parent, folder))
    parts = {"train": [path for path in train if path not in tested], "test": tested, "validate": given["validate"]}
    file = folder / "splits.json"
    file.write_text(json.dumps({part: [str(where / path) for path in paths] for part, paths in parts.items()}))
    return file


def fold(scenes: list[str], splits: Path, folder: Path, of_training: list[str]) -> dict[str, dict[str, float]]:
    """F of each method, by scene."""
    folder.mkdir(parents=True, exist_ok=True)
    data, scores = split_without(scenes, splits, folder), folder / "scores.json"
    if not scores.exists():
        if not (folder / "weights.safetensors").exists():
            resume = ["--resume"] if (folder / "checkpoint.pt").exists() else []
            edgefg("train", "--data", data, "--part", "train", *of_training, "--out", folder, *resume)
        edgefg("build", "--weights", folder / "weights.safetensors", "--precision", "fp32", "--out", folder / "bundle")
        methods = [word for name in METHODS for word in ("--method", name)]
        edgefg("evaluate", data, "--part", "test", "--bundle", folder / "bundle", *methods, "--json", scores)
    found = json.loads(scores.read_text())["method"]
    return {
        scene: {method: score["sequences"][scene]["f"] for method, score in found.items()}
        for scene in found[METHODS[0]]["sequences"]
    }


def main() -> None:
    # Without abbreviations: an option of `edgefg train` must not be taken for one of these.
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("splits", type=Path)
    parser.add_argument("--scenes", nargs="+", required=True)
    parser.add_argument("--out", type=Path, default=Path("runs/folds"))
    arguments, of_training = parser.parse_known_args()
    print("| scene |", " | ".join(METHODS), "|\n|---|" + "---|" * len(METHODS))
    for names in arguments.scenes:
        folder = arguments.out / names.replace(",", "+")
        for scene, f in fold(names.split(","), arguments.splits, folder, of_training).items():
            print(f"| {Path(scene).name} |", " | ".join(f"{f[name]:.3f}" for name in METHODS), "|", flush=True)


if __name__ == "__main__":
    main()
