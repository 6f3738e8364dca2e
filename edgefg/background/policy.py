"""What keeps a background right: the options of its bootstrap, its refresh and its scene events."""

import math
import time
from collections.abc import Callable, Set
from dataclasses import dataclass
from numbers import Real
from typing import Literal

from ..errors import OptionError
from ..utils.validation import check_choice, check_number
from .events import EVENT_KINDS

Refresh = Literal["fixed", "periodic", "selective"]
Bootstrap = Literal["first", "median"]

REFRESHES = ("fixed", "periodic", "selective")
BOOTSTRAPS = ("first", "median")


@dataclass(frozen=True)
class BackgroundPolicy:
    """How a background comes about and changes. All times are seconds by ``clock``, whatever the frame rate.

    Attributes:
        refresh: ``"fixed"``: only you change it. ``"periodic"``: a new median each ``period_s``. ``"selective"``: what
            has been background for ``calm_s`` is blended in, and what else the attributes below name.
        bootstrap: Without an image, the first frame serves at once; ``"median"`` replaces it by the median of the first
            ``bootstrap_s``, ``"first"`` keeps it.
        bootstrap_s: How long frames are gathered for a median.
        period_s: Of the refresh ``"periodic"``.
        refresh_s: Least time between two backgrounds that are blended; what is urgent does not wait for it.
        blend_s: In which blending takes in 63% of a change.
        calm_s: How long a place must be background before it is blended in.
        ghost_s: How long a place must look the same before it may be found to be a ghost: something that stood in the
            background and has left. None leaves ghosts.
        stationary_s: After which a still object joins the background; None is never.
        events: Which of `edgefg.background.events.EVENT_KINDS` are looked for; what is not is not acted on.
        clock: Gives seconds. Read once for each frame.
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
        unknown = sorted(set(self.events) - EVENT_KINDS)
        if unknown:
            raise OptionError(f"events must be some of {', '.join(sorted(EVENT_KINDS))}; got {', '.join(unknown)}")

    @property
    def watches(self) -> bool:
        """Whether frames have to be looked at at all."""
        return self.refresh != "fixed" or self.bootstrap == "median" or bool(self.events)

    def now_s(self) -> float:
        """What the clock says.

        Raises:
            OptionError: It says no finite number.
        """
        now = self.clock()
        if isinstance(now, bool) or not isinstance(now, Real) or not math.isfinite(now):
            raise OptionError(f"the policy's clock must give finite seconds; got {now!r}")
        return float(now)


FIXED = BackgroundPolicy(refresh="fixed", bootstrap="first", events=frozenset())
"""The background is what was set, or the first frame, and stays it."""


def policy_of(policy: BackgroundPolicy | str) -> BackgroundPolicy:
    """Returns a policy as it is, or makes the one of a name: ``"fixed"``, ``"periodic"``, ``"selective"``.

    Raises:
        OptionError: There is none of that name.
    """
    if isinstance(policy, BackgroundPolicy):
        return policy
    if policy == "fixed":
        return FIXED
    if policy == "periodic":
        return BackgroundPolicy(refresh="periodic")
    if policy == "selective":
        return BackgroundPolicy()
    raise OptionError(f"policy must be a BackgroundPolicy or one of {', '.join(REFRESHES)}; got {policy!r}")
