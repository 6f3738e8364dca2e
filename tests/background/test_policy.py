"""The options of a background's policy."""

from typing import Any

import pytest

from edgefg.background.policy import FIXED, BackgroundPolicy, policy_of
from edgefg.errors import OptionError


def test_names_stand_for_policies() -> None:
    assert policy_of("fixed") is FIXED
    assert policy_of("selective") == BackgroundPolicy()
    assert policy_of("periodic").refresh == "periodic"
    own = BackgroundPolicy(blend_s=5)
    assert policy_of(own) is own


def test_stationary_objects_never_join_by_default() -> None:
    assert BackgroundPolicy().stationary_s is None


def test_only_fixed_looks_at_no_frame() -> None:
    assert not FIXED.watches
    assert BackgroundPolicy(refresh="fixed", bootstrap="first").watches


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"refresh": "sometimes"}, "refresh must be one of"),
        ({"bootstrap": "mean"}, "bootstrap must be one of"),
        ({"blend_s": -1}, "blend_s must be"),
        ({"blend_s": float("nan")}, "blend_s must be"),
        ({"period_s": "60"}, "period_s must be"),
        ({"stationary_s": float("inf")}, "stationary_s must be"),
        ({"ghost_s": True}, "ghost_s must be"),
        ({"events": {"earthquake"}}, "got 'earthquake'"),
    ],
)
def test_what_makes_no_sense_is_refused(options: dict[str, Any], says: str) -> None:
    with pytest.raises(OptionError, match=says):
        BackgroundPolicy(**options)


@pytest.mark.parametrize("policy", ["wild", None, 3])
def test_an_unknown_name_is_refused(policy: Any) -> None:
    with pytest.raises(OptionError, match="policy must be"):
        policy_of(policy)
