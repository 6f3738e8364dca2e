"""An Inspection as text and tables for people."""

import json
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..bundle.layers import LAYERS_REMEDY, Inspection, Layer, Measurement, StageLayers, StagePort, VariantLayers

if TYPE_CHECKING:
    from rich.console import Group
    from rich.table import Table

_HEADINGS = ("kernel", "channels", "output", "mult-adds", "weights", "out bytes")


def inspection_table(inspection: Inspection) -> "Group":
    """Lays out the bundle, its variants, and the layers of one of them."""
    from rich.console import Group
    from rich.text import Text

    parts: list[Text | Table] = [Text(line) for line in _heading(inspection)]
    parts.append(_variants_table(inspection))
    parts += [Text(line) for form in inspection.variants for line in _notes(form)]
    if inspection.stages is None:
        parts.append(Text(f"\nThis bundle says nothing of the layers of {inspection.shown}; {LAYERS_REMEDY}"))
    source = "" if inspection.described_as == inspection.shown else f", compiled from {inspection.described_as}"
    for name, stage in (inspection.stages or {}).items():
        parts += [Text(f"\n{name} of {inspection.shown}{source}", style="bold"), Text(_ports("in ", stage.inputs))]
        parts += [Text(_ports("out", stage.outputs)), _layers_table(stage), *map(Text, _sums(stage))]
    return Group(*parts)


def _heading(inspection: Inspection) -> Iterator[str]:
    width, height = inspection.input_size
    yield f"{inspection.name}, {width}x{height}, at {inspection.path}"
    yield f"decision: {inspection.decision}"
    yield f"built with {', '.join(f'{name} {version}' for name, version in inspection.versions.items())}"


def _variants_table(inspection: Inspection) -> "Table":
    table = _plain_table()
    for heading in ("variant", "precision", "format", "engines"):
        table.add_column(heading, overflow="fold")
    for heading in inspection.variants[0].file_bytes:
        table.add_column(heading, justify="right", no_wrap=True)
    for row, form in enumerate(inspection.variants):
        sizes = [_bytes(size) for size in form.file_bytes.values()]
        table.add_row(
            form.label, form.precision, form.format, ", ".join(form.engines), *sizes, style="" if row else "bold"
        )
    return table


def _notes(form: VariantLayers) -> Iterator[str]:
    """What a variant needs, and how it compares with FP32."""
    if form.requires:
        needs = (
            f"{name} {value if isinstance(value, str) else json.dumps(value)}" for name, value in form.requires.items()
        )
        yield f"{form.label} needs {', '.join(needs)}"
    for measurement in form.measured:
        where = "simulated by" if measurement.simulated else "on"
        yield f"{form.label} {where} {measurement.engine}, against fp32: {_compared(measurement)}"


def _compared(measurement: Measurement) -> str:
    if measurement.failure is not None:
        return f"does not run: {measurement.failure}"
    figures = (
        ("{:.2f} times as fast", measurement.speedup),
        ("F drop {:.4f}", measurement.f_drop),
        ("IoU {:.4f}", measurement.iou),
    )
    return ", ".join(shown.format(figure) for shown, figure in figures if figure is not None) or "no figures"


def _ports(label: str, ports: tuple[StagePort, ...]) -> str:
    return f"{label}  " + ", ".join(f"{port.name} {port.dtype} ({', '.join(map(str, port.shape))})" for port in ports)


def _layers_table(stage: StageLayers) -> "Table":
    from rich.text import Text

    table = _plain_table()
    table.add_column("layer", overflow="fold")
    table.add_column("prec.")
    for heading in _HEADINGS:
        table.add_column(heading, justify="right", no_wrap=True)
    for layer in stage.layers:
        table.add_row(Text(layer.name), layer.precision, *_cells(layer))
    totals = stage.totals
    sums = (_count(totals.multiply_adds), _bytes(totals.weight_bytes), _bytes(totals.output_bytes))
    table.add_section()
    table.add_row(f"all {len(stage.layers)}", "", "", "", "", *sums, style="bold cyan")
    return table


def _cells(layer: Layer) -> list[str]:
    return [
        _kernel(layer),
        f"{layer.channels_in}>{layer.channels_out}",
        f"{layer.output_width}x{layer.output_height}",
        _count(layer.multiply_adds),
        _bytes(layer.weight_bytes),
        _bytes(layer.output_bytes),
    ]


def _kernel(layer: Layer) -> str:
    """Such as 3x3, 3x3 down 2, or 2x2 up 2."""
    kernel = "x".join(map(str, reversed(layer.kernel)))
    if layer.stride == (1, 1):
        return kernel
    # Once where both are the same.
    steps = "x".join(map(str, dict.fromkeys(reversed(layer.stride))))
    return f"{kernel} {'up' if layer.op == 'ConvTranspose' else 'down'} {steps}"


def _sums(stage: StageLayers) -> Iterator[str]:
    precisions = Counter(layer.precision for layer in stage.layers)
    yield (
        f"a frame: {_count(2 * stage.totals.multiply_adds)} operations, {_bytes(stage.totals.port_bytes)} in and out; "
        f"layers: {', '.join(f'{count} {precision}' for precision, count in precisions.items()) or 'none'}"
    )
    others = [f"{count} {kind}" for kind, count in stage.others.items()]
    if stage.q_dq_pairs:
        others.append(f"{stage.q_dq_pairs} Q/DQ pairs")
    yield f"next to them: {', '.join(others) or 'nothing'}"


def _plain_table() -> "Table":
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    return Table(box=SIMPLE_HEAD, padding=0)


def _count(value: int) -> str:
    return _scaled(value, ("", " k", " M", " G", " T"))


def _bytes(value: int) -> str:
    return _scaled(value, (" B", " kB", " MB", " GB", " TB"))


def _scaled(value: int, units: tuple[str, ...]) -> str:
    """Three digits and a unit."""
    scaled, steps = float(value), 0
    while scaled >= 999.5 and steps < len(units) - 1:
        scaled, steps = scaled / 1000, steps + 1
    decimals = 0 if not steps or scaled >= 100 else 1 if scaled >= 10 else 2
    return f"{scaled:.{decimals}f}{units[steps]}"
