"""The section `decision` of a manifest: how it is read and written, and how it is refused."""

import json
from pathlib import Path
from typing import Any

import pytest

from edgefg.bundle.bundle import Bundle, open_bundle, write_bundle
from edgefg.bundle.decision import MODES, Decision
from edgefg.errors import BundleError

MISSING = object()
WHOLE = Decision("fused", 0.26, foreground_distance=12.47, skip_below=15.0)


def refusal(bundle: Bundle, name: str, value: Any) -> str:
    """Opens the bundle with another value of a field of its decision."""
    section = {**WHOLE.to_json(), name: value}
    if value is MISSING:
        del section[name]
    (bundle.path / "manifest.json").write_text(json.dumps({**bundle.manifest, "decision": section}))
    with pytest.raises(BundleError) as caught:
        open_bundle(bundle.path)
    message = str(caught.value)
    assert "\n" not in message
    assert message.endswith(f"edgefg build --out {bundle.path} --target cpu --input-size 64x48 --weights FILE")
    return message


@pytest.mark.parametrize("decision", [WHOLE, Decision("map", 1.0, 0.5), Decision("full", 0.01, None, 8.5)])
def test_it_comes_back_as_it_was_written(decision: Decision, tiny_bundle: Bundle, tmp_path: Path) -> None:
    stages = {path.name: path for path in (tiny_bundle.variants[0].stage1, tiny_bundle.variants[0].stage2)}
    manifest = {**tiny_bundle.manifest, "decision": decision.to_json()}
    assert write_bundle(tmp_path / "new", files=dict(stages), manifest=manifest).decision == decision


def test_what_there_is_none_of_is_left_out() -> None:
    assert Decision("full", 0.5).to_json() == {"schema": 1, "mode": "full", "threshold": 0.5}


def test_as_text() -> None:
    assert str(Decision("full", 0.5)) == "mode full, foreground from probability 0.5"
    assert str(WHOLE) == (
        "mode fused, foreground from probability 0.26, on the map from distance 12.47, "
        "stage 2 skipped below distance 15"
    )


@pytest.mark.parametrize("name", ["schema", "mode", "threshold", "foreground_distance"])
def test_a_missing_field_is_named(name: str, bundle_copy: Bundle) -> None:
    message = refusal(bundle_copy, name, MISSING)
    assert f"manifest.json: expected decision.{name} (" in message
    assert "found no such field; get the bundle again, or rebuild it: edgefg build" in message


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("schema", "1", "a whole number of at least 1"),
        ("schema", 0, "a whole number of at least 1"),
        ("schema", None, "a whole number of at least 1"),
        ("mode", "fast", f"one of {', '.join(MODES)}"),
        ("mode", None, f"one of {', '.join(MODES)}"),
        ("threshold", 0, "a number above 0 and at most 1"),
        ("threshold", 1.01, "a number above 0 and at most 1"),
        ("threshold", "0.5", "a number above 0 and at most 1"),
        ("threshold", True, "a number above 0 and at most 1"),
        *(
            (name, value, "a number above 0 and at most 1000000")
            for name in ("foreground_distance", "skip_below")
            for value in (0, -1, 10**400, "12.5", None, True, {"distance": 12.5})
        ),
    ],
)
def test_a_wrong_field_is_named(name: str, value: Any, expected: str, bundle_copy: Bundle) -> None:
    assert f"manifest.json: expected decision.{name} to be {expected}, found " in refusal(bundle_copy, name, value)


def test_another_schema_is_named(bundle_copy: Bundle) -> None:
    message = refusal(bundle_copy, "schema", 2)
    assert (
        "expected decision.schema 1, found 2 of a newer edgefg; upgrade (pip install --upgrade edgefg) or " in message
    )
