"""What a bundle says of itself: a manifest that was altered, and the record of a calibration."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgefg.bundle.bundle import Bundle, open_bundle
from edgefg.bundle.calibration_record import sample_digest
from edgefg.errors import BundleError

from ..support.fake_bundles import (
    CPU,
    MISSING,
    RTX,
    TENSORRT,
    Maker,
    check,
    matches,
    mismatches,
    only_mismatch,
    onnx,
    plan,
)
from ..support.fake_bundles import make as make

PAIRS = [
    {"background": {"file": "b.png", "sha256": "1" * 64}, "frame": {"file": "v.mp4", "sha256": "2" * 64, "index": 3}}
] * 32
DIGEST = sample_digest(0, PAIRS)
RECORD: dict[str, Any] = {"seed": 0, "source": "splits.json", "digest": DIGEST, "pairs": PAIRS}
STATED = {"digest": DIGEST, "pairs": 32}


class TestManifest:
    def test_a_field_that_somebody_changed_is_noticed(self, bundle_copy: Bundle) -> None:
        """Every single value, whether or not another check would notice."""
        file = bundle_copy.path / "manifest.json"
        written = json.loads(file.read_text())
        places = list(leaves(written))
        assert len(places) > 20
        for place in places:
            file.write_text(json.dumps(with_other_value(written, place)))
            try:
                assert mismatches(open_bundle(bundle_copy.path)), place
            except BundleError as error:
                assert "\n" not in str(error)
        file.write_text(json.dumps(written, indent=7, sort_keys=True))
        assert not mismatches(open_bundle(bundle_copy.path))

    def test_a_field_that_is_gone_is_noticed(self, bundle_copy: Bundle) -> None:
        file = bundle_copy.path / "manifest.json"
        written = json.loads(file.read_text())
        for name in written:
            file.write_text(json.dumps({key: value for key, value in written.items() if key != name}))
            try:
                assert mismatches(open_bundle(bundle_copy.path)), name
            except BundleError as error:
                assert name in str(error)

    def test_the_remedy_is_the_command_that_built_it(self, make: Maker) -> None:
        recipe = {"options": ["--size", "lite", "--precision", "int8"], "calibration": ["--part", "a b", "--seed", "3"]}
        bundle = make(onnx("int8", CPU), recipe=recipe)
        assert {found.remedy for found in mismatches(bundle)} == {
            f"on a workstation: edgefg build --out {bundle.path} --target cpu --input-size 64x48 --size lite "
            "--precision int8 --calibrate DATA --part 'a b' --seed 3"
        }

    @pytest.mark.parametrize("recipe", [None, [], {"options": 3}, {"options": [3], "calibration": {}}])
    def test_a_recipe_that_is_none_does_no_harm(self, recipe: Any, make: Maker) -> None:
        (remedy,) = {found.remedy for found in mismatches(make(onnx("int8", CPU), recipe=recipe))}
        assert remedy.endswith("--weights FILE --calibrate DATA")


def leaves(value: Any, place: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """The place of each value that holds no others."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    found = [leaf for key, item in inner for leaf in leaves(item, (*place, key))]
    yield from found or [place]


def with_other_value(value: Any, place: tuple[str | int, ...]) -> Any:
    """A copy with another value of the same kind at a place."""
    if place:
        copy = value.copy()
        copy[place[0]] = with_other_value(value[place[0]], place[1:])
        return copy
    if isinstance(value, str):
        return ("f" if value[0] != "f" else "e") + value[1:]
    if isinstance(value, float):
        return value / 2
    return value + 1 if isinstance(value, int) else [1]


