"""The options of a watch: cameras, networks and outputs."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from ..background.policy import BackgroundPolicy
from ..cameras.options import CameraOptions
from ..errors import OptionError
from ..segmentation.options import InferenceOptions
from ..utils.validation import check_number, shown
from .addresses import Broker, Listen
from .history.schema import FILE_NAME
from .motion import MotionOptions
from .names import check_name
from .zones import Polygon, checked_polygon, visible_share


@dataclass(frozen=True)
class WatchedCamera:
    """One camera, and where and when motion counts on it.

    Attributes:
        url: An address that `edgefg.open_camera` takes.
        name: Letters, digits, spaces, dots, dashes and underscores: it becomes part of topics, file names and
            addresses.
        zones: Polygons in shares of the picture, by name; without any, the whole picture is one zone.
        roi: Only the inside of this polygon counts; None is the whole picture.
        motion: When motion starts and ends.
        background: An image file to compare with; None is the first frame.
        loop: Starts a file again at its end.
        reading: How it is read: its times, its transport. ``loop`` takes precedence.
        policy: How the background changes; None is the policy of the watch.

    Raises:
        OptionError: A name cannot be used, a polygon is none, or motion can never start in a zone.
    """

    url: str = field(repr=False)
    name: str
    zones: dict[str, Polygon] = field(default_factory=dict)
    roi: Polygon | None = None
    motion: MotionOptions = field(default_factory=MotionOptions)
    background: Path | None = None
    loop: bool = False
    reading: CameraOptions = field(default_factory=CameraOptions)
    policy: BackgroundPolicy | None = None

    def __post_init__(self) -> None:
        check_name(self.name, "a camera's name")
        for zone in self.zones:
            check_name(zone, f"camera {self.name}: a zone's name")
        if self.roi is not None:
            checked_polygon(self.roi, f"camera {self.name}: roi")
        for zone, polygon in self.zones.items():
            checked_polygon(polygon, f"camera {self.name}: zone {zone}")
            self._check_can_move(f"zone {zone}", polygon)
        if not self.zones:
            self._check_can_move("roi", self.roi)

    def _check_can_move(self, what: str, polygon: Polygon | None) -> None:
        """Refuses a zone that would stay quiet forever without a word."""
        share = visible_share(polygon, self.roi)
        if share == 0:
            raise OptionError(f"camera {self.name}: {what} lies outside the roi, where nothing counts")
        if share < self.motion.min_area:
            raise OptionError(
                f"camera {self.name}: {what} has {share:.2%} of the picture to see, less than min_area, "
                f"{self.motion.min_area:.2%}: motion could never start there"
            )


@dataclass(frozen=True)
class WatchOptions:
    """The options of an `edgefg.watch.Watch`. Every output is optional.

    Attributes:
        cameras: At least one.
        bundle: A bundle's folder; None for the one that comes with edgefg.
        inference: Which networks run, and how.
        policy: How the background of each camera changes that has no policy of its own.
        max_age_ms: A result whose frame is older than this is dropped.
        listen: The address of the live page; None serves none.
        events: JSON lines file to append events to.
        mqtt: Broker to send events to.
        record: Folder for clips of events.
        pre_roll_s: How much of the time before an event a clip shows.
        overlay: Folder for videos of everything, with the foreground tinted.
        max_disk_mb: How much a camera's videos may take in each of these folders before the oldest are removed.
        keep_days: Events, clips and videos that are older are removed; None leaves it to their sizes.
        store: Folder for the store of events; None keeps none. "auto" is the folder of ``record``, else that of the
            ``events`` file, else none.
        max_store_mb: How much the store may take before the oldest events are removed.

    Raises:
        OptionError: An option makes no sense.
    """

    cameras: tuple[WatchedCamera, ...]
    bundle: Path | None = None
    inference: InferenceOptions = field(default_factory=InferenceOptions)
    policy: BackgroundPolicy | str = "selective"
    max_age_ms: float = 1000.0
    listen: Listen | None = field(default_factory=Listen)
    events: Path | None = None
    mqtt: Broker | None = None
    record: Path | None = None
    pre_roll_s: float = 3.0
    overlay: Path | None = None
    max_disk_mb: float = 10_000.0
    keep_days: float | None = None
    store: Path | Literal["auto"] | None = "auto"
    max_store_mb: float = 500.0

    def __post_init__(self) -> None:
        if not self.cameras:
            raise OptionError("no camera is named: pass at least one camera's URL, or config=FILE.yaml")
        names = [camera.name for camera in self.cameras]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise OptionError(f"two cameras are called {shown(twice)}; each needs a name of its own")
        check_number("max_age_ms", self.max_age_ms, at_least=1, at_most=3_600_000, unit="milliseconds")
        check_number("pre_roll_s", self.pre_roll_s, at_least=0, at_most=60, unit="seconds")
        check_number("max_disk_mb", self.max_disk_mb, at_least=1, at_most=1e9, unit="megabytes")
        check_number("max_store_mb", self.max_store_mb, at_least=1, at_most=1e6, unit="megabytes")
        if self.keep_days is not None:
            check_number("keep_days", self.keep_days, at_least=0.01, at_most=36_500, unit="days")
        folder = self.store_folder
        if folder is not None and self.events is not None and self.events.resolve() == (folder / FILE_NAME).resolve():
            raise OptionError(f"events={str(self.events)!r}: the store of events has this name; choose another one")

    @property
    def store_folder(self) -> Path | None:
        """The folder of the store of events; None if there is none."""
        if self.store != "auto":
            return self.store
        return self.record or (None if self.events is None else _folder_beside(self.events))


def _folder_beside(events: Path) -> Path | None:
    """Returns the folder of a file of events; None where nobody expects another file, as beside ``/dev/stdout``."""
    folder = events.resolve().parent if events.exists() else events.parent
    is_no_file = events.exists() and not events.is_file()
    return None if is_no_file or (folder.exists() and not os.access(folder, os.W_OK)) else folder
