"""Chooses the thresholds and the mode of trained weights anew, where the way from map to mask has changed since.

Run: python examples/research/revalidate.py WEIGHTS DATA/splits.json --part validate --out WEIGHTS
"""

import argparse
import json
from pathlib import Path

from edgefg.build.networks.weights import load_weights, save_weights
from edgefg.build.training.validate import validate
from edgefg.datasets.sequences import open_dataset


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--part")
    parser.add_argument("--out", type=Path, help="where to write the weights with a new card; only prints if left out")
    given = parser.parse_args()

    networks = load_weights(given.weights)
    card = networks.card
    sequences = open_dataset(given.data, given.part).sequences
    found = validate(networks.stage1, networks.stage2, sequences, card["protocol"], card.get("seed", 0)).to_json()
    print(json.dumps(found))
    if given.out is not None:
        stages = (networks.stage1.state_dict(), networks.stage2.state_dict())
        save_weights(given.out, *stages, card | {"validation": found})


if __name__ == "__main__":
    main()
