"""Chooses the thresholds, the mode and the level of early exit of weights that were trained without validation scenes.

The card then names the sequences that chose them. The weights themselves stay as they are. `--threshold` is for one
that `live_thresholds.py` found, with scenes seen live and more of them.

Run: python examples/research/choose_decision.py WEIGHTS SPLITS.json --part validate --out CHOSEN [--threshold 0.08]
"""

import argparse
import json
from pathlib import Path

from safetensors import safe_open

from edgefg.build.networks.weights import load_weights, save_weights
from edgefg.build.training.validate import validate
from edgefg.datasets.sequences import open_dataset


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--part")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--threshold", type=float)
    given = parser.parse_args()

    sequences = open_dataset(given.data, given.part).sequences
    networks = load_weights(given.weights)
    with safe_open(given.weights, framework="pt") as file:
        card = json.loads(file.metadata()["edgefg"])
    found = validate(networks.stage1, networks.stage2, sequences, card["protocol"], card["seed"])
    card["validation"] = found.to_json() | {"sequences": [sequence.name for sequence in sequences]}
    if given.threshold is not None:
        card["validation"]["full"]["threshold"] = given.threshold
    save_weights(given.out, networks.stage1.state_dict(), networks.stage2.state_dict(), card)
    print(json.dumps(card["validation"], indent=1))


if __name__ == "__main__":
    main()
