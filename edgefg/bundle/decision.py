"""The decision of a bundle: the section of its manifest on what is foreground and which frames skip stage 2.

    "decision": {"schema": 1, "mode": "fused", "threshold": 0.26, "foreground_distance": 12.47, "skip_below": 15.0}

``foreground_distance`` may be missing if the mode is ``full``; ``skip_below`` is always optional.
"""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .fields import Fields

SCHEMA = 1
MODES = ("full", "map", "fused")
"""Stage 2's masks, those of the sharpened map alone, and the mean of both."""

# Networks keep changed places about 30 apart.
_MAX_DISTANCE = 10**6


@dataclass(frozen=True)
class Decision:
    """The best decision of a bundle's networks, as validation found it.

    Attributes:
        mode: Default mode, ``"full"``, ``"map"`` or ``"fused"``.
        threshold: Probability of stage 2, in (0, 1], from which a pixel is foreground.
        foreground_distance: Distance, in map units above 0, from which a place of the map is foreground; None if the
            bundle was not validated for modes that use the map.
        skip_below: Distance, in map units above 0; a frame whose distances all stay below it skips stage 2. None skips
            no frame.
    """

    mode: str
    threshold: float
    foreground_distance: float | None = None
    skip_below: float | None = None

    def __str__(self) -> str:
        return ", ".join(self._parts())

    def to_json(self) -> dict[str, Any]:
        """Returns the section of the manifest."""
        stated = {name: value for name, value in dataclasses.asdict(self).items() if value is not None}
        return {"schema": SCHEMA, **stated}

    def _parts(self) -> Iterator[str]:
        yield f"mode {self.mode}"
        yield f"foreground from probability {self.threshold:g}"
        if self.foreground_distance is not None:
            yield f"on the map from distance {self.foreground_distance:g}"
        if self.skip_below is not None:
            yield f"stage 2 skipped below distance {self.skip_below:g}"


def read_decision(section: Fields) -> Decision:
    """Reads and checks the section of a manifest.

    Raises:
        BundleError: It is of another schema, or a field is missing or wrong.
    """
    section.schema(SCHEMA)
    mode = section.choice("mode", MODES)
    return Decision(
        mode=mode,
        threshold=section.number("threshold", at_most=1),
        foreground_distance=_distance(section, "foreground_distance", required=mode != "full"),
        skip_below=_distance(section, "skip_below"),
    )


def _distance(section: Fields, name: str, *, required: bool = False) -> float | None:
    return section.number(name, at_most=_MAX_DISTANCE) if required or name in section.values else None
