"""Runs methods through the disturbances, frame by frame in order, and scores what they give."""

import math
import statistics
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ...background.events import SceneEvent
from ...background.policy import BackgroundPolicy
from ...bundle.bundle import Bundle, open_bundle
from ...datasets.sequences import MOVING
from ...errors import OptionError
from ...imaging.io import Image
from ...segmentation.options import InferenceOptions
from ...segmentation.segmenter import Segmenter
from ...utils.progress import Progress
from ..baselines import PEERS
from ..methods import unknown_method
from ..metrics import Counts, count
from .clips import Clip
from .scripts import DISTURBANCES, Disturbance, Scripted

OURS = "edgefg"
USUAL_METHODS = (OURS, "mog2", "knn")
TIE = 0.01
MAX_DELAY_S = 3.0
"""A frozen feed or a blocked view that is told of later than this is missed."""

_RECOVERED_SHARE = 0.01
_SEEN_SHARE = 0.2
_MIN_OBJECT_PX = 50

Masks = Callable[[Scripted], Image]


@dataclass(frozen=True)
class Score:
    """How one method bore one disturbance of one clip.

    Attributes:
        f: F-measure of each second of the window, averaged; None where there is nothing to segment.
        recover_s: Seconds until the false foreground stays below 1% of the frame, or below one and a half times of what
            it was before; None if it never does.
        missed: Share of the truth's objects of which less than a fifth was found.
        false_share: Share of false foreground, for each second from the script's start.
        event_delay_s: Seconds until the first event that reports it; None without one.
        false_events: Events of other kinds while it lasted, and all before it disturbed a frame.
    """

    f: float | None
    recover_s: float | None
    missed: float | None
    false_share: tuple[float, ...]
    event_delay_s: float | None = None
    false_events: int = 0


@dataclass(frozen=True)
class StressTestResult:
    """All scores of a stress test.

    Attributes:
        clips: Names of the clips.
        scores: By clip, disturbance and method.
        seen_frames: How many of the clips' frames the networks were trained on.
    """

    clips: tuple[str, ...]
    scores: Mapping[str, Mapping[str, Mapping[str, Score]]] = field(repr=False)
    seen_frames: int = 0

    def best(self, clip: str, disturbance: str) -> bool:
        """Whether edgefg is best or within 0.01 of it; without peers, whether it told of it in time, and no more."""
        of_methods = self.scores[clip][disturbance]
        ours = of_methods[OURS]
        if DISTURBANCES[disturbance].event_only:
            in_time = ours.event_delay_s is not None and ours.event_delay_s <= MAX_DELAY_S
            return in_time and ours.false_events == 0
        others = [score.f for name, score in of_methods.items() if name != OURS and score.f is not None]
        return ours.f is not None and all(ours.f >= other - TIE for other in others)

    def to_json(self) -> dict[str, Any]:
        """Ready for json.dump."""
        return {
            "seen_frames": self.seen_frames,
            "clips": {
                clip: {
                    disturbance: {name: asdict(score) for name, score in of_methods.items()}
                    for disturbance, of_methods in of_clip.items()
                }
                for clip, of_clip in self.scores.items()
            },
        }


def run_disturbances(
    clips: Iterable[Clip],
    methods: Iterable[str] = USUAL_METHODS,
    bundle: Bundle | str | Path | None = None,
    *,
    options: InferenceOptions | None = None,
    disturbances: Iterable[str] = tuple(DISTURBANCES),
    progress: Progress = lambda what, done, total: None,
) -> StressTestResult:
    """Runs everything: each method sees all frames of a script in order, from its first, and knows nothing before.

    Args:
        clips: The scenes.
        methods: ``edgefg`` and any of `edgefg.evaluate.baselines.PEERS`.
        bundle: The networks of edgefg.
        options: What runs these networks.
        disturbances: Names of those to run.
        progress: Told after each script.

    Raises:
        OptionError: There is no such method or disturbance.
        DataError: A clip cannot be read, or has no object to paste.
        EdgefgError: Whatever a Segmenter raises.
    """
    names, wanted, scenes = tuple(dict.fromkeys(methods)), tuple(disturbances), tuple(clips)
    for name in names:
        if name != OURS and name not in PEERS:
            raise unknown_method(name, (OURS, *PEERS))
    for name in wanted:
        if name not in DISTURBANCES:
            raise OptionError(f"disturbances={name!r}: expected some of {', '.join(DISTURBANCES)}")
    opened = None
    if OURS in names:
        opened = bundle if isinstance(bundle, Bundle) else open_bundle(bundle)
    total, done = len(scenes) * len(wanted) * len(names), 0
    scores: dict[str, dict[str, dict[str, Score]]] = {clip.name: {name: {} for name in wanted} for clip in scenes}
    for clip in scenes:
        for disturbance in (DISTURBANCES[name] for name in wanted):
            for name in names:
                done += 1
                progress(f"{clip.name}: {disturbance.name}, {name}", done, total)
                # Peers tell of no events.
                if name == OURS or not disturbance.event_only:
                    scores[clip.name][disturbance.name][name] = _score(clip, disturbance, name, opened, options)
    return StressTestResult(tuple(clip.name for clip in scenes), scores)


