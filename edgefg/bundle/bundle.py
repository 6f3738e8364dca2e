"""A bundle: a folder with the networks of both stages and a manifest that describes them.

The folder is flat, and the manifest lists every file with its SHA-256. A bundle that was cut short, edited or mixed
with another one is refused before an engine loads it.
"""

import hashlib
import json
import os
import shlex
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import BundleError, MissingFileError, OutputError
from ..utils.resources import SHIPPED
from .decision import Decision
from .fields import REMEDY, read_json_object
from .manifest import MANIFEST, SCHEMA, STAGES, Manifest, listed_files, manifest_digest, read_manifest

CARD = "card.json"


@dataclass(frozen=True)
class Variant:
    """One form of a bundle's networks.

    Attributes:
        precision: ``"fp32"``, ``"fp16"`` or ``"int8"``.
        format: ``"onnx"``, or ``"plan"``: compiled by TensorRT.
        engines: Engines that may load it or, if it is ONNX for TensorRT, compile it.
        stage1: The file of stage 1: features and distance map.
        stage2: The file of stage 2: probability.
        requires: Requirements of a plan: version, compute capability, platform.
        measured: Its accuracy and speed.
    """

    precision: str
    format: str
    engines: tuple[str, ...]
    stage1: Path
    stage2: Path
    requires: Mapping[str, Any]
    measured: Mapping[str, Any]


@dataclass(frozen=True)
class Bundle:
    """A checked bundle.

    Attributes:
        path: Its folder.
        name: Its name.
        input_size: Width and height of the networks' input, in pixels.
        decision: Defaults that decide what is foreground, and which frames skip stage 2.
        feature_channels: Channels of the background's features.
        context_channels: Channels of the context that stage 1 hands to stage 2; 0 for networks without it.
        variants: The forms of its networks, the preferred one first.
        manifest: All of manifest.json.
        card: Training data and validation of the weights; None without a card.
    """

    path: Path
    name: str
    input_size: tuple[int, int]
    decision: Decision
    feature_channels: int
    context_channels: int
    variants: tuple[Variant, ...]
    manifest: dict[str, Any]
    card: dict[str, Any] | None

    def variants_for(self, engine: str, precision: str | None = None) -> tuple[Variant, ...]:
        """Returns the variants that an engine can load, the preferred one first.

        Args:
            engine: ``"openvino"``, ``"onnxruntime"``, ``"tensorrt"`` or ``"tensorrt-rtx"``.
            precision: Limits the variants to this precision; None for all.

        Raises:
            BundleError: There is none.
        """
        loads = "plan" if engine.startswith("tensorrt") else "onnx"
        fitting = tuple(
            variant
            for variant in self.variants
            if engine in variant.engines and variant.format == loads and precision in (None, variant.precision)
        )
        if not fitting:
            held = ", ".join(f"{v.precision} {v.format} for {'/'.join(v.engines)}" for v in self.variants)
            remedy = self.compile_command(engine) if loads == "plan" else "edgefg build"
            wanted = f"{precision or 'any precision'} for {engine}"
            raise BundleError(f"{self.path}: expected networks of {wanted}, found {held}; make them: {remedy}")
        return fitting

    def compile_command(self, engine: str) -> str:
        """Returns the command that compiles plans for an engine; for the shipped bundle, into another folder."""
        words = ["--out", "DIR"] if self.path == SHIPPED else [str(self.path)]
        return shlex.join(["edgefg", "compile", *words, "--target", engine])


def open_bundle(path: str | Path | None = None) -> Bundle:
    """Reads a bundle and checks every file in it.

    Args:
        path: The bundle's folder; None is the one that comes with edgefg.

    Raises:
        MissingFileError: There is no such folder.
        BundleError: A file is missing, altered or not listed, or the manifest is malformed or of another schema.
    """
    folder = SHIPPED if path is None else Path(path)
    if not folder.exists():
        remedy = "reinstall edgefg" if path is None else "make one: edgefg build --out FOLDER"
        raise MissingFileError(f"expected a bundle at {folder}, found no such folder; {remedy}")
    if not (folder / MANIFEST).is_file():
        raise BundleError(f"expected a bundle, a folder with {MANIFEST}, at {folder}, found none there; {REMEDY}")
    manifest = read_manifest(folder / MANIFEST)
    _check_files(folder, manifest)
    return Bundle(
        path=folder,
        name=manifest.name,
        input_size=manifest.input_size,
        decision=manifest.decision,
        feature_channels=manifest.feature_channels,
        context_channels=manifest.context_channels,
        variants=tuple(
            Variant(
                precision=entry.precision,
                format=entry.format,
                engines=entry.engines,
                stage1=folder / entry.stages["stage1"].file,
                stage2=folder / entry.stages["stage2"].file,
                requires=entry.requires,
                measured=entry.measured,
            )
            for entry in manifest.variants
        ),
        manifest=manifest.raw,
        card=read_json_object(folder / CARD) if CARD in manifest.files else None,
    )


