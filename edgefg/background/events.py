"""Events that affect a camera's whole view: their names, and the record of one event."""

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
        LIGHT_STEP,  # strength: gain of the light
        LIGHT_DRIFT,  # the same, slowly
        INFRARED,  # from colour to gray; strength: mean difference of the channels, in levels
        DAYLIGHT,  # from gray to colour; the same strength
        CAMERA_MOVED,  # strength: pixels of the networks
        SHAKE,  # the same
        VIEW_CHANGED,  # a pan or zoom that no shift explains; strength: share of foreground
        VIEW_BLOCKED,  # strength: share of the edges that are missing
        FROZEN_FEED,  # strength: seconds since the picture last changed
        NOISE,  # strength: standard deviation in levels
        CORRUPT_FRAME,  # frames that differ from those before and after; strength: share that differed, 0 when over
    }
)
"""Kinds that you can turn off. ``refresh_failed`` is always reported: the engine could not embed a new background."""


@dataclass(frozen=True)
class SceneEvent:
    """One event in a camera's view.

    Attributes:
        time_s: Time of detection, by the policy's clock.
        kind: One of `EVENT_KINDS`, or ``refresh_failed``.
        strength: Strength of the event; its unit depends on the kind.
        action: Reaction of the background model, in words.
    """

    time_s: float
    kind: str
    strength: float
    action: str