class TestCalibration:
    def bundle(self, make: Maker, record: Any = RECORD, stated: Any = STATED) -> Bundle:
        files = {} if record is MISSING else {"calibration.json": json.dumps(record).encode()}
        fields = {} if stated is MISSING else {"calibration": stated}
        return make(onnx("int8", CPU), onnx(engines=CPU), files=files, **fields)

    def test_the_digest_is_that_of_the_pairs(self, make: Maker) -> None:
        bundle = self.bundle(make)
        assert not mismatches(bundle)
        assert matches(bundle)["calibration.digest"] == 'that of the 32 pairs of "splits.json"'

    @pytest.mark.parametrize("stated", [MISSING, None, {}, [], "digest", {"digest": None}, {"digest": "0" * 64}])
    def test_int8_needs_the_digest_in_the_manifest(self, stated: Any, make: Maker) -> None:
        bundle = self.bundle(make, stated=stated)
        mismatch = only_mismatch(bundle)
        assert mismatch.field == "calibration.digest"
        assert mismatch.expected == f"{DIGEST} (of the pairs that are listed)"
        assert mismatch.found == (f'"{"0" * 64}"' if stated == {"digest": "0" * 64} else "null")
        assert mismatch.remedy == (
            f"on a workstation: edgefg build --out {bundle.path} --target cpu "
            "--input-size 64x48 --weights FILE --calibrate DATA"
        )

    def test_int8_needs_the_record(self, make: Maker) -> None:
        mismatch = only_mismatch(self.bundle(make, record=MISSING))
        assert (mismatch.field, mismatch.found) == ("calibration.json", "no such file")

    def test_int8_without_either(self, make: Maker) -> None:
        found = mismatches(self.bundle(make, record=MISSING, stated=None))
        assert [mismatch.field for mismatch in found] == ["calibration.json", "calibration.digest"]

    @pytest.mark.parametrize("digest", [None, "0" * 64, 7])
    def test_the_record_states_its_own_digest(self, digest: Any, make: Maker) -> None:
        mismatch = only_mismatch(self.bundle(make, record={**RECORD, "digest": digest}))
        assert (mismatch.field, mismatch.expected) == (
            "calibration.json digest",
            f"{DIGEST} (of the pairs that are listed)",
        )
        assert mismatch.found == json.dumps(digest)

    @pytest.mark.parametrize("change", [{"seed": 1}, {"pairs": PAIRS[1:]}])
    def test_a_sample_that_was_altered(self, change: dict[str, Any], make: Maker) -> None:
        found = mismatches(self.bundle(make, record={**RECORD, **change}))
        assert [mismatch.field for mismatch in found] == ["calibration.digest", "calibration.json digest"]
        assert all(mismatch.found == f'"{DIGEST}"' for mismatch in found)

    @pytest.mark.parametrize(
        "record",
        [
            [],
            7,
            {},
            {"seed": 0},
            {"pairs": PAIRS},
            {**RECORD, "pairs": None},
            {**RECORD, "pairs": []},
            {**RECORD, "pairs": {}},
            {**RECORD, "pairs": "none"},
            {**RECORD, "pairs": [1]},
            {**RECORD, "pairs": [{"background": [], "frame": []}]},
            {**RECORD, "pairs": [{"background": {}, "frame": {}}]},
            {**RECORD, "pairs": [{"background": "b", "frame": "f"}]},
        ],
    )
    def test_a_malformed_record(self, record: Any, make: Maker) -> None:
        mismatch = only_mismatch(self.bundle(make, record=record))
        assert (mismatch.field, mismatch.expected) == ("calibration.json", "the seed and the pairs of a sample")
        assert mismatch.found == "others"

    @pytest.mark.parametrize("depth", [100, 900, 950, 990, 100_000])
    def test_a_record_nested_nearly_without_end(self, depth: int, make: Maker) -> None:
        text = f'{{"seed": {"[" * depth + "]" * depth}, "pairs": {json.dumps(PAIRS)}}}'
        bundle = make(onnx("int8", CPU), files={"calibration.json": text.encode()}, calibration=STATED)
        assert mismatches(bundle)

    def test_a_record_is_checked_without_int8_too(self, make: Maker) -> None:
        bundle = make(onnx(), files={"calibration.json": b"{}"})
        assert [mismatch.field for mismatch in mismatches(bundle)] == ["calibration.json", "calibration.digest"]
        assert only_mismatch(make(onnx(), calibration=STATED)).field == "calibration.json"

    def test_for_tensorrt_it_is_built_for_tensorrt(self, make: Maker) -> None:
        assert "--target onnx " in mismatches(make(onnx("int8", TENSORRT)))[0].remedy


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
PART = st.fixed_dictionaries({}, optional={"file": JSON, "sha256": JSON, "index": JSON})
PAIR = JSON | st.fixed_dictionaries({}, optional={"background": JSON | PART, "frame": JSON | PART})


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    requires=st.fixed_dictionaries({}, optional={name: st.just(value) | JSON for name, value in RTX.items()})
    | st.dictionaries(st.text(max_size=8), JSON, max_size=3),
    stated=JSON | st.fixed_dictionaries({"digest": st.just(DIGEST) | JSON}),
    record=JSON | st.fixed_dictionaries({}, optional={"seed": JSON, "pairs": JSON | st.lists(PAIR), "digest": JSON}),
    engines=st.lists(st.sampled_from([*CPU, *TENSORRT]), min_size=1, unique=True),
    target=st.sampled_from(["orin-nano-jp6", "rtx-4090", "h100", "jetson-nano", None]),
)
def test_whatever_a_bundle_says_of_itself_it_is_checked_or_refused(
    requires: dict[str, Any], stated: Any, record: Any, engines: list[str], target: str | None, make: Maker
) -> None:
    entry = {**plan(RTX, "int8"), "requires": requires, "engines": engines}
    try:
        bundle = make(entry, onnx(), files={"calibration.json": json.dumps(record).encode()}, calibration=stated)
        check(bundle, target)
    except BundleError:
        pass
