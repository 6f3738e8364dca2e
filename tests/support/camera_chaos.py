"""A run of eight cameras, most of which fail in different ways, and a report on the others.

A round takes 60 s; the suite runs one, `test_camera_chaos.py`. For longer:

    python -m tests.support.camera_chaos --minutes 10 --report chaos.md
"""

import argparse
import os
import signal
import threading
import time
from array import array
from collections import deque
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

import edgefg
from edgefg.bundle.bundle import Bundle
from edgefg.cameras.camera import Camera, CameraOptions, open_camera
from edgefg.cameras.state import CameraChange, CameraFrame, CameraState
from edgefg.errors import ClosedError, EdgefgError, PipelineTimeoutError

from .rtsp import RtspServer, looks_wrong, numbered, silent_port, write_clip


class Plan(NamedTuple):
    """One round: first all is calm, then each fault lasts so long, and the rest is for getting over them."""

    calm_s: float
    fault_s: float
    round_s: float


LONG, SHORT = Plan(10.0, 20.0, 60.0), Plan(6.0, 9.0, 36.0)
SHARE_OF_CAPACITY = 0.6
STEADY = ("steady 1", "steady 2")
OPTIONS = CameraOptions(frozen_s=5.0)


@dataclass(frozen=True)
class Recovery:
    """How one fault went. Seconds; None: not within the round."""

    fault: str
    noticed_s: float | None
    recovered_s: float | None


class Reader:
    """Reads one camera as fast as it comes, looks at each frame, and hands some on to be analysed.

    Attributes:
        ages_ms: When each frame came, and its age then; only if asked for, as that takes memory.
        recent_s: When each of the last frames came, and when it was taken.
    """

    def __init__(self, name: str, camera: Camera, analyse: Callable[[str, CameraFrame], None], keep: bool) -> None:
        self.name, self.camera = name, camera
        self.frames = self.wrong = 0
        self.ages_ms: array[float] = array("d")
        self.recent_s: deque[tuple[float, float]] = deque(maxlen=1000)
        self._keep = keep
        self.changes: list[CameraChange] = []
        self._analyse = analyse
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self) -> None:
        while True:
            try:
                frame = self.camera.read(timeout_s=0.2)
            except ClosedError:
                return
            self.changes += self.camera.take_changes()
            if frame is not None:
                now_s = time.monotonic()
                if self._keep:
                    self.ages_ms.extend((now_s, frame.age_ms))
                self.recent_s.append((now_s, frame.captured_s))
                self.frames += 1
                self.wrong += looks_wrong(frame.image)
                self._analyse(self.name, frame)

    def close(self) -> None:
        self.camera.close()
        self._thread.join()

    def ages_between_ms(self, spans: list[tuple[float, float]]) -> npt.NDArray[np.float64]:
        at_s, age_ms = np.array(self.ages_ms).reshape(-1, 2).T
        return np.concatenate([age_ms[(start_s <= at_s) & (at_s < end_s)] for start_s, end_s in spans])

    def fresh_after_s(self, since_s: float, limit_s: float) -> float | None:
        """How long after a moment the first frame came that was also taken after it; waits for it."""
        return wait_for(
            lambda: next((at_s - since_s for at_s, taken_s in list(self.recent_s) if taken_s > since_s), None), limit_s
        )

    def told_after_s(self, since_s: float, what: Callable[[CameraChange], bool], limit_s: float) -> float | None:
        """How long after a moment a change came to pass; waits for it."""
        return wait_for(
            lambda: next((c.at_s - since_s for c in list(self.changes) if c.at_s >= since_s and what(c)), None), limit_s
        )


def wait_for(look: Callable[[], float | None], limit_s: float) -> float | None:
    deadline_s = time.monotonic() + limit_s
    while (found := look()) is None and time.monotonic() < deadline_s:
        time.sleep(0.02)
    return found


def is_not_live(change: CameraChange) -> bool:
    return change.state is not CameraState.LIVE


