"""Checks of what users pass: one wording for each kind of value."""

import math
from fractions import Fraction

import numpy as np
import pytest

from edgefg.errors import OptionError
from edgefg.utils.validation import check_choice, check_count, check_number


def test_a_choice() -> None:
    check_choice("mode", "map", ("full", "map"))
    with pytest.raises(OptionError, match=r"^mode must be one of full, map; got 'fast'$"):
        check_choice("mode", "fast", ("full", "map"))


@pytest.mark.parametrize("value", [None, 1, ["map"]])
def test_a_choice_is_a_name(value: object) -> None:
    with pytest.raises(OptionError, match="must be one of"):
        check_choice("mode", value, ("full", "map"))


@pytest.mark.parametrize("value", [0, -1, 1.0, "1", True, None])
def test_no_count(value: object) -> None:
    with pytest.raises(OptionError, match=r"^slots must be a whole number above 0; got "):
        check_count("slots", value)


def test_a_count_may_have_another_least_value() -> None:
    check_count("seed", 0, at_least=0)
    with pytest.raises(OptionError, match=r"^samples must be a whole number of 8 or more; got 7$"):
        check_count("samples", 7, at_least=8)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, "1", None, True, [1], 1 + 0j])
def test_no_number(value: object) -> None:
    with pytest.raises(OptionError, match=r"^seconds must be a number; got "):
        check_number("seconds", value)


@pytest.mark.parametrize("value", [1, 0.5, Fraction(1, 2), np.float32(0.5)])
def test_numbers_of_all_kinds(value: object) -> None:
    check_number("share", value, above=0, at_most=1)


@pytest.mark.parametrize(
    ("bounds", "value", "wanted"),
    [
        ({"above": 0}, 0, "a number above 0"),
        ({"at_least": 0, "unit": "seconds"}, -1, "a number of seconds, 0 or more"),
        ({"above": 0, "at_most": 1}, 1.5, "a number above 0 and at most 1"),
    ],
)
def test_bounds(bounds: dict[str, float], value: float, wanted: str) -> None:
    with pytest.raises(OptionError, match=f"^x must be {wanted}; got {value}$"):
        check_number("x", value, **bounds)  # type: ignore[arg-type]
