"""Options, weights and data for ``edgefg build``; import it only where torch is installed.

Test modules import its fixtures under their own names (``data as data``), as only pytest uses them.
"""

import atexit
import functools
import shutil
import tempfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from torch import nn

from edgefg.build.networks import sizes
from edgefg.build.networks.fusion import ADD
from edgefg.build.networks.make import make_stage1, make_stage2
from edgefg.build.networks.weights import save_weights
from edgefg.build.options import BuildOptions

SIZE = (64, 48)

NARROW = sizes.Size("narrow", width=1 / 32, early_stride=2, feature_channels=8, batch_norm=False)
"""Half the convolutions of the shipped size, and few channels: a build takes a second or two."""


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEFG_CACHE", str(tmp_path / "cache"))


@pytest.fixture(autouse=True)
def narrow_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sizes.SIZES, NARROW.name, NARROW)


@pytest.fixture(autouse=True)
def no_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leaves the report's picture out, whose drawing takes a good part of a build; test_report looks at it."""
    monkeypatch.setattr("edgefg.build.acceptance.report._picture", lambda *_: b"")


@functools.cache
def narrow_weights() -> Path:
    """Weights of `NARROW` that nobody trained: what is bright, and differs from the background, is foreground.

    All convolutions pass their input on, but for a little noise. The distance is that of the colours, so large that
    the map is at its cap or empty, and stage 2 compares its sum with the frame.
    """
    torch.manual_seed(0)
    stage1, stage2 = make_stage1(NARROW), make_stage2(NARROW, ADD)
    with torch.no_grad():
        for conv in (
            module for stage in (stage1, stage2) for module in stage.modules() if isinstance(module, nn.Conv2d)
        ):
            conv.weight.normal_(0, 1e-4)
            middle = conv.kernel_size[0] // 2
            for channel in range(min(conv.in_channels, conv.out_channels)):
                conv.weight[channel, channel, middle, middle] = 1.0
        # ReLU would lose what is darker than the mean.
        for channel in range(3):
            stage1.backbone[0][0].weight[3 + channel, channel, 1, 1] = -1.0
        stage1.project.weight *= 0.4
        joint = stage2.decoder[-1][0][0]
        joint.weight.zero_()
        joint.weight[0, -3:, 1, 1] = 1 / 3  # The fused frame, which follows what comes from below.
        stage2.head.weight.zero_()
        stage2.head.weight[0, 0] = 20.0
        stage2.head.bias.fill_(-20.0 * 8.1)
    folder = tempfile.mkdtemp(prefix="edgefg-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    path = Path(folder) / "narrow.safetensors"
    save_weights(path, stage1.state_dict(), stage2.state_dict(), {"size": NARROW.name, "seen_frames": []})
    return path


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory, write_sequence: Any) -> Path:
    """A JSON file with a part to calibrate on and one that judges."""
    root = tmp_path_factory.mktemp("data")
    write_sequence(root / "baseline" / "street", range(1, 41))
    write_sequence(root / "baseline" / "yard", range(101, 111))
    for path in (root / "baseline" / "yard" / "input").iterdir():
        cv2.imwrite(str(path), cv2.flip(np.asarray(cv2.imread(str(path))), 0))  # Frames of its own.
    for path in (root / "baseline" / "yard" / "groundtruth").iterdir():
        cv2.imwrite(str(path), cv2.flip(np.asarray(cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)), 0))
    (root / "splits.json").write_text('{"train": ["baseline/street"], "validate": ["baseline/yard"]}')
    return root / "splits.json"


def options(tmp_path: Path, data: Path | None = None, **changes: Any) -> BuildOptions:
    given: dict[str, Any] = {"out": tmp_path / "bundle", "input_size": SIZE, "samples": 32}
    if "size" not in changes:
        given["weights"] = narrow_weights()
    if data is not None:
        given |= {"calibrate": str(data), "part": "train"}
    return BuildOptions(**(given | changes))
