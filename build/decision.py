"""The decision of a bundle, from the validation of its networks."""

from collections.abc import Mapping
from typing import Any

from edgefg.bundle.decision import Decision


def decision_of(card: Mapping[str, Any]) -> Decision:
    """Returns the best decision by the weights' card; without validation, the mode ``full`` with threshold 0.5."""
    found = card.get("validation") or {}
    # Not 0, which would call everything foreground.
    threshold = max(round(float(found["full"]["threshold"]), 2), 0.01) if "full" in found else 0.5
    # 0 where the map is of no use.
    distance = round(float(found["map"]["foreground_distance"]), 2) if "map" in found else 0.0
    skip_below = found.get("skip_below")
    return Decision(
        mode=found.get("mode", "full"),
        threshold=threshold,
        foreground_distance=distance or None,
        skip_below=None if skip_below is None else float(skip_below),
    )