class Analysis:
    """One pipeline for all cameras, which gets at most a share of the frames that it could work on."""

    def __init__(self, bundle: Bundle | None, cameras: int) -> None:
        self.pipeline = edgefg.Pipeline(bundle, backpressure="latest")
        self.done = self.failed = 0
        self.capacity_fps = self._measure()
        self._every_s = cameras / (SHARE_OF_CAPACITY * self.capacity_fps)
        self._due_s: dict[str, float] = {}
        self._thread = threading.Thread(target=self._take)
        self._thread.start()

    def _measure(self) -> float:
        frames = [numbered(number) for number in range(100)]
        list(self.pipeline.map(frames[:10], camera="warm-up"))
        started_s = time.monotonic()
        count = sum(1 for _ in self.pipeline.map(frames, camera="capacity"))
        return count / (time.monotonic() - started_s)

    def add(self, name: str, frame: CameraFrame) -> None:
        if frame.captured_s >= self._due_s.get(name, 0.0):
            self._due_s[name] = frame.captured_s + self._every_s
            self.pipeline.submit(frame.image, camera=name)

    def _take(self) -> None:
        while True:
            try:
                self.pipeline.take(timeout_s=0.5)
                self.done += 1
            except PipelineTimeoutError:
                continue
            except ClosedError:
                return
            except EdgefgError:
                self.failed += 1

    def close(self) -> None:
        self.pipeline.flush()
        self.pipeline.close()
        self._thread.join()


