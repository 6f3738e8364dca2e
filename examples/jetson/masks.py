"""Compares the masks of a compiled bundle with those of FP32. It has not been run on a Jetson.

Run: python masks.py BUNDLE [ENGINE]

Prints a line for each precision, and ends with 1 if one of them does not agree.
"""

import sys
from contextlib import closing

import edgefg
from edgefg.bundle.reference_masks import read_reference_masks
from edgefg.engines.open import open_engine
from edgefg.engines.self_check import MIN_IOU, agreement


def main() -> int:
    bundle, name = edgefg.open_bundle(sys.argv[1]), (*sys.argv[2:], "tensorrt")[0]
    reference = read_reference_masks(bundle)
    if reference is None:
        print("the bundle has no reference masks")
        return 1
    failed = 0
    for precision in dict.fromkeys(variant.precision for variant in bundle.variants_for(name)):
        try:
            with closing(open_engine(bundle, name, precision=precision)) as engine:
                iou = agreement(engine, reference, bundle.decision.threshold)
        except edgefg.EdgefgError as error:
            failed += 1
            print(f"FAIL {precision}: {error}")
            continue
        failed += iou < MIN_IOU
        print(f"{'ok' if iou >= MIN_IOU else 'FAIL':<5}{precision}: IoU {iou:.4f} with fp32")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
