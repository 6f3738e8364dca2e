"""The command that builds a bundle again, from the recipe in its manifest."""

import shlex
from collections.abc import Mapping
from typing import Any


def build_command(manifest: Mapping[str, Any], out: str, target: str | None = None, *, calibrated: bool = False) -> str:
    """Returns the command, complete except for what no bundle can know: FILE and DATA.

    Args:
        manifest: A manifest of any schema, unchecked: fields that are missing or wrong are left out.
        out: The folder to create.
        target: A target of ``edgefg build``; None is the bundle's own.
        calibrated: Whether to calibrate, even if the bundle has no INT8.
    """
    listed = manifest.get("variants")
    variants = [entry for entry in listed if isinstance(entry, dict)] if isinstance(listed, list) else []
    if target is None and variants:
        target = "onnx" if any(map(_runs_on_tensorrt, variants)) else "cpu"
    words = ["--out", out]
    if target is not None:
        words += ["--target", target]
    size = manifest.get("input_size")
    width, height = (size.get("width"), size.get("height")) if isinstance(size, dict) else (None, None)
    if type(width) is type(height) is int:
        words += ["--input-size", f"{width}x{height}"]
    words += _recipe(manifest, "options") or ["--weights", "FILE"]
    if calibrated or any(variant.get("precision") == "int8" for variant in variants):
        words += ["--calibrate", "DATA", *_recipe(manifest, "calibration")]
    return shlex.join(["edgefg", "build", *words])


def _runs_on_tensorrt(variant: Mapping[str, Any]) -> bool:
    engines = variant.get("engines")
    return isinstance(engines, list) and any(str(engine).startswith("tensorrt") for engine in engines)


def _recipe(manifest: Mapping[str, Any], part: str) -> list[str]:
    """Returns words of the command that built the bundle; none if the manifest lacks them."""
    recipe = manifest.get("recipe")
    words = recipe.get(part) if isinstance(recipe, dict) else None
    # A line break would split the message that ends in the command.
    if not isinstance(words, list) or not all(isinstance(word, str) and word.isprintable() for word in words):
        return []
    return words
