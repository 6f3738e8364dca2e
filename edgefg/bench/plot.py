"""A benchmark as a picture: rates, and ages of results."""

import io
from typing import TYPE_CHECKING

from .benchmark import Benchmark

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def bench_plot(found: Benchmark) -> bytes:
    """Draws a PNG."""
    from matplotlib.figure import Figure

    # No pyplot: it keeps figures in a registry, and asks for a display.
    figure = Figure(figsize=(10, 7), layout="constrained")
    figure.suptitle(f"{found.networks}\n{found.machine}", fontsize=10)
    rates, parts, ages = figure.subplot_mosaic([["rates", "parts"], ["rates", "ages"]]).values()
    _rates(rates, found)
    _parts(parts, found)
    _ages(ages, found)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    return buffer.getvalue()


def _rates(axes: "Axes", found: Benchmark) -> None:
    bars = {f"bare, {mode}": (loop["fps"], "0.6") for mode, loop in found.raw_modes.items()}
    bars["pipeline"] = (found.pipeline_fps, "tab:blue")
    bars["one frame\nafter the other"] = (found.sequential_fps, "tab:blue")
    bars["from the file"] = (found.end_to_end_fps, "tab:blue")
    bars |= {name: (fps, "tab:orange") for name, fps in found.peers_fps.items()}
    drawn = axes.barh(list(bars), [fps for fps, _ in bars.values()], color=[colour for _, colour in bars.values()])
    axes.bar_label(drawn, fmt="%.1f", padding=3)
    axes.invert_yaxis()
    axes.margins(x=0.15)
    axes.set(title="throughput", xlabel="frames a second")


def _parts(axes: "Axes", found: Benchmark) -> None:
    spreads = {part: times for part, times in found.spreads.items() if part != "age"}
    for percentile, shade in (("p99", "0.85"), ("p95", "0.65"), ("p50", "tab:blue")):
        axes.barh(
            list(spreads), [getattr(times, percentile) for times in spreads.values()], color=shade, label=percentile
        )
    axes.invert_yaxis()
    axes.legend()
    axes.set(title=f"a frame's way, at {found.refresh.fps:.0f} frames a second", xlabel="ms")


def _ages(axes: "Axes", found: Benchmark) -> None:
    pairs = {"background set\nagain each second": found.refresh, "one of the\ncameras stops": found.frozen}
    labels: list[str] = []
    for label, pair in pairs.items():
        if pair is None:
            continue
        for offset, times, colour in ((-0.2, pair.plain, "0.6"), (0.2, pair.disturbed, "tab:blue")):
            axes.bar([len(labels) + offset], [times.p99], width=0.35, color=colour)
            axes.bar([len(labels) + offset], [times.p50], width=0.35, color="white", alpha=0.5)
        labels.append(f"{label}: {pair.p99_ratio:.2f}")
    axes.set_xticks(range(len(labels)), labels)
    axes.set(title="age of results, p99 (pale: p50): without, with", ylabel="ms")
