"""Trains size `lite` for some steps with a part of it left out, and validates; docs/research-log.md has the table.

Run: python examples/research/ablation.py DATA/splits.json --part train --steps 400 --seed 0 --without background

Two runs with the same seed and number of steps start from the same weights and see the same pairs. What can be left
out, one or more: `imagenet`, the backbone's pretrained weights; `background`, whatever stage 2 knows of the background
but the distance; `features`, whatever it knows of the frame's own features but how they differ from the background's;
`fine`, the colours in detail.
"""

import argparse
import json
import tempfile
from pathlib import Path

import torch
from rich.progress import Progress
from torch import Tensor, nn

from edgefg.build.networks.efficientnet import load_imagenet
from edgefg.build.networks.fusion import CONCAT
from edgefg.build.networks.make import make_stage2
from edgefg.build.networks.pyramid import PyramidDistance
from edgefg.build.networks.sizes import LITE
from edgefg.build.training.data import load_training_data
from edgefg.build.training.pairs import PairStream, recipe_for
from edgefg.build.training.presets import PRESETS
from edgefg.build.training.stage import Budget, StageTraining
from edgefg.build.training.stage_losses import joint_loss
from edgefg.build.training.validate import validate

PARTS = ("imagenet", "background", "features", "fine")


class Blinded(nn.Module):
    """Compares features with a part of them hidden, in training and validation alike."""

    def __init__(self, comparer: nn.Module, without: list[str]) -> None:
        super().__init__()
        self.comparer = comparer
        self.without = without

    def forward(self, features: Tensor, background_features: Tensor) -> Tensor:
        if "fine" in self.without:
            features, background_features = (_without_fine(x) for x in (features, background_features))
        if "features" in self.without:
            features, background_features = features - background_features, torch.zeros_like(features)
        if "background" in self.without:
            # Beside the features alone, or nothing, neither a background nor a difference.
            features = torch.zeros_like(features) if "features" in self.without else features
            background_features = features
        found: Tensor = self.comparer(features, background_features)
        return found


def _without_fine(features: Tensor) -> Tensor:
    coarse = features[:, : -LITE.fine_channels]
    return torch.cat([coarse, torch.zeros_like(features[:, -LITE.fine_channels :])], dim=1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--part", help="what to train on, where DATA is a file of parts")
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--without", nargs="*", choices=PARTS, default=[])
    given = parser.parse_args()

    data = load_training_data(given.data, given.part, "unseen", given.seed)
    torch.manual_seed(given.seed)
    stage1, stage2 = PyramidDistance(LITE), make_stage2(LITE, CONCAT)
    if "imagenet" not in given.without:
        load_imagenet(stage1.backbone)
    stage1.comparer = Blinded(stage1.comparer, given.without)
    both = nn.ModuleList([stage1, stage2]).train()
    both.to(memory_format=torch.channels_last)
    preset = PRESETS["tuned"]
    pairs = PairStream(data.material, recipe_for("unseen", "both"), given.seed)
    loss, budget = joint_loss(stage1, stage2, preset), Budget(given.steps, "steps")
    with tempfile.TemporaryDirectory() as folder, Progress() as progress:
        run = StageTraining("both", both, loss, pairs, preset, budget, 1, Path(folder), {})
        both.load_state_dict(run.train(None, progress, torch.device("cpu")))
    both.eval()
    print(json.dumps(validate(stage1, stage2, data.validation, "unseen", given.seed).to_json()))


if __name__ == "__main__":
    main()
