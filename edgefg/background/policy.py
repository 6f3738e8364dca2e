"""Options of a background's bootstrap, refresh and scene events."""

import math
import time
from collections.abc import Callable, Set
from dataclasses import dataclass
from numbers import Real
from typing import Literal

from ..errors import OptionError
from ..utils.validation import check_choice, check_number, shown
from .events import EVENT_KINDS

Refresh = Literal["fixed", "periodic", "selective"]
Bootstrap = Literal["first", "median"]

REFRESHES = ("fixed", "periodic", "selective")
BOOTSTRAPS = ("first", "median")


@dataclass(frozen=True)
class BackgroundPolicy:
    """Rules by which a background starts and changes. All times are seconds by ``clock``, at any frame rate.

    Attributes:
        refresh: ``"fixed"``: only you change the background. ``"periodic"``: a new median every ``period_s``.
            ``"selective"``: places that have been background for ``calm_s`` are blended in; ``ghost_s`` and
            ``stationary_s`` add further places.
        bootstrap: Start without an image: the first frame serves at once. ``"median"`` then replaces it by the median
            of the first ``bootstrap_s``; ``"first"`` keeps it.
        bootstrap_s: Time over which frames are gathered for a median.
        period_s: Time between two medians of the refresh ``"periodic"``.
        refresh_s: Minimum time between two blended backgrounds. Urgent changes do not wait.
        blend_s: Time in which blending absorbs 63% of a change.
        calm_s: Time for which a place must be background before it is blended in.
        ghost_s: Time for which a place must look the same before it can be removed as a ghost: an object that was part
            of the background and has left. None keeps ghosts.
        stationary_s: Time after which a still object joins the background; None is never.
        events: Kinds of `edgefg.background.events.EVENT_KINDS` to detect and react to; others are ignored.
        clock: Function that returns seconds. It is called once per frame.
    """

    refresh: Refresh = "selective"
    bootstrap: Bootstrap = "median"
    bootstrap_s: float = 10.0
    period_s: float = 60.0
    refresh_s: float = 2.0
    blend_s: float = 20.0
    calm_s: float = 2.0
    ghost_s: float | None = 1.0
    stationary_s: float | None = None
    events: Set[str] = EVENT_KINDS
    clock: Callable[[], float] = time.monotonic

    def __post_init__(self) -> None:
        check_choice("refresh", self.refresh, REFRESHES)
        check_choice("bootstrap", self.bootstrap, BOOTSTRAPS)
        for name in ("bootstrap_s", "period_s", "refresh_s", "blend_s", "calm_s"):
            check_number(name, getattr(self, name), at_least=0, unit="seconds")
        for name in ("ghost_s", "stationary_s"):
            if getattr(self, name) is not None:
                check_number(name, getattr(self, name), at_least=0, unit="seconds")
        unknown = sorted(map(str, set(self.events) - EVENT_KINDS))
        if unknown:
            known = ", ".join(sorted(EVENT_KINDS))
            raise OptionError(f"events must be some of {known}; got {shown(', '.join(unknown))}")

    @property
    def watches(self) -> bool:
        """Whether the policy needs to see frames at all."""
        return self.refresh != "fixed" or self.bootstrap == "median" or bool(self.events)

    def now_s(self) -> float:
        """Returns the clock's time in seconds.

        Raises:
            OptionError: The clock returns something other than a finite number.
        """
        now = self.clock()
        if isinstance(now, bool) or not isinstance(now, Real) or not math.isfinite(now):
            raise OptionError(f"the policy's clock must return finite seconds; got {shown(now)}")
        return float(now)


FIXED = BackgroundPolicy(refresh="fixed", bootstrap="first", events=frozenset())
"""Policy that never changes the background: the image you set, or the first frame."""


def policy_of(policy: BackgroundPolicy | str) -> BackgroundPolicy:
    """Returns the policy itself, or the one with a name: ``"fixed"``, ``"periodic"`` or ``"selective"``.

    Raises:
        OptionError: There is no policy of that name.
    """
    if isinstance(policy, BackgroundPolicy):
        return policy
    if policy == "fixed":
        return FIXED
    if policy == "periodic":
        return BackgroundPolicy(refresh="periodic")
    if policy == "selective":
        return BackgroundPolicy()
    if not isinstance(policy, str):
        raise OptionError(f"policy must be a BackgroundPolicy or its name; got {type(policy).__name__}")
    raise OptionError(f"policy must be one of {', '.join(REFRESHES)}; got {shown(policy)}")
