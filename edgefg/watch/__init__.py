"""Watches cameras: motion events, clips, metrics and a live page. ``edgefg watch`` on the command line."""

from .addresses import Broker, Listen
from .events import Event
from .motion import MotionOptions
from .options import WatchedCamera, WatchOptions
from .service import Watch

__all__ = ["Broker", "Event", "Listen", "MotionOptions", "Watch", "WatchOptions", "WatchedCamera"]