def write_bundle(out: str | Path, *, files: Mapping[str, bytes | Path], manifest: Mapping[str, Any]) -> Bundle:
    """Writes a bundle, whole or not at all.

    Args:
        out: The folder to create. An existing bundle there is replaced; any other folder is refused.
        files: The files, by name: contents, or a file to copy.
        manifest: The manifest without ``schema``, ``digest``, and sizes and hashes of the variants' files, which are
            filled in.

    Returns:
        The bundle, read back and checked.

    Raises:
        BundleError: The bundle would not pass `edgefg.open_bundle`.
        OutputError: The folder cannot be written, or holds something other than a bundle.
        MissingFileError: A file to copy does not exist.
    """
    # A link to a folder stays a link: its target is replaced.
    target = Path(out).resolve()
    check_replaceable(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{target.name}.", suffix=".part", dir=target.parent) as scratch:
            fresh = Path(scratch) / target.name
            fresh.mkdir()
            _fill(fresh, files, manifest)
            open_bundle(fresh)
            _swap(fresh, target, retired=Path(scratch) / "retired")
    except MissingFileError:
        raise
    except OSError as error:
        raise OutputError(f"cannot write the bundle {target}: {error.strerror}; pass another out=") from error
    return open_bundle(target)


def _check_files(folder: Path, manifest: Manifest) -> None:
    try:
        present = {entry.name for entry in folder.iterdir()}
        for name in sorted(present - manifest.file_names):
            raise BundleError(f"{folder / name}: expected only files that {MANIFEST} lists, found this one; remove it")
        for name in sorted(manifest.file_names):
            if not (folder / name).is_file():
                raise BundleError(f"{folder / name}: expected this file of the bundle, found none; {REMEDY}")
        for stage in manifest.stage_files:
            size_bytes = (folder / stage.file).stat().st_size
            if size_bytes != stage.size_bytes:
                raise BundleError(
                    f"{folder / stage.file}: expected {stage.size_bytes} bytes, found {size_bytes}; {REMEDY}"
                )
            _check_sha256(folder / stage.file, stage.sha256)
        for name, sha256 in manifest.files.items():
            _check_sha256(folder / name, sha256)
    except OSError as error:
        raise BundleError(f"{error.filename} cannot be read ({error.strerror}); {REMEDY}") from error


def _check_sha256(path: Path, expected: str) -> None:
    found = _sha256(path)
    if found != expected:
        raise BundleError(f"{path} was altered: expected SHA-256 {expected[:12]}..., found {found[:12]}...; {REMEDY}")


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def check_replaceable(target: Path) -> None:
    """Refuses a folder that cannot be created, and one that is not a bundle or is the shipped one.

    Raises:
        OutputError: The folder is refused.
    """
    if target == SHIPPED.resolve():
        raise OutputError(f"{target} comes with edgefg, and stays as it is; pass another out=")
    above = next((folder for folder in target.parents if folder.exists()), target)
    if not above.is_dir():
        raise OutputError(f"cannot write the bundle {target}: {above} is not a folder; pass another out=")
    if not os.access(above, os.W_OK):
        raise OutputError(f"cannot write the bundle {target}: {above} is not writable; pass another out=")
    if not target.exists():
        return
    try:
        if target.is_dir() and not any(target.iterdir()):
            return
        listed = listed_files(target / MANIFEST)
        strangers = sorted(entry.name for entry in target.iterdir() if entry.name not in listed)
    except (BundleError, OSError) as error:
        raise OutputError(f"{target} exists and is not a bundle; remove it or pass another out=") from error
    if strangers:
        raise OutputError(f"{target / strangers[0]} is not part of a bundle; remove it or pass another out=")


def _fill(folder: Path, files: Mapping[str, bytes | Path], manifest: Mapping[str, Any]) -> None:
    for name, source in files.items():
        if Path(name).name != name:
            raise BundleError(f"expected a plain file name in a bundle, got {name!r}")
        if isinstance(source, bytes):
            (folder / name).write_bytes(source)
        elif source.is_file():
            shutil.copyfile(source, folder / name)
        else:
            raise MissingFileError(f"expected the file {source} for the bundle, found no such file")
    complete = _with_hashes(folder, files, manifest)
    try:
        text = json.dumps(complete, indent=2, allow_nan=False)
    except ValueError as error:
        raise BundleError(f"expected a manifest without NaN or infinity: {error}") from error
    (folder / MANIFEST).write_text(text + "\n", "utf-8")


def _with_hashes(folder: Path, files: Mapping[str, bytes | Path], manifest: Mapping[str, Any]) -> dict[str, Any]:
    variants = [
        {
            **variant,
            "stages": {stage: _stage_entry(folder, files, variant["stages"][stage]["file"]) for stage in STAGES},
        }
        for variant in manifest["variants"]
    ]
    in_stages = {variant["stages"][stage]["file"] for variant in variants for stage in STAGES}
    others = {name: _sha256(folder / name) for name in files if name not in in_stages}
    complete = {**manifest, "schema": SCHEMA, "variants": variants, "files": others}
    return {**complete, "digest": manifest_digest(complete)}


def _stage_entry(folder: Path, files: Mapping[str, bytes | Path], name: str) -> dict[str, Any]:
    if name not in files:
        raise BundleError(f"expected {name} among the files of the bundle, got {', '.join(files) or 'none'}")
    return {"file": name, "sha256": _sha256(folder / name), "bytes": (folder / name).stat().st_size}


def _swap(fresh: Path, target: Path, retired: Path) -> None:
    if not target.exists():
        fresh.rename(target)
        return
    target.rename(retired)
    try:
        fresh.rename(target)
    finally:
        # On Ctrl-C too: the scratch folder, with the retired bundle in it, is about to be deleted.
        if not target.exists():
            retired.rename(target)
