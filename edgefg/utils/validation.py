"""Checks of option values, with one wording of the error for each kind of value."""

import math
import reprlib
from collections.abc import Collection
from numbers import Real

from ..errors import OptionError

_reprs = reprlib.Repr()
_reprs.maxlevel, _reprs.maxstring, _reprs.maxother = 3, 100, 100
_LONGEST = 300


def shown(value: object) -> str:
    """Returns a value as it is shown in messages, cut short: a file can hold lists without end, and endless numbers."""
    try:
        text = _reprs.repr(value)
    except ValueError:  # Python writes no number of more than 4300 digits.
        return "a number of thousands of digits"
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def check_choice(name: str, value: object, choices: Collection[str]) -> None:
    """Raises OptionError unless a value is one of the allowed names."""
    if not isinstance(value, str) or value not in choices:
        raise OptionError(f"{name} must be one of {', '.join(choices)}; got {shown(value)}")


def check_count(name: str, value: object, *, at_least: int = 1) -> None:
    """Raises OptionError unless a value is a whole number of ``at_least`` or more."""
    # bool is a subclass of int.
    if isinstance(value, bool) or not isinstance(value, int) or value < at_least:
        wanted = "above 0" if at_least == 1 else f"of {at_least} or more"
        raise OptionError(f"{name} must be a whole number {wanted}; got {shown(value)}")


def check_number(
    name: str,
    value: object,
    *,
    above: float | None = None,
    at_least: float | None = None,
    at_most: float | None = None,
    unit: str = "",
) -> None:
    """Raises OptionError unless a value is a finite number within some bounds.

    Args:
        name: Name of the option, for the message.
        value: Value to check.
        above: Exclusive lower bound.
        at_least: Inclusive lower bound.
        at_most: Inclusive upper bound.
        unit: Unit of the value, for the message, such as ``"seconds"``.
    """
    try:
        number = math.nan if isinstance(value, bool) or not isinstance(value, Real) else float(value)
    except OverflowError:
        number = math.inf
    # Written so that NaN is rejected too.
    fits = (
        math.isfinite(number)
        and (above is None or number > above)
        and (at_least is None or number >= at_least)
        and (at_most is None or number <= at_most)
    )
    if not fits:
        bounds = [
            *([] if above is None else [f"above {above:g}"]),
            *([] if at_least is None else [f"{at_least:g} or more"]),
            *([] if at_most is None else [f"at most {at_most:g}"]),
        ]
        number_of = f"a number of {unit}," if unit else "a number of" if above is None and bounds else "a number"
        wanted = " ".join(filter(None, (number_of, " and ".join(bounds))))
        raise OptionError(f"{name} must be {wanted}; got {shown(value)}")
