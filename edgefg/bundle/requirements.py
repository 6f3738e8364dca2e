"""Requirements of compiled plans, and the reasons why a machine cannot load one.

They are in a plan's ``requires``. These fields bind a device; all others there are a record:

    target                 engine that loads it: tensorrt, or tensorrt-rtx
    version                version of that engine, which loads only plans of its own version
    platform               such as linux-aarch64; for tensorrt-rtx a record only: its plans run on all that it supports
    compute_capabilities   those it was compiled for; for tensorrt-rtx, an empty list is its default
    max_batch              largest number of frames in one run
"""

import re
import shlex
from collections.abc import Callable
from typing import Any, TypeGuard

from .bundle import Variant
from .devices import all_targets
from .findings import Failed, shown
from .layers import variant_label

PLAN_ENGINES = {"tensorrt": "TensorRT", "tensorrt-rtx": "TensorRT for RTX"}
"""Engines that load plans, and their full names."""

BINDING = ("target", "version", "platform", "compute_capabilities", "max_batch")
"""The fields of ``requires`` that bind a device."""

# Few digits, as int() refuses thousands of them. Early releases have a suffix, such as 10.0.0b6.
_VERSION = re.compile(r"([0-9]{1,5}(?:\.[0-9]{1,5}){2,3})[A-Za-z0-9.+]{0,20}")
_PLATFORM = re.compile(r"[a-z0-9_]{1,40}-[a-z0-9_]{1,40}")
_CAPABILITY = re.compile(r"[0-9]{1,3}\.[0-9]")


def plan_mismatches(variant: Variant, *, tensorrt: str | None, compute_capability: str, platform: str) -> list[Failed]:
    """Returns why a machine cannot load a plan, so that it is refused with a reason before TensorRT loads it.

    Args:
        variant: A plan.
        tensorrt: The machine's version of TensorRT, or of TensorRT for RTX if that loads it; None if unknown.
        compute_capability: Compute capability of the machine's GPU, such as ``"8.7"``.
        platform: Platform of the machine, such as ``"linux-aarch64"``.

    Returns:
        The mismatches; none if the machine can load it.
    """
    needs, mismatches = read_requires(variant)

    def compare(name: str, fits: bool, expected: str, found: str) -> None:
        if not fits:
            remedy = _compile_again(variant, compute_capability)
            mismatches.append(Failed(f"{name_of(variant)} requires.{name}", expected, found, remedy))

    if "version" in needs and tensorrt is not None:
        same = all(ours == theirs for ours, theirs in zip(_numbers(needs["version"]), _numbers(tensorrt), strict=False))
        compare("version", same, f"{tensorrt} (the device's {title(variant)})", needs["version"])
    if "platform" in needs and not is_rtx(variant):
        compare("platform", needs["platform"] == platform, f"{platform} (the device's)", needs["platform"])
    if "compute_capabilities" in needs:
        runs = _runs_on(needs["compute_capabilities"], compute_capability)
        expected = f"{compute_capability} (the device's GPU) among them"
        compare("compute_capabilities", runs, expected, gpus_as_text(needs["compute_capabilities"]))
    return mismatches


def read_requires(variant: Variant) -> tuple[dict[str, Any], list[Failed]]:
    """Returns the fields of ``requires`` that bind a device, and the faults of those that are missing or wrong."""
    engines = " or ".join(PLAN_ENGINES)
    fields: dict[str, tuple[str, Callable[[Any], bool]]] = {
        "target": (
            f"{engines}, and nothing else in engines",
            lambda value: isinstance(value, str) and value in PLAN_ENGINES and variant.engines == (value,),
        ),
        "version": ("a version such as 10.3.0", lambda value: _is_text(value, _VERSION)),
        "platform": ("a platform such as linux-aarch64", lambda value: _is_text(value, _PLATFORM)),
        "compute_capabilities": (
            "a list of compute capabilities such as 8.7",
            lambda value: _is_capabilities(value) and (bool(value) or is_rtx(variant)),
        ),
        "max_batch": ("a whole number of at least 1", _is_count),
    }
    needs = {name: variant.requires[name] for name, (_, fits) in fields.items() if fits(variant.requires.get(name))}
    return needs, [
        Failed(
            f"{name_of(variant)} requires.{name}",
            expected,
            shown(variant.requires[name]) if name in variant.requires else "no such field",
            _compile_again(variant),
        )
        for name, (expected, _) in fields.items()
        if name not in needs
    ]


def _is_text(value: object, pattern: re.Pattern[str]) -> bool:
    return isinstance(value, str) and pattern.fullmatch(value) is not None


def _is_capabilities(value: object) -> TypeGuard[list[str]]:
    return isinstance(value, list) and all(_is_text(entry, _CAPABILITY) for entry in value)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def is_rtx(variant: Variant) -> bool:
    """Reports whether TensorRT for RTX loads a variant."""
    return variant.engines[0] == "tensorrt-rtx"


def title(variant: Variant) -> str:
    """Returns the full name of the engine that loads a variant."""
    return PLAN_ENGINES.get(variant.engines[0], variant.engines[0])


def _numbers(version: str) -> tuple[int, ...]:
    """Returns the numbers of a version: a JetPack's has three, that of an installed package four."""
    found = _VERSION.fullmatch(version)
    return tuple(int(number) for number in found[1].split(".")) if found else ()


def _runs_on(compiled_for: list[str], capability: str) -> bool:
    if compiled_for:
        return capability in compiled_for
    default = _rtx_default()
    return capability in default or _order(capability) > _order(default[-1])


def _rtx_compiles_for(capability: str) -> bool:
    documented = {target.device.compute_capability for target in all_targets() if target.device.tensorrt_rtx}
    return capability in documented or _runs_on([], capability)


def gpus_as_text(capabilities: list[str]) -> str:
    """Returns compute capabilities as text; an empty list stands for the default."""
    return ", ".join(capabilities or [*_rtx_default(), "and later"])


def _rtx_default() -> list[str]:
    """Returns the compute capabilities of TensorRT for RTX's default, lowest first; later GPUs run it too."""
    devices = {target.device for target in all_targets() if target.device.tensorrt_rtx_by_default}
    return sorted({device.compute_capability for device in devices}, key=_order)


def _order(capability: str) -> tuple[int, ...]:
    return tuple(int(number) for number in capability.split("."))


def _compile_again(variant: Variant, capability: str | None = None) -> str:
    """Returns how to compile a plan again with its options, and for a GPU of this compute capability too."""
    engine, options = variant.engines[0], []
    max_batch, compiled_for = variant.requires.get("max_batch"), variant.requires.get("compute_capabilities")
    if _is_count(max_batch) and max_batch != 1:
        options += ["--max-batch", str(max_batch)]
    if capability is not None and is_rtx(variant) and not _rtx_compiles_for(capability):
        engine = "tensorrt"
    elif is_rtx(variant) and _is_capabilities(compiled_for):
        added = [] if capability is None or _runs_on(compiled_for, capability) else [capability]
        options += [word for entry in (*compiled_for, *added) for word in ("--compute-capability", entry)]
    command = shlex.join(["edgefg", "compile", str(variant.stage1.parent), "--target", engine, *options])
    return f"on the device: {command}" if engine == "tensorrt" else f"on the device or any with its software: {command}"


def name_of(variant: Variant) -> str:
    """Returns a variant's name, as in its files."""
    label = variant_label(variant)
    return label if variant.format == "plan" else f"{label}.{variant.format}"
