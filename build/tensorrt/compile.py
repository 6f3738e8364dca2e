"""Compilation of a portable bundle's ONNX networks into plans, which join them in the bundle.

It runs on the device, and needs only NumPy and TensorRT. Where the plans can run too, they are checked: wrong or slow
ones stay out, and the fastest comes first.
"""

import tempfile
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgefg.bundle.bundle import Bundle, Variant, check_replaceable, write_bundle
from edgefg.bundle.manifest import PRECISIONS
from edgefg.bundle.requirements import BINDING
from edgefg.errors import BundleError, CompileError, GateError, MissingDependencyError
from edgefg.utils.progress import Progress
from edgefg.utils.validation import check_choice

from .builder import CompileOptions, Compiler, open_compiler
from .plan_check import PlanCheck, refusal, try_plans

STAGES = ("stage1", "stage2")
# INT8 first: only the device shows which is fastest, and until then this is the expected order.
_ORDER = ("int8", "fp16", "fp32")


@dataclass(frozen=True)
class CompileRequest:
    """A request to compile a bundle.

    Attributes:
        target: ``"tensorrt"`` or ``"tensorrt-rtx"``.
        out: The folder of the compiled bundle; it may be that of the portable one.
        precision: ``"fp32"``, ``"fp16"``, ``"int8"``, or ``"auto"`` for all that the bundle holds.
        options: Options of the compilation.
    """

    target: str
    out: Path
    precision: str = "auto"
    options: CompileOptions = field(default_factory=CompileOptions)


def compile_bundle(
    bundle: Bundle,
    request: CompileRequest,
    say: Callable[[str], None] = lambda text: None,
    progress: Progress = lambda what, done, total: None,
) -> Bundle:
    """Compiles a bundle's networks; an earlier bundle at `out` stays until all are compiled.

    Args:
        bundle: A bundle with ONNX networks for the target.
        request: Target, folder, precision and options.
        say: Receives each step as a sentence.
        progress: Receives TensorRT's progress.

    Raises:
        OptionError: The target or precision is unknown.
        BundleError: The bundle holds no networks for the target.
        MissingDependencyError: TensorRT is missing or too old, or the GPU that it needs is missing.
        CompileError: TensorRT refuses the networks of the requested precision, or of every one.
        GateError: The requested precision, or every one, is wrong on this machine's GPU.
        OutputError: The bundle cannot be written.
    """
    check_choice("precision", request.precision, ("auto", *PRECISIONS))
    check_replaceable(request.out.resolve())
    compiler = open_compiler(request.target)
    sources = _sources(bundle, request)
    # Plans of an earlier run for this target are replaced; everything else stays.
    kept = [variant for variant in bundle.variants if variant.format == "onnx" or request.target not in variant.engines]
    files: dict[str, bytes | Path] = {path.name: path for variant in kept for path in (variant.stage1, variant.stage2)}
    files |= {name: bundle.path / name for name in bundle.manifest["files"]}
    with tempfile.TemporaryDirectory(prefix="edgefg-") as scratch:
        plans = _Plans(sources, lambda variant: _compile(compiler, variant, request, Path(scratch), say, progress), say)
        plans.compile({variant.precision for variant in sources})
        if not plans.entries:
            raise CompileError("; ".join(plans.refusals))

        def write(folder: Path, chosen: Sequence[dict[str, Any]]) -> Bundle:
            variants = [*chosen, *(_entry(variant) for variant in kept)]
            refused = {file for plan in plans.entries.values() if plan not in chosen for file in _plan_files(plan)}
            held = {name: content for name, content in (files | plans.files).items() if name not in refused}
            return write_bundle(folder, files=held, manifest={**bundle.manifest, "variants": variants})

        def try_all() -> dict[str, PlanCheck]:
            return try_plans(write(Path(scratch) / "check", [*plans.entries.values()]), request.target, progress)

        try:
            checks = try_all()
            wrong = {precision for precision, check in checks.items() if refusal(check, None)}
            if plans.compile(wrong):
                checks = try_all()
        except MissingDependencyError as error:
            say(f"compiled, not run here: {error}; the plans check themselves when they are first loaded")
            return write(request.out, [*plans.entries.values()])
        return write(request.out, _chosen([*plans.entries.values()], checks, request, say))


_Compiled = tuple[dict[str, Any], dict[str, bytes | Path]]


