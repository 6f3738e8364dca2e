"""The record of a calibration sample in a bundle's calibration.json, and the digest that names the sample.

    {
      "seed": 0,
      "source": "splits.json",
      "digest": "<SHA-256>",
      "categories": {"baseline": 64},
      "pairs": [{"background": {"file": "...", "sha256": "..."}, "frame": {"file": "...", "sha256": "...", "index": 3}}]
    }

``index`` numbers the frames drawn from a video file; an image file has none.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

FILE = "calibration.json"


def sample_digest(seed: int, pairs: Iterable[Mapping[str, Any]]) -> str:
    """Returns the SHA-256, in hex, of the seed and all files in order, which does not depend on where they lie.

    Args:
        seed: The seed that chose the pairs.
        pairs: The pairs, in the form of the record.

    Raises:
        KeyError, TypeError: A pair does not have the form of the record.
    """
    drawn = [[pair[part]["sha256"], pair[part].get("index")] for pair in pairs for part in ("background", "frame")]
    return hashlib.sha256(json.dumps([1, seed, drawn]).encode()).hexdigest()
