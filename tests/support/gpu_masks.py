"""Agreement of the masks of each precision on the GPU with those of FP32, there and on the CPU.

Run: python tests/support/gpu_masks.py BUNDLE masks.json     (see gpu_run.py)
"""

import json
import sys
from pathlib import Path

import numpy as np

import edgefg
from edgefg.errors import EdgefgError
from edgefg.imaging.median import temporal_median
from edgefg.media.reader import open_video
from edgefg.utils.resources import CLIP


def main() -> None:
    bundle, out = edgefg.open_bundle(sys.argv[1]), Path(sys.argv[2])
    frames = open_video(str(CLIP)).sample(64, max(bundle.input_size))
    background = temporal_median(frames)

    def masks(engine: str, precision: str, of: edgefg.Bundle | None = bundle) -> np.ndarray:
        with edgefg.Segmenter(
            of, background=background, engine=engine, precision=precision, policy="fixed"
        ) as segmenter:
            return np.array([segmenter.segment(frame).mask > 0 for frame in frames])

    # The bundle that comes with edgefg has the same weights, in a form for CPUs.
    references = {"fp32 on the CPU": masks("openvino", "fp32", None)}
    found = {}
    for precision in ("fp32", "fp16", "int8"):
        try:
            ours = masks("tensorrt-rtx", precision)
        except EdgefgError as error:
            found[precision] = {"error": str(error)}
            continue
        references.setdefault("fp32 on the GPU", ours)
        found[precision] = {
            name: float((ours & other).sum() / (ours | other).sum()) for name, other in references.items()
        }
    out.write_text(json.dumps({"iou": found, "frames": len(frames)}))


if __name__ == "__main__":
    main()
