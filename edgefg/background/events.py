"""What happens to a whole view: its names, and the record of one event."""

from dataclasses import dataclass

LIGHT_STEP = "light_step"
LIGHT_DRIFT = "light_drift"
INFRARED = "infrared"
DAYLIGHT = "daylight"
CAMERA_MOVED = "camera_moved"
SHAKE = "shake"
VIEW_CHANGED = "view_changed"
VIEW_BLOCKED = "view_blocked"
FROZEN_FEED = "frozen_feed"
NOISE = "noise"
CORRUPT_FRAME = "corrupt_frame"
REFRESH_FAILED = "refresh_failed"

EVENT_KINDS = frozenset(
    {
        LIGHT_STEP,  # strength: the light's gain
        LIGHT_DRIFT,  # the same, slowly
        INFRARED,  # from colour to gray; strength: mean difference of the channels, in levels
        DAYLIGHT,  # and back
        CAMERA_MOVED,  # strength: pixels of the networks
        SHAKE,  # the same
        VIEW_CHANGED,  # a pan or zoom that no shift explains; strength: share of foreground
        VIEW_BLOCKED,  # strength: share of the edges that are gone
        FROZEN_FEED,  # strength: seconds since the picture last changed
        NOISE,  # strength: standard deviation in levels
        CORRUPT_FRAME,  # one frame unlike those before and after; strength: share that differed
    }
)
"""What may be turned off. ``refresh_failed`` comes besides: the engine could not embed a new background."""


@dataclass(frozen=True)
class SceneEvent:
    """Something that happened to the view.

    Attributes:
        time_s: When it was noticed, by the policy's clock.
        kind: One of `EVENT_KINDS`, or ``refresh_failed``.
        strength: How much; of what, depends on the kind.
        action: What was done about it.
    """

    time_s: float
    kind: str
    strength: float
    action: str
