"""Carries trained weights over to networks that have changed since: layers that fit keep theirs, the others begin anew.

Run: python examples/research/carry_over.py OLD.safetensors NEW.safetensors [--anew stage2.head ...]
     edgefg train --data DATA --init NEW.safetensors --out runs/new

The card, and so the frames that were seen, stays that of the old weights.
"""

import argparse
import json
from pathlib import Path

import torch
from safetensors import safe_open

from edgefg.build.networks.fusion import fusion_named
from edgefg.build.networks.make import make_stage1, make_stage2
from edgefg.build.networks.sizes import size_named
from edgefg.build.networks.weights import save_weights


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path)
    parser.add_argument("--anew", nargs="*", default=(), help="first parts of the names of layers that begin anew too")
    given = parser.parse_args()

    with safe_open(given.old, framework="pt") as file:
        card = json.loads(file.metadata()["edgefg"])
        old = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    torch.manual_seed(0)
    size = size_named(card["size"])
    stages = {"stage1": make_stage1(size), "stage2": make_stage2(size, fusion_named(card["fusion"]))}
    states = {}
    for stage, network in stages.items():
        states[stage] = network.state_dict()
        for name, fresh in states[stage].items():
            kept = old.get(f"{stage}.{name}")
            begins_anew = f"{stage}.{name}".startswith(tuple(given.anew))
            if kept is not None and kept.shape == fresh.shape and not begins_anew:
                states[stage][name] = kept
            else:
                print(f"{stage}.{name} begins anew")
    save_weights(given.new, states["stage1"], states["stage2"], card)


if __name__ == "__main__":
    main()
