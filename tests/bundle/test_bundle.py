"""Bundles: what opens, and what is refused, and how."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import edgefg.bundle.bundle
from edgefg.bundle.bundle import Bundle, open_bundle, write_bundle
from edgefg.errors import BundleError, MissingFileError

FILES = ("LICENSE", "card.json", "manifest.json", "stage1.onnx", "stage2.onnx")
MISSING = object()


def refusal(folder: Path) -> str:
    with pytest.raises(BundleError) as caught:
        open_bundle(folder)
    message = str(caught.value)
    assert str(folder) in message
    assert "\n" not in message
    return message


def dotted(field: tuple[str | int, ...]) -> str:
    """As messages name a field: variants[0].stages."""
    return ".".join(str(key) for key in field).replace(".0", "[0]")


def with_field(manifest: dict[str, Any], path: tuple[str | int, ...], value: Any) -> dict[str, Any]:
    changed = copy.deepcopy(manifest)
    inner: Any = changed
    for key in path[:-1]:
        inner = inner[key]
    if value is MISSING:
        del inner[path[-1]]
    else:
        inner[path[-1]] = value
    return changed


def put_manifest(bundle: Bundle, manifest: Any) -> None:
    (bundle.path / "manifest.json").write_text(json.dumps(manifest), "utf-8")


def test_a_bundle_says_what_it_is(tiny_bundle: Bundle) -> None:
    opened = open_bundle(str(tiny_bundle.path))
    assert opened == tiny_bundle
    assert (opened.name, opened.variants[0].precision, opened.decision.threshold) == ("tiny", "fp32", 0.5)
    assert (opened.input_size, opened.feature_channels) == ((64, 48), 3)
    assert opened.variants[0].stage1.is_file()
    assert opened.variants[0].stage2.is_file()
    assert opened.manifest["schema"] == 3
    assert opened.card == {"seen_frames": []}


def test_a_card_is_optional(tiny_bundle: Bundle, tmp_path: Path) -> None:
    files = {"stage1.onnx": tiny_bundle.variants[0].stage1, "stage2.onnx": tiny_bundle.variants[0].stage2}
    assert write_bundle(tmp_path / "plain", files=files, manifest=tiny_bundle.manifest).card is None


def test_no_path_is_the_shipped_bundle(tiny_bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edgefg.bundle.bundle, "SHIPPED", tiny_bundle.path)
    assert open_bundle() == tiny_bundle


def test_a_shipped_bundle_that_is_gone_asks_for_a_reinstall(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(edgefg.bundle.bundle, "SHIPPED", tmp_path / "lite")
    with pytest.raises(MissingFileError, match="reinstall edgefg"):
        open_bundle()


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match="nowhere"):
        open_bundle(tmp_path / "nowhere")


def test_a_folder_without_a_manifest_is_no_bundle(tmp_path: Path) -> None:
    assert "manifest.json" in refusal(tmp_path)


def test_a_file_is_no_bundle(tiny_bundle: Bundle) -> None:
    assert "a folder with manifest.json" in refusal(tiny_bundle.variants[0].stage1)


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named(name: str, bundle_copy: Bundle) -> None:
    (bundle_copy.path / name).unlink()
    message = refusal(bundle_copy.path)
    assert name in message
    assert "found none" in message


@pytest.mark.parametrize("name", [name for name in FILES if name != "manifest.json"])
@pytest.mark.parametrize("damage", ["flip", "append", "cut", "empty"])
def test_an_altered_file_is_named(name: str, damage: str, bundle_copy: Bundle) -> None:
    path = bundle_copy.path / name
    content = path.read_bytes()
    middle = len(content) // 2
    path.write_bytes(
        {
            "flip": content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :],
            "append": content + b"\x00",
            "cut": content[:-1],
            "empty": b"",
        }[damage]
    )
    message = refusal(bundle_copy.path)
    assert name in message
    assert "found" in message


def test_stages_that_changed_places_are_noticed(bundle_copy: Bundle) -> None:
    first, second = bundle_copy.variants[0].stage1.read_bytes(), bundle_copy.variants[0].stage2.read_bytes()
    bundle_copy.variants[0].stage1.write_bytes(second)
    bundle_copy.variants[0].stage2.write_bytes(first)
    assert "stage1.onnx" in refusal(bundle_copy.path)


@pytest.mark.parametrize("name", ["stage3.onnx", ".hidden", "Thumbs.db"])
def test_a_foreign_file_is_named(name: str, bundle_copy: Bundle) -> None:
    (bundle_copy.path / name).write_bytes(b"who am I")
    assert f"{name}: expected only files that manifest.json lists" in refusal(bundle_copy.path)


def test_a_foreign_folder_is_named(bundle_copy: Bundle) -> None:
    (bundle_copy.path / "checkpoints").mkdir()
    assert "checkpoints" in refusal(bundle_copy.path)


def test_a_folder_in_the_place_of_a_file_is_named(bundle_copy: Bundle) -> None:
    (bundle_copy.path / "LICENSE").unlink()
    (bundle_copy.path / "LICENSE").mkdir()
    assert "LICENSE: expected this file of the bundle, found none" in refusal(bundle_copy.path)


@pytest.mark.parametrize("share", [0, 0.01, 0.5, 0.99])
def test_a_truncated_manifest_is_refused(share: float, bundle_copy: Bundle) -> None:
    path = bundle_copy.path / "manifest.json"
    content = path.read_bytes().rstrip()
    path.write_bytes(content[: int(len(content) * share)])
    assert "expected a JSON object" in refusal(bundle_copy.path)


@pytest.mark.parametrize(
    "content",
    [b"[]", b"null", b'"bundle"', b"3", b"{} {}", b"\xff\xfe\x00", b"[" * 100_000, b"\x00" * 50, b"{'name': 'lite'}"],
)
def test_a_manifest_that_is_no_json_object_is_refused(content: bytes, bundle_copy: Bundle) -> None:
    (bundle_copy.path / "manifest.json").write_bytes(content)
    assert "expected a JSON object" in refusal(bundle_copy.path)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_a_manifest_with_a_number_that_is_none_is_refused(number: str, bundle_copy: Bundle) -> None:
    text = json.dumps(bundle_copy.manifest).replace('"measured": {}', f'"measured": {{"f": {number}}}')
    (bundle_copy.path / "manifest.json").write_text(text, "utf-8")
    assert number in refusal(bundle_copy.path)


@pytest.mark.parametrize(
    "field",
    [
        ("schema",),
        ("name",),
        ("network",),
        ("network", "size"),
        ("network", "width"),
        ("network", "early_stride"),
        ("network", "feature_channels"),
        ("input_size",),
        ("input_size", "width"),
        ("input_size", "height"),
        ("variants",),
        ("variants", 0, "precision"),
        ("variants", 0, "format"),
        ("variants", 0, "engines"),
        ("variants", 0, "stages"),
        ("variants", 0, "stages", "stage1"),
        ("variants", 0, "stages", "stage1", "file"),
        ("variants", 0, "stages", "stage1", "sha256"),
        ("variants", 0, "stages", "stage1", "bytes"),
        ("variants", 0, "stages", "stage2"),
        ("variants", 0, "stages", "stage2", "file"),
        ("variants", 0, "stages", "stage2", "sha256"),
        ("variants", 0, "stages", "stage2", "bytes"),
        ("variants", 0, "requires"),
        ("variants", 0, "measured"),
        ("decision",),
        ("versions",),
        ("measured",),
        ("files",),
    ],
    ids=lambda field: dotted(field),
)
@pytest.mark.parametrize("value", [MISSING, None, True, -1, [], "", "  "], ids=lambda value: repr(value)[:7])
def test_a_field_that_is_missing_or_of_another_type_is_named(
    field: tuple[str | int, ...], value: Any, bundle_copy: Bundle
) -> None:
    put_manifest(bundle_copy, with_field(bundle_copy.manifest, field, value))
    message = refusal(bundle_copy.path)
    assert f"expected {dotted(field)} " in message
    assert "found" in message


@pytest.mark.parametrize(
    ("field", "value"),
    [
        (("schema",), 1.0),
        (("network", "width"), 0),
        (("network", "width"), 1.5),
        (("network", "width"), 10**400),
        (("network", "early_stride"), 0),
        (("input_size", "width"), 62),
        (("input_size", "height"), 12),
        (("input_size", "height"), 48.0),
        (("variants", 0, "stages", "stage1", "file"), "../stage1.onnx"),
        (("variants", 0, "stages", "stage1", "file"), "/etc/passwd"),
        (("variants", 0, "stages", "stage1", "file"), ".."),
        (("variants", 0, "stages", "stage1", "file"), "a\\b"),
        (("variants", 0, "stages", "stage1", "sha256"), "0" * 63),
        (("variants", 0, "stages", "stage1", "sha256"), "G" * 64),
        (("variants", 0, "precision"), "FP32"),
        (("variants", 0, "precision"), "bf16"),
        (("variants", 0, "format"), "engine"),
        (("variants", 0, "engines"), ["openvino", "openvino"]),
        (("variants", 0, "engines"), ["tensorflow"]),
        (("variants",), [[]]),
        (("versions", "torch"), 2.13),
        (("files", "LICENSE"), "0" * 63),
        (("files", "../LICENSE"), "0" * 64),
    ],
)
def test_a_field_out_of_range_is_named(field: tuple[str | int, ...], value: Any, bundle_copy: Bundle) -> None:
    put_manifest(bundle_copy, with_field(bundle_copy.manifest, field, value))
    assert f"expected {dotted(field)} to be " in refusal(bundle_copy.path)


def test_a_newer_schema_asks_for_a_newer_edgefg(bundle_copy: Bundle) -> None:
    put_manifest(bundle_copy, {"schema": 4, "everything": "else"})
    message = refusal(bundle_copy.path)
    assert "expected schema 3, found 4 of a newer edgefg; upgrade (pip install --upgrade edgefg) or rebuild" in message


class TestOlderSchema:
    """One line that ends in the command that builds this very bundle again."""

    @pytest.fixture(params=[1, 2])
    def older(self, request: pytest.FixtureRequest, bundle_copy: Bundle) -> dict[str, Any]:
        """Its manifest, as earlier versions of edgefg wrote it."""
        fields = {name: value for name, value in bundle_copy.manifest.items() if name not in ("decision", "digest")}
        fields |= {"schema": request.param, "threshold": 0.5, "map": {"distance": 0.5}}
        if request.param == 1:
            (variant,) = fields.pop("variants")
            fields |= {"stages": variant["stages"], "precision": variant["precision"]}
        return fields

    def test_without_a_recipe(self, older: dict[str, Any], bundle_copy: Bundle) -> None:
        put_manifest(bundle_copy, older)
        target = "--target cpu " if "variants" in older else ""
        assert refusal(bundle_copy.path) == (
            f"{bundle_copy.path / 'manifest.json'}: expected schema 3, found {older['schema']} of an older edgefg; "
            f"rebuild it: edgefg build --out {bundle_copy.path} {target}--input-size 64x48 --weights FILE"
        )

    def test_with_a_recipe(self, bundle_copy: Bundle) -> None:
        recipe = {"options": ["--size", "lite"], "calibration": ["--part", "a b", "--seed", "0"]}
        variants = [{**bundle_copy.manifest["variants"][0], "precision": "int8", "engines": ["tensorrt"]}]
        put_manifest(bundle_copy, {**bundle_copy.manifest, "schema": 2, "recipe": recipe, "variants": variants})
        assert refusal(bundle_copy.path).endswith(
            f"; rebuild it: edgefg build --out {bundle_copy.path} --target onnx --input-size 64x48 --size lite "
            "--calibrate DATA --part 'a b' --seed 0"
        )

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("variants", 7),
            ("variants", [7]),
            ("variants", [{"engines": 7}]),
            ("input_size", None),
            ("input_size", {"width": "wide"}),
            ("recipe", {"options": ["--size", "a\nb"]}),
        ],
    )
    def test_whatever_else_is_wrong_with_it(self, field: str, value: Any, bundle_copy: Bundle) -> None:
        put_manifest(bundle_copy, {**bundle_copy.manifest, "schema": 2, field: value})
        assert f"rebuild it: edgefg build --out {bundle_copy.path} " in refusal(bundle_copy.path)

    def test_the_command_may_replace_it(self, older: dict[str, Any], bundle_copy: Bundle, tiny_bundle: Bundle) -> None:
        put_manifest(bundle_copy, older)
        files = {path.name: path for path in (tiny_bundle.variants[0].stage1, tiny_bundle.variants[0].stage2)}
        write_bundle(bundle_copy.path, files=dict(files), manifest=tiny_bundle.manifest)
        assert open_bundle(bundle_copy.path).decision == tiny_bundle.decision


@pytest.mark.parametrize("name", ["stage2.onnx", "manifest.json", "LICENSE"])
def test_a_file_listed_twice_is_refused(name: str, bundle_copy: Bundle) -> None:
    put_manifest(bundle_copy, with_field(bundle_copy.manifest, ("variants", 0, "stages", "stage1", "file"), name))
    assert "listed once" in refusal(bundle_copy.path)


def test_a_field_that_this_edgefg_does_not_know_is_ignored(bundle_copy: Bundle) -> None:
    put_manifest(bundle_copy, {**bundle_copy.manifest, "new_in_0_2": [1, 2]})
    assert open_bundle(bundle_copy.path).manifest["new_in_0_2"] == [1, 2]


def test_a_card_that_is_no_json_object_is_refused(tiny_bundle: Bundle, tmp_path: Path) -> None:
    files: dict[str, Any] = {
        "stage1.onnx": tiny_bundle.variants[0].stage1,
        "stage2.onnx": tiny_bundle.variants[0].stage2,
        "card.json": b"[1]",
    }
    with pytest.raises(BundleError, match=r"card\.json"):
        write_bundle(tmp_path / "new", files=files, manifest=tiny_bundle.manifest)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), value=JSON)
def test_whatever_a_field_holds_the_bundle_opens_or_is_refused(
    data: st.DataObject, value: Any, tiny_bundle: Bundle, bundle_copy: Bundle
) -> None:
    field = data.draw(st.sampled_from(["", "network", "input_size", "decision", "versions", "files"]))
    section = tiny_bundle.manifest[field] if field else tiny_bundle.manifest
    path = ((field,) if field else ()) + (data.draw(st.sampled_from(sorted(section))),)
    put_manifest(bundle_copy, with_field(tiny_bundle.manifest, path, value))
    try:
        open_bundle(bundle_copy.path)
    except BundleError as error:
        assert "\n" not in str(error)