@dataclass
class Report:
    """What a run showed."""

    seconds: float
    capacity_fps: float
    analysed_fps: float = 0.0
    recoveries: list[Recovery] = field(default_factory=list)
    fps: dict[str, tuple[float, float]] = field(default_factory=dict)  # calm, while others fail
    p99_age_ms: dict[str, tuple[float, float]] = field(default_factory=dict)
    frames: int = 0
    wrong: int = 0
    analyses_failed: int = 0
    unread_errors: list[str] = field(default_factory=list)
    memory_mb: list[tuple[float, float]] = field(default_factory=list)  # seconds, resident size
    left_over: tuple[int, int] = (0, 0)  # threads, descriptors

    @property
    def memory_slope_mb_per_min(self) -> float:
        """Over the second half, when all that is allocated once has been."""
        half = self.memory_mb[len(self.memory_mb) // 2 :]
        seconds, sizes = zip(*half, strict=True)
        return float(np.polyfit(seconds, sizes, 1)[0] * 60)

    def __str__(self) -> str:
        def told(values: list[float | None]) -> str:
            if None in values:
                return f"never, in {values.count(None)} of {len(values)}"
            seconds = [value for value in values if value is not None]
            return f"{np.median(seconds):.1f} ({max(seconds):.1f})"

        lines = ["| fault | noticed after s, median (most) | well again after s, median (most) |", "|---|---|---|"]
        for fault in sorted({one.fault for one in self.recoveries}):
            same = [one for one in self.recoveries if one.fault == fault]
            noticed, recovered = told([one.noticed_s for one in same]), told([one.recovered_s for one in same])
            lines.append(f"| {fault} | {noticed} | {recovered} |")
        lines += ["", "| no fault | fps, calm | fps, others fail | p99 age ms, calm | p99 age ms, others fail |"]
        lines += ["|---|---|---|---|---|"]
        for name in self.fps:
            fps, age = self.fps[name], self.p99_age_ms[name]
            lines.append(f"| {name} | {fps[0]:.1f} | {fps[1]:.1f} | {age[0]:.1f} | {age[1]:.1f} |")
        lines += [
            "",
            f"{self.seconds:.0f} s, {self.frames} frames read, {self.wrong} of them damaged; {self.analysed_fps:.1f} a "
            f"second analysed of {self.capacity_fps:.1f} possible, {self.analyses_failed} failed. "
            f"Memory {self.memory_mb[0][1]:.0f} MB at first, {self.memory_mb[-1][1]:.0f} MB at last, "
            f"{self.memory_slope_mb_per_min:+.2f} MB a minute over the second half. "
            f"Left over: {self.left_over[0]} threads, {self.left_over[1]} descriptors.",
        ]
        return "\n".join(lines)


class Round:
    """One round's faults, each in a thread of its own, all told to wait for their second."""

    def __init__(
        self, readers: dict[str, Reader], servers: dict[str, RtspServer], clips: list[Path], plan: Plan
    ) -> None:
        self.readers, self.servers, self.clips, self.plan = readers, servers, clips, plan
        self.start_s = time.monotonic()
        self.recoveries: list[Recovery] = []

    def run(self) -> None:
        faults = [self.restart, self.stall, self.freeze, self.corrupt, self.start_slowly]
        threads = [threading.Thread(target=fault) for fault in faults]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.until(self.plan.round_s)

    def until(self, second: float) -> float:
        time.sleep(max(0.0, self.start_s + second - time.monotonic()))
        return time.monotonic()

    def left_s(self) -> float:
        return max(1.0, self.start_s + self.plan.round_s - 1 - time.monotonic())

    def note(self, fault: str, noticed_s: float | None, recovered_s: float | None) -> None:
        self.recoveries.append(Recovery(fault, noticed_s, recovered_s))

    def restart(self) -> None:
        reader, server = self.readers["restarts"], self.servers["restarts"]
        killed_s = self.until(self.plan.calm_s + 2)
        server.close()
        noticed_s = reader.told_after_s(killed_s, is_not_live, 30)
        self.until(self.plan.calm_s + 10)
        self.clips.reverse()  # another resolution each time
        self.servers["restarts"] = RtspServer(self.clips[0], port=server.port)
        recovered_s = reader.fresh_after_s(time.monotonic(), self.left_s())
        self.note("killed, 8 s later back with another resolution", noticed_s, recovered_s)

    def stall(self) -> None:
        reader, process = self.readers["stalls"], self.servers["stalls"].process
        stopped_s = self.until(self.plan.calm_s + 4)
        process.send_signal(signal.SIGSTOP)
        noticed_s = reader.told_after_s(stopped_s, is_not_live, 30)
        continued_s = self.until(self.plan.calm_s + 4 + self.plan.fault_s)
        process.send_signal(signal.SIGCONT)
        self.note(f"stalled for {self.plan.fault_s:g} s", noticed_s, reader.fresh_after_s(continued_s, self.left_s()))

    def freeze(self) -> None:
        reader, server = self.readers["freezes"], self.servers["freezes"]
        frozen_s = self.until(self.plan.calm_s + 6)
        server.tell("freeze")
        noticed_s = reader.told_after_s(frozen_s, lambda change: change.frozen, 30)
        self.until(self.plan.calm_s + 6 + self.plan.fault_s)
        server.tell("thaw")
        thawed_s = time.monotonic()
        recovered_s = reader.told_after_s(thawed_s, lambda change: not change.frozen, self.left_s())
        self.note(f"frozen for {self.plan.fault_s:g} s (flagged after {OPTIONS.frozen_s:g} s)", noticed_s, recovered_s)

    def corrupt(self) -> None:
        reader, server = self.readers["corrupt"], self.servers["corrupt"]
        before = reader.camera.statistics.decode_errors
        self.until(self.plan.calm_s + 8)
        server.tell("corrupt 40")
        corrupted_s = time.monotonic()

        def noticed() -> float | None:
            return time.monotonic() - corrupted_s if reader.camera.statistics.decode_errors > before else None

        noticed_s = wait_for(noticed, 20)
        self.until(self.plan.calm_s + 8 + self.plan.fault_s)
        server.tell("heal")
        recovered_s = reader.fresh_after_s(time.monotonic(), self.left_s())
        self.note(f"every 40th packet corrupt for {self.plan.fault_s:g} s", noticed_s, recovered_s)

    def start_slowly(self) -> None:
        reader, server = self.readers["starts slowly"], self.servers["starts slowly"]
        killed_s = self.until(self.plan.calm_s)
        server.close()
        noticed_s = reader.told_after_s(killed_s, is_not_live, 30)
        self.until(self.plan.calm_s + 3)
        self.servers["starts slowly"] = RtspServer(self.clips[0], port=server.port, delay_s=6)
        recovered_s = reader.fresh_after_s(time.monotonic(), self.left_s())
        self.note("restarted, first frame 6 s after the first viewer", noticed_s, recovered_s)


def run(folder: Path, plan: Plan, rounds: int = 1, bundle: Bundle | None = None) -> Report:
    """Runs rounds with eight cameras; the clips, encoded beforehand, go into a folder."""
    clips = [write_clip(folder / f"{w}x{h}.mp4", size=(w, h)) for w, h in ((320, 240), (640, 480))]
    threads, descriptors = threading.active_count(), open_descriptors()
    analysis = Analysis(bundle, cameras=7)
    report = Report(rounds * plan.round_s, analysis.capacity_fps)
    live = (*STEADY, "restarts", "stalls", "freezes", "corrupt", "starts slowly")
    with ExitStack() as stack:
        servers: dict[str, RtspServer] = {}
        stack.callback(lambda: [server.close() for server in servers.values()])
        servers |= {name: RtspServer(clips[0]) for name in live}
        urls = {name: server.url for name, server in servers.items()}
        urls["dead"] = f"rtsp://127.0.0.1:{stack.enter_context(silent_port())}/camera"
        readers = {
            name: Reader(name, open_camera(url, name, OPTIONS), analysis.add, name in STEADY)
            for name, url in urls.items()
        }
        stack.callback(lambda: [reader.close() for reader in readers.values()])
        for name in live:
            assert readers[name].fresh_after_s(0.0, 30) is not None, f"{name} does not start"
        started_s = time.monotonic()
        memory = MemoryWatch()
        stack.callback(memory.close)
        starts = []
        for _ in range(rounds):
            one = Round(readers, servers, clips, plan)
            starts.append(one.start_s)
            one.run()
            report.recoveries += one.recoveries
        took_s = time.monotonic() - started_s
        report.analysed_fps = analysis.done / took_s
        calm = [(start_s, start_s + plan.calm_s) for start_s in starts]
        stormy = [(start_s + plan.calm_s, start_s + plan.round_s) for start_s in starts]
        for name in STEADY:
            report.fps[name] = fps(readers[name], calm), fps(readers[name], stormy)
            report.p99_age_ms[name] = p99_age_ms(readers[name], calm), p99_age_ms(readers[name], stormy)
        report.frames = sum(reader.frames for reader in readers.values())
        report.wrong = sum(reader.wrong for reader in readers.values())
        report.memory_mb = memory.samples
        assert not readers["dead"].frames
    analysis.close()
    report.analyses_failed = analysis.failed
    # A thread inside a try to connect to the dead camera ends with that try.
    wait_for(lambda: 0.0 if threading.active_count() <= threads else None, 2 * OPTIONS.connect_timeout_s)
    report.left_over = threading.active_count() - threads, open_descriptors() - descriptors
    return report


def fps(reader: Reader, spans: list[tuple[float, float]]) -> float:
    return len(reader.ages_between_ms(spans)) / sum(end - start for start, end in spans)


def p99_age_ms(reader: Reader, spans: list[tuple[float, float]]) -> float:
    return float(np.percentile(reader.ages_between_ms(spans), 99))


class MemoryWatch:
    """Notes the resident size of this process once a second, in MB, with the seconds since it began."""

    def __init__(self) -> None:
        self.samples: list[tuple[float, float]] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def _watch(self) -> None:
        started_s = time.monotonic()
        while True:
            pages = int(Path("/proc/self/statm").read_text().split()[1])
            self.samples.append((time.monotonic() - started_s, pages * os.sysconf("SC_PAGE_SIZE") / 1e6))
            if self._ended.wait(1.0):
                return

    def close(self) -> None:
        self._ended.set()
        self._thread.join()


def open_descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=int, default=10)
    parser.add_argument("--report", type=Path, help="also write the tables here")
    arguments = parser.parse_args()
    with TemporaryDirectory(prefix="edgefg-chaos-") as folder:
        report = run(Path(folder), LONG, arguments.minutes)
    print(report)
    if arguments.report:
        arguments.report.write_text(f"{report}\n")


if __name__ == "__main__":
    main()
