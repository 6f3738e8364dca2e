"""Age of the frames that a reader three times too slow for its camera receives.

The suite runs it for 15 s, in `test_camera_slow_reader.py`. For longer, with a curve:

    python -m tests.support.camera_slow_reader --minutes 5 --curve age.png
"""

import argparse
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import numpy.typing as npt

from edgefg.cameras.camera import open_camera

from .rtsp import FPS, RtspServer, number_in, write_clip

TIMES_TOO_SLOW = 3


@dataclass(frozen=True)
class Ages:
    """What the reader saw.

    Attributes:
        at_s: When it got each frame, from the start.
        true_ms: How old the frame was by then, by the clock of the server, which runs on this machine.
        told_ms: And how old the camera said it was.
        dropped: How many frames were replaced by newer ones.
    """

    at_s: npt.NDArray[np.float64]
    true_ms: npt.NDArray[np.float64]
    told_ms: npt.NDArray[np.float64]
    dropped: int

    @property
    def slope_ms_per_s(self) -> float:
        """How much older frames become each second."""
        return float(np.polyfit(self.at_s, self.true_ms, 1)[0])

    def __str__(self) -> str:
        def row(name: str, ages_ms: npt.NDArray[np.float64]) -> str:
            median, p99, most = np.percentile(ages_ms, (50, 99, 100))
            return f"| {name} | {median:.1f} | {p99:.1f} | {most:.1f} | {np.mean(ages_ms < 150):.1%} |"

        return "\n".join(
            [
                "| age at hand-over, ms | median | p99 | most | below 150 |",
                "|---|---|---|---|---|",
                row("true", self.true_ms),
                row("as told", self.told_ms),
                f"\n{self.at_s[-1]:.0f} s, {len(self.at_s)} frames read, {self.dropped} replaced by newer ones; "
                f"slope of the true age {self.slope_ms_per_s:+.4f} ms a second",
            ]
        )


def run(folder: Path, seconds: float) -> Ages:
    """Reads a camera that slowly; the clip goes into a folder."""
    rows = []
    with RtspServer(write_clip(folder / "clip.mp4", frames=1000)) as server, open_camera(server.url) as camera:
        assert camera.read(timeout_s=30) is not None
        start_s = time.monotonic()
        while time.monotonic() - start_s < seconds:
            time.sleep(TIMES_TOO_SLOW / FPS)
            frame = camera.read(timeout_s=5)
            assert frame is not None
            now_s = time.monotonic()
            rows.append((now_s - start_s, now_s - server.sent_s(number_in(frame.image)), now_s - frame.captured_s))
        dropped = camera.statistics.dropped
    at_s, true_s, told_s = np.array(rows).T
    return Ages(at_s, true_s * 1e3, told_s * 1e3, dropped)


def draw(ages: Ages, path: Path) -> None:
    """Draws the ages over time as an image."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(9, 3.5), layout="constrained")
    axes.plot(ages.at_s, ages.true_ms, linewidth=0.6, label="age at hand-over")
    axes.axhline(150, color="tab:red", linewidth=1, label="150 ms")
    behind_ms = ages.at_s * (1 - 1 / TIMES_TOO_SLOW) * 1e3
    axes.plot(ages.at_s, behind_ms, color="tab:gray", linestyle="--", label="if every frame were read")
    axes.set(xlabel="seconds", ylabel="ms", ylim=(0, max(300, ages.true_ms.max() * 1.1)))
    axes.legend(loc="upper right")
    figure.savefig(path, dpi=120)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--curve", type=Path, help="draw the ages into this image")
    arguments = parser.parse_args()
    with TemporaryDirectory(prefix="edgefg-slow-reader-") as folder:
        ages = run(Path(folder), arguments.minutes * 60)
    print(ages)
    if arguments.curve:
        draw(ages, arguments.curve)


if __name__ == "__main__":
    main()
