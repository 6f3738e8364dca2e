"""What validation found out about networks, from their card, as a bundle's manifest has it."""

from collections.abc import Mapping
from typing import Any


def calibrated(card: Mapping[str, Any]) -> dict[str, Any]:
    """The fields ``threshold``, ``mode``, ``map`` and ``quiet`` of a manifest; without validation 0.5 and ``full``."""
    found = card.get("validation") or {}
    # Not 0, which would call everything foreground.
    threshold = max(round(float(found["full"]["threshold"]), 2), 0.01) if "full" in found else 0.5
    # 0 where the map says nothing.
    distance = round(float(found["map"]["distance"]), 2) if "map" in found else 0.0
    return {
        "threshold": threshold,
        "mode": found.get("mode", "full"),
        **({"map": {"distance": distance}} if distance else {}),
        **({"quiet": {"distance": float(found["quiet"]["distance"])}} if "quiet" in found else {}),
    }
