"""What happens at a camera, as one record for every output."""

import secrets
import time
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from ..imaging.io import Image
from .motion import Motion, MotionOptions
from .zones import Patch, ZoneMasks


@dataclass(frozen=True, eq=False)
class Event:
    """Something that happened.

    Attributes:
        kind: ``motion_started``, ``motion_ended``, ``camera_state``, ``scene``, ``background_set``,
            ``background_frozen`` or ``background_thawed``.
        camera: Whose.
        at_s: When, in seconds since 1970.
        details: What else there is to say, as JSON can hold it.
        snapshot: The frame it belongs to as a JPEG, if there is one.
        id: Unique. What is delivered twice has the same one.
    """

    kind: str
    camera: str
    at_s: float
    details: dict[str, Any] = field(default_factory=dict)
    snapshot: bytes | None = None
    id: str = field(default_factory=lambda: secrets.token_hex(8))

    @property
    def time(self) -> str:
        """When, as ISO 8601 in UTC."""
        return datetime.fromtimestamp(self.at_s, timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def to_json(self) -> dict[str, Any]:
        """As JSON lines, MQTT and the page get it; without the snapshot."""
        return {"id": self.id, "time": self.time, "kind": self.kind, "camera": self.camera, **self.details}


@dataclass(frozen=True, eq=False)
class Sighting:
    """Motion that started or ended in a zone.

    Attributes:
        kind: ``motion_started`` or ``motion_ended``.
        details: As `Event` takes them.
        age_s: How long ago it happened.
    """

    kind: str
    details: dict[str, Any]
    age_s: float = 0.0


class MotionWatcher:
    """All zones of one camera: masks in, motion out."""

    def __init__(self, zones: ZoneMasks, options: MotionOptions) -> None:
        self._zones = zones
        self._options = options
        self._motions = {name: Motion(options) for name in zones.names}
        self._ids: dict[str, str] = {}

    @property
    def active(self) -> tuple[str, ...]:
        """The zones in which there is motion."""
        return tuple(name for name, motion in self._motions.items() if motion.active)

    def update(self, mask: Image, captured_s: float) -> list[Sighting]:
        """Takes note of a frame.

        Args:
            mask: ``(H, W) uint8``, 0 or 255.
            captured_s: When it was taken, by ``time.monotonic()``.
        """
        found = self._zones.patches(mask, self._options.kept_area)
        sightings = []
        for name, motion in self._motions.items():
            areas = [patch.area for patch in found[name]]
            change = motion.update(max(areas, default=0.0), sum(areas), captured_s)
            if change == "started":
                self._ids[name] = secrets.token_hex(8)
                details = self._details(name, sum(areas)) | _places(found[name], mask)
                sightings.append(Sighting("motion_started", details, captured_s - motion.since_s))
            elif change == "ended":
                sightings.append(self._ended(name, captured_s, "quiet"))
        return sightings

    def no_frame(self, at_s: float) -> list[Sighting]:
        """Takes note that no frame came until now, by ``time.monotonic()``."""
        changed = [name for name, motion in self._motions.items() if motion.no_frame(at_s)]
        return [self._ended(name, at_s, "no frames") for name in changed]

    def stop(self) -> list[Sighting]:
        """Ends all motion that there is."""
        now_s = time.monotonic()
        changed = [name for name, motion in self._motions.items() if motion.stop()]
        return [self._ended(name, now_s, "stopped") for name in changed]

    def _ended(self, zone: str, at_s: float, reason: str) -> Sighting:
        motion = self._motions[zone]
        details = self._details(zone, motion.peak_area)
        return Sighting("motion_ended", details | {"duration_s": round(at_s - motion.since_s, 3), "reason": reason})

    def _details(self, zone: str, area: float) -> dict[str, Any]:
        return {"motion": self._ids[zone], "zone": zone, "area": round(area, 6)}


def _places(patches: list[Patch], mask: Image) -> dict[str, Any]:
    """The ten largest patches, in pixels of the frame."""
    return {"size": [mask.shape[1], mask.shape[0]], "boxes": [list(patch.box) for patch in patches[:10]]}
