"""Cameras under watch: motion events, clips, metrics and a live page. ``edgefg watch`` on the command line."""

from .events import Event
from .motion import MotionOptions
from .options import Broker, Listen, WatchedCamera, WatchOptions
from .service import Watch

__all__ = ["Broker", "Event", "Listen", "MotionOptions", "Watch", "WatchOptions", "WatchedCamera"]
