"""Trains one stage for a number of steps, with one thing changed, and validates; docs/research-log.md has the table.

Run: python examples/research/ablation.py DATA/splits.json --stage 2 --weights build/shipped/lite.safetensors --dice 0.5

Stage 1 goes on from its weights; stage 2 starts anew on the stage 1 of these weights. Two runs with the same seed and
number of steps see the same pairs, unless it is the recipe that is changed: --recipe named=0 retaken=1.
"""

import argparse
import json
import tempfile
from dataclasses import replace
from pathlib import Path

import torch
import torch.nn.functional as F
from rich.progress import Progress

from edgefg.build.networks.fusion import FUSIONS, fusion_for
from edgefg.build.networks.stage2 import UNetDecoder
from edgefg.build.networks.weights import load_weights, save_weights
from edgefg.build.training.data import load_training_data
from edgefg.build.training.pairs import PairStream, recipe_for
from edgefg.build.training.presets import PRESETS
from edgefg.build.training.run import source_commit
from edgefg.build.training.stage import Budget, StageTraining
from edgefg.build.training.stage_losses import stage1_loss, stage2_loss
from edgefg.build.training.validate import validate


class SpoiltMaps(UNetDecoder):
    """Stage 2, trained on maps as of scenes that stage 1 knows less well: uneven in strength, false in places."""

    strength = 0.0

    def forward(self, frame: torch.Tensor, distance: torch.Tensor) -> torch.Tensor:
        if self.training and self.strength:
            count, shape = len(distance), distance.shape[1:]
            gain = torch.exp(0.25 * self.strength * torch.randn(count, 1, 1))
            uneven, false = (
                F.interpolate(torch.randn(count, 1, *cells), shape, mode="bicubic")[:, 0] for cells in ((4, 5), (8, 10))
            )
            distance = distance * gain * torch.exp(0.3 * self.strength * uneven)
            distance = distance + 4 * self.strength * false.clamp(min=0)
        return super().forward(frame, distance)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--stage", type=int, choices=(1, 2), required=True)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--part", help="what to train on, where DATA is a file of parts")
    parser.add_argument("--protocol", choices=("unseen", "scene"), default="unseen")
    parser.add_argument("--fusion", choices=FUSIONS, help="of stage 2; what suits the protocol if left out")
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--rate", type=float, help="peak of the learning rate")
    parser.add_argument("--batch", type=int, help="pairs a step")
    parser.add_argument("--dice", type=float, help="weight of the stage's Dice loss")
    parser.add_argument("--recipe", nargs="*", default=[], metavar="NAME=VALUE", help="shares of the protocol's recipe")
    parser.add_argument("--spoil", type=float, default=0.0, help="how far to spoil the maps that stage 2 learns from")
    parser.add_argument("--compile", action="store_true", help="as of edgefg train; stage 2 only")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="where to write the weights; they are gone if left out")
    given = parser.parse_args()

    data = load_training_data(given.data, given.part, given.protocol, given.seed)
    preset = PRESETS["tuned"]
    dice = "mask_dice" if given.stage == 2 else "map_dice"
    changed = {"learning_rate": given.rate, "batch": given.batch, dice: given.dice}
    preset = replace(preset, **{name: value for name, value in changed.items() if value is not None})
    networks = load_weights(given.weights)
    stage1, stage2 = networks.stage1, networks.stage2
    torch.manual_seed(given.seed)
    if given.stage == 2:
        stage1.requires_grad_(False)
        stage2 = SpoiltMaps(networks.size, FUSIONS[given.fusion] if given.fusion else fusion_for(given.protocol))
        stage2.strength = given.spoil
    model = (stage1, stage2)[given.stage - 1].train()
    for stage in (stage1, stage2):
        stage.to(memory_format=torch.channels_last)
    losses = (stage1_loss(stage1, preset), stage2_loss(stage1, stage2, preset, compiled=given.compile))
    shares = {name: float(value) for name, value in (change.split("=") for change in given.recipe)}
    recipe = replace(recipe_for(given.protocol, given.stage), **shares)
    pairs = PairStream(data.material, recipe, given.seed)
    budget = Budget(given.steps, "steps")
    with tempfile.TemporaryDirectory() as folder, Progress() as progress:
        run = StageTraining(given.stage, model, losses[given.stage - 1], pairs, preset, budget, 1, Path(folder), {})
        model.load_state_dict(run.train(None, progress, torch.device("cpu")))
    found = validate(stage1.eval(), stage2.eval(), data.judges, given.protocol, given.seed)
    print(json.dumps(found.to_json()))
    if given.out is not None:
        changes = {"stage": given.stage, "steps": given.steps, "seed": given.seed, "commit": source_commit()}
        card = networks.card | {"fusion": stage2.fusion.name, "validation": found.to_json(), "then_trained": changes}
        save_weights(given.out, stage1.state_dict(), stage2.state_dict(), card)


if __name__ == "__main__":
    main()
