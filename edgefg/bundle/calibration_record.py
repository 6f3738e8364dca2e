"""The record of a calibration sample, as a bundle's calibration.json holds it, and the digest that names it.

    {
      "seed": 0,
      "source": "splits.json",
      "digest": "<SHA-256>",
      "categories": {"baseline": 64},
      "pairs": [{"background": {"file": "...", "sha256": "..."}, "frame": {"file": "...", "sha256": "...", "index": 3}}]
    }

``index`` numbers the frames that were drawn from a video file; an image file has none.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

FILE = "calibration.json"


def sample_digest(seed: int, pairs: Iterable[Mapping[str, Any]]) -> str:
    """SHA-256 in hex of the seed and of all files in order: the same frames, wherever they lie, give the same.

    Args:
        seed: What chose the pairs.
        pairs: As in the record.

    Raises:
        KeyError, TypeError: A pair is not as in the record.
    """
    drawn = [[pair[part]["sha256"], pair[part].get("index")] for pair in pairs for part in ("background", "frame")]
    return hashlib.sha256(json.dumps([1, seed, drawn]).encode()).hexdigest()
