"""A benchmark as text."""

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.table import Table

from .benchmark import Benchmark


def bench_table(found: Benchmark) -> RenderableType:
    """Renders a benchmark for a terminal of 80 columns."""
    rates = Table(box=None, pad_edge=False, show_header=False)
    rates.add_column()
    rates.add_column(justify="right")
    rates.add_column()
    for row in _rates(found):
        rates.add_row(*row)
    spreads = Table(box=None, pad_edge=False)
    spreads.add_column("milliseconds")
    for name in ("p50", "p95", "p99"):
        spreads.add_column(name, justify="right")
    spreads.add_column()
    for part, times in found.spreads.items():
        spreads.add_row(part, *(f"{value:.2f}" for value in (times.p50, times.p95, times.p99)))
    for label, pair in (("age, backgrounds set again", found.refresh), ("age, a camera stopped", found.frozen)):
        if pair is not None:
            values = (pair.disturbed.p50, pair.disturbed.p95, pair.disturbed.p99)
            spreads.add_row(label, *(f"{value:.2f}" for value in values), f"p99 / without: {pair.p99_ratio:.2f}")
    return Group(found.networks, found.machine, "", rates, "", spreads)


def _rates(found: Benchmark) -> Iterator[tuple[str, str, str]]:
    for mode, loop in found.raw_modes.items():
        yield f"bare, {mode}", f"{loop['fps']:.1f}", f"frames a second, {loop['requests']} at once"
    ratio = found.pipeline_to_raw
    text = "frames a second" if ratio is None else f"{ratio:.3f} of the best bare loop"
    yield "pipeline", f"{found.pipeline_fps:.1f}", text
    others = ", ".join(f"{name} {ms:.2f}" for name, ms in found.cpu_ms.items() if name != "pipeline")
    yield (
        "one frame after the other",
        f"{found.sequential_fps:.1f}",
        f"pipeline / this: {found.pipeline_to_sequential:.2f}",
    )
    yield "pipeline, CPU time", f"{found.cpu_ms['pipeline']:.2f}", f"ms a frame; {others}"
    yield (
        "from the file",
        f"{found.end_to_end_fps:.1f}",
        "decoding included, in the bundle's mode, masks in the source's size",
    )
    for name, rate in found.peers_fps.items():
        yield name, f"{rate:.1f}", f"from the file / this: {found.end_to_end_fps / rate:.2f}"
    yield "stage 1, background cached", f"{found.cached_to_uncached:.3f}", "of the time of embedding both frames"
    if found.pcie_bytes is not None:
        to_gpu, from_gpu = found.pcie_bytes["to_gpu"], found.pcie_bytes["from_gpu"]
        yield "PCIe", f"{to_gpu + from_gpu:,}", f"bytes a frame: {to_gpu:,} to the GPU, {from_gpu:,} back"
    if found.memory_mib is not None:
        yield "memory", f"{found.memory_mib:.0f}", "MiB resident"
    if found.memory_slope is not None:
        slope = found.memory_slope
        yield "memory, slope", f"{slope.mb_per_10000_frames:.3f}", f"MB per 10,000 frames, over {slope.frames:,}"
