"""Writing bundles: whole or not at all."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from edgefg.bundle.bundle import Bundle, open_bundle, write_bundle
from edgefg.errors import BundleError, MissingFileError, OutputError

from ..conftest import fp32_variant


def parts(bundle: Bundle) -> dict[str, bytes | Path]:
    return {"stage1.onnx": bundle.variants[0].stage1, "stage2.onnx": bundle.variants[0].stage2, "LICENSE": b"mine"}


def only(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def test_what_was_written_opens(tiny_bundle: Bundle, tmp_path: Path) -> None:
    written = write_bundle(tmp_path / "new" / "bundle", files=parts(tiny_bundle), manifest=tiny_bundle.manifest)
    assert written == open_bundle(tmp_path / "new" / "bundle")
    assert (written.path / "LICENSE").read_bytes() == b"mine"
    assert only(tmp_path / "new") == ["bundle"]


def test_stages_may_have_other_names(tiny_bundle: Bundle, tmp_path: Path) -> None:
    manifest = {**tiny_bundle.manifest, "variants": [fp32_variant("a.onnx", "b")]}
    files = {"a.onnx": tiny_bundle.variants[0].stage1, "b": tiny_bundle.variants[0].stage2}
    written = write_bundle(tmp_path / "new", files=files, manifest=manifest)
    assert (written.variants[0].stage1.name, written.variants[0].stage2.name) == ("a.onnx", "b")


def test_a_bundle_is_replaced(tiny_bundle: Bundle, bundle_copy: Bundle) -> None:
    manifest = {**tiny_bundle.manifest, "name": "better"}
    write_bundle(bundle_copy.path, files=parts(tiny_bundle), manifest=manifest)
    assert open_bundle(bundle_copy.path).name == "better"
    assert only(bundle_copy.path.parent) == [bundle_copy.path.name]


def test_a_damaged_bundle_is_replaced(tiny_bundle: Bundle, bundle_copy: Bundle) -> None:
    bundle_copy.variants[0].stage1.unlink()
    write_bundle(bundle_copy.path, files=parts(tiny_bundle), manifest=tiny_bundle.manifest)
    assert open_bundle(bundle_copy.path).name == "tiny"


def test_an_empty_folder_becomes_a_bundle(tiny_bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    assert write_bundle(tmp_path / "new", files=parts(tiny_bundle), manifest=tiny_bundle.manifest).name == "tiny"


@pytest.mark.parametrize("name", ["holiday.jpg", "manifest.json"])
def test_a_folder_that_is_no_bundle_stays_as_it_is(name: str, tiny_bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / name).write_text('{"start_url": "/"}')
    with pytest.raises(OutputError, match="not a bundle"):
        write_bundle(tmp_path / "mine", files=parts(tiny_bundle), manifest=tiny_bundle.manifest)
    assert only(tmp_path / "mine") == [name]


def test_a_bundle_with_something_else_in_it_stays_as_it_is(tiny_bundle: Bundle, bundle_copy: Bundle) -> None:
    (bundle_copy.path / "notes.txt").write_text("keep me")
    with pytest.raises(OutputError, match=r"notes\.txt"):
        write_bundle(bundle_copy.path, files=parts(tiny_bundle), manifest=tiny_bundle.manifest)
    assert (bundle_copy.path / "notes.txt").read_text() == "keep me"


def test_a_file_in_the_way_stays_as_it_is(tiny_bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("keep me")
    with pytest.raises(OutputError, match="not a bundle"):
        write_bundle(tmp_path / "mine", files=parts(tiny_bundle), manifest=tiny_bundle.manifest)
    assert (tmp_path / "mine").read_text() == "keep me"


def test_a_folder_that_cannot_be_made_is_named(tiny_bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="file"):
        write_bundle(tmp_path / "file" / "bundle", files=parts(tiny_bundle), manifest=tiny_bundle.manifest)


@pytest.mark.parametrize(
    ("changes", "manifest_changes", "error"),
    [
        ({"stage2.onnx": Path("nowhere.onnx")}, {}, MissingFileError),
        ({}, {"decision": {}}, BundleError),
        ({}, {"measured": {"f": float("nan")}}, BundleError),
        ({"../escape": b""}, {}, BundleError),
        ({}, {"variants": [fp32_variant("other.onnx")]}, BundleError),
    ],
    ids=["missing file", "decision", "NaN", "escape", "stage not given"],
)
def test_a_write_that_fails_leaves_the_bundle_before_and_nothing_else(
    changes: dict[str, Any],
    manifest_changes: dict[str, Any],
    error: type[Exception],
    bundle_copy: Bundle,
    tmp_path: Path,
) -> None:
    source = shutil.copytree(bundle_copy.path, tmp_path / "source")
    files = {"stage1.onnx": source / "stage1.onnx", "stage2.onnx": source / "stage2.onnx", **changes}
    with pytest.raises(error):
        write_bundle(bundle_copy.path, files=files, manifest={**bundle_copy.manifest, **manifest_changes})
    assert open_bundle(bundle_copy.path) == bundle_copy
    assert only(tmp_path) == [bundle_copy.path.name, "source"]


def test_ctrl_c_between_the_two_renames_brings_the_bundle_before_back(
    tiny_bundle: Bundle, bundle_copy: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename = Path.rename

    def interrupted(self: Path, target: Path) -> Path:
        if self.parent.name.endswith(".part") and self.name == bundle_copy.path.name:
            raise KeyboardInterrupt
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_bundle(bundle_copy.path, files=parts(tiny_bundle), manifest={**tiny_bundle.manifest, "name": "new"})
    assert open_bundle(bundle_copy.path).name == "tiny"
    assert only(bundle_copy.path.parent) == [bundle_copy.path.name]


def test_a_link_to_a_bundle_stays_a_link(tiny_bundle: Bundle, bundle_copy: Bundle, tmp_path: Path) -> None:
    link = tmp_path / "current"
    link.symlink_to(bundle_copy.path, target_is_directory=True)
    write_bundle(link, files=parts(tiny_bundle), manifest={**tiny_bundle.manifest, "name": "new"})
    assert link.is_symlink()
    assert open_bundle(bundle_copy.path).name == "new"