def _score(
    clip: Clip, disturbance: Disturbance, name: str, bundle: Bundle | None, options: InferenceOptions | None
) -> Score:
    with ExitStack() as stack:
        events: list[SceneEvent] = []
        masks = stack.enter_context(open_ours(bundle, options, events) if name == OURS else _open_peer(name))
        frames = [_Frame.of(scripted, masks(scripted)) for scripted in disturbance.script(clip)]
    return _summarised(frames, disturbance, events)


@contextmanager
def open_ours(bundle: Bundle | None, options: InferenceOptions | None, events: list[SceneEvent]) -> Iterator[Masks]:
    """The shipped defaults: no background is given, and time is the script's."""
    now_s = 0.0
    policy = BackgroundPolicy(clock=lambda: now_s)
    with Segmenter(bundle, options=options, policy=policy) as segmenter:
        segmenter.background.on_event = events.append

        def mask(scripted: Scripted) -> Image:
            nonlocal now_s
            now_s = scripted.time_s
            found = segmenter.segment(scripted.frame).mask
            # Frames come faster than in life: the model gets the time that it would have there.
            segmenter.background.settle()
            return found

        yield mask


@contextmanager
def _open_peer(name: str) -> Iterator[Masks]:
    """A peer's defaults: it learns from every frame."""
    with PEERS[name]() as subtract:
        yield lambda scripted: np.asarray((subtract(scripted.frame, learn=True) == 255) * np.uint8(255), np.uint8)


@dataclass(frozen=True)
class _Frame:
    time_s: float
    scored: bool
    counts: Counts
    objects: int
    missed: int

    @classmethod
    def of(cls, scripted: Scripted, mask: Image) -> "_Frame":
        missed = objects = 0
        if scripted.scored:
            moving = (scripted.truth == MOVING).astype(np.uint8)
            labels_count, labels, sizes, _ = cv2.connectedComponentsWithStats(moving)
            hits = np.bincount(labels[mask > 0], minlength=labels_count)
            for label in range(1, labels_count):
                area = int(sizes[label, cv2.CC_STAT_AREA])
                if area >= _MIN_OBJECT_PX:
                    objects += 1
                    missed += bool(hits[label] < _SEEN_SHARE * area)
        return cls(scripted.time_s, scripted.scored, count(mask, scripted.truth), objects, missed)

    @property
    def false_share(self) -> float:
        still = self.counts.fp + self.counts.tn
        return self.counts.fp / still if still else 0.0


def _summarised(frames: list[_Frame], disturbance: Disturbance, events: list[SceneEvent]) -> Score:
    begins_s = disturbance.begins_s
    window = [frame for frame in frames if frame.scored]
    from_s = disturbance.causes_events_from_s
    right = [event for event in events if event.kind in disturbance.events and event.time_s >= from_s]
    told = [event.time_s - from_s for event in right]
    objects = sum(frame.objects for frame in window)
    return Score(
        f=None if disturbance.event_only else _mean_f(window, begins_s),
        recover_s=None if disturbance.event_only else _recover_s(frames, begins_s),
        missed=sum(frame.missed for frame in window) / objects if objects else None,
        false_share=tuple(
            round(statistics.fmean(frame.false_share for frame in second), 5) for second in _seconds(frames, 0.0)
        ),
        event_delay_s=round(min(told), 3) if told else None,
        false_events=len(events) - len(right),
    )


def _seconds(frames: list[_Frame], from_s: float) -> list[list[_Frame]]:
    slices: dict[int, list[_Frame]] = {}
    for frame in frames:
        slices.setdefault(math.floor(frame.time_s - from_s), []).append(frame)
    return list(slices.values())


def _mean_f(window: list[_Frame], begins_s: float) -> float | None:
    of_seconds = [sum((frame.counts for frame in second), Counts()).measures.f for second in _seconds(window, begins_s)]
    defined = [f for f in of_seconds if not math.isnan(f)]
    return round(statistics.fmean(defined), 4) if defined else None


def _recover_s(frames: list[_Frame], begins_s: float) -> float | None:
    before = [frame.false_share for frame in frames if 1 <= frame.time_s < begins_s]
    limit = max(_RECOVERED_SHARE, 1.5 * statistics.median(before) if before else 0.0)
    over = [frame.time_s for frame in frames if frame.scored and frame.false_share > limit]
    if not over:
        return 0.0
    return None if over[-1] == frames[-1].time_s else round(over[-1] - begins_s, 2)
