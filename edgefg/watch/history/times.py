"""Points in time as people type them: ISO 8601, or how long ago."""

import math
import re
import time
from datetime import datetime

from ...errors import OptionError
from ...utils.validation import shown

_UNITS_S = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0}
_AGO = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)([smhdw])")
_MAX_CHARACTERS = 40


def parsed_time(option: str, text: str, now_s: float | None = None) -> float:
    """Reads a point in time.

    Args:
        option: The option that it was given for, for the message.
        text: ``2h`` is two hours ago (also ``s``, ``m``, ``d`` and ``w``), and ``2026-01-31T23:59`` is in local time
            unless it ends in ``Z`` or ``+01:00``. A date alone is its first moment.
        now_s: The time now; None asks the clock.

    Returns:
        Seconds since 1970.

    Raises:
        OptionError: The text is none of these.
    """
    ago = _AGO.fullmatch(text)
    try:
        if ago is not None:
            return (time.time() if now_s is None else now_s) - float(ago[1]) * _UNITS_S[ago[2]]
        if len(text) > _MAX_CHARACTERS:
            raise ValueError
        # Python 3.10 does not know the Z.
        at_s = datetime.fromisoformat(re.sub(r"[zZ]$", "+00:00", text.strip())).timestamp()
        if not math.isfinite(at_s):
            raise ValueError
        return at_s
    except (ValueError, OverflowError, OSError):
        raise OptionError(
            f"{option}={shown(text)}: expected a time such as 2026-01-31T23:59, 2026-01-31, or 2h for two hours ago"
        ) from None