class _Plans:
    """The plans of one form of each precision, of which a bundle may hold several.

    Attributes:
        entries: Their entries in the manifest, by precision.
        files: Their files, by name.
        refusals: Why forms were refused.
    """

    def __init__(
        self, sources: Sequence[Variant], compile_one: Callable[[Variant], _Compiled], say: Callable[[str], None]
    ) -> None:
        self.entries: dict[str, dict[str, Any]] = {}
        self.files: dict[str, bytes | Path] = {}
        self.refusals: list[str] = []
        self._untried = list(sources)
        self._compile_one = compile_one
        self._say = say

    def compile(self, precisions: Collection[str]) -> bool:
        """Compiles the next form of each precision, in place of an earlier one; returns whether there was any.

        A form that TensorRT refuses is passed over.
        """
        missing = set(precisions)
        for variant in list(self._untried):
            if variant.precision not in missing:
                continue
            self._untried.remove(variant)
            try:
                entry, files = self._compile_one(variant)
            except CompileError as error:
                # INT8 comes first, and is refused most: the others may do.
                self.refusals.append(str(error))
                more = any(other.precision == variant.precision for other in self._untried)
                outcome = "is tried in its next form" if more else "is left out"
                self._say(f"{variant.precision} {outcome}: {error}")
                continue
            missing.remove(variant.precision)
            self.entries[variant.precision] = entry
            self.files |= files
        return missing != set(precisions)


def _sources(bundle: Bundle, request: CompileRequest) -> Sequence[Variant]:
    sources = [
        variant
        for variant in bundle.variants
        if variant.format == "onnx"
        and request.target in variant.engines
        and request.precision in ("auto", variant.precision)
    ]
    if not sources:
        held = ", ".join(f"{variant.precision} for {'/'.join(variant.engines)}" for variant in bundle.variants)
        wanted = "networks" if request.precision == "auto" else f"networks of {request.precision}"
        raise BundleError(
            f"{bundle.path}: expected {wanted} to compile for {request.target}, found {held}; "
            f"on a workstation: edgefg build --target onnx"
        )
    return sorted(sources, key=lambda variant: _ORDER.index(variant.precision))


def _compile(
    compiler: Compiler,
    variant: Variant,
    request: CompileRequest,
    scratch: Path,
    say: Callable[[str], None],
    progress: Progress,
) -> _Compiled:
    """Compiles one form; returns its entry in the manifest and its files."""
    label = f"{variant.precision}.{request.target}"
    files: dict[str, bytes | Path] = {}
    records = {}
    for stage, source in zip(STAGES, (variant.stage1, variant.stage2), strict=True):
        name = f"{stage} in {variant.precision}"
        plan = compiler.compile(source.read_bytes(), name=name, options=request.options, progress=progress)
        # To disk at once, so that large engines do not pile up in a small device's memory.
        path = scratch / f"{stage}.{label}.plan"
        path.write_bytes(plan.data)
        files[path.name] = path
        records[stage] = plan.record
        for warning in plan.warnings:
            say(f"{name}: {warning}")
        say(f"compiled {name}: {len(plan.data) / 1e6:.2f} MB in {plan.record['build_seconds']:.1f} s")
    entry = {
        "precision": variant.precision,
        "format": "plan",
        "engines": [request.target],
        "stages": {stage: {"file": f"{stage}.{label}.plan"} for stage in STAGES},
        "requires": _requirements(records),
        "measured": {"compiled": records, "of_onnx": dict(variant.measured)},
    }
    return entry, files


def _chosen(
    plans: Sequence[dict[str, Any]], checks: dict[str, PlanCheck], request: CompileRequest, say: Callable[[str], None]
) -> list[dict[str, Any]]:
    """Returns the plans that passed their check, fastest first, with their measurements noted in them.

    Raises:
        GateError: No plan passed, or not the requested precision.
    """
    fp32 = checks.get("fp32")
    chosen, refusals = [], []
    for plan in plans:
        precision = plan["precision"]
        check = checks[precision]
        if reason := refusal(check, None if precision == "fp32" else fp32):
            refusals.append(f"{precision} on {check.gpu}: refused: {reason}")
            say(refusals[-1])
            continue
        say(f"{precision} on {check.gpu}: {check}")
        plan["measured"] |= {"gpu": check.gpu, "comparisons": [check.to_json(fp32)]}
        chosen.append(plan)
    if not chosen:
        raise GateError("; ".join(refusals))
    return sorted(chosen, key=lambda plan: checks[plan["precision"]].total_ms)


def _plan_files(plan: dict[str, Any]) -> list[str]:
    return [plan["stages"][stage]["file"] for stage in STAGES]


def _requirements(records: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Returns what binds a device; see `edgefg.bundle.requirements`. Both stages were compiled alike."""
    return {name: records["stage1"][name] for name in BINDING}


def _entry(variant: Variant) -> dict[str, Any]:
    return {
        "precision": variant.precision,
        "format": variant.format,
        "engines": list(variant.engines),
        "stages": {"stage1": {"file": variant.stage1.name}, "stage2": {"file": variant.stage2.name}},
        "requires": dict(variant.requires),
        "measured": dict(variant.measured),
    }
