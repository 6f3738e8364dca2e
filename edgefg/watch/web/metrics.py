"""The state of a watch for Prometheus. Nothing is counted twice: each scrape reads the state."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ...cameras.state import CameraState
from ...errors import MissingDependencyError
from ..state import WatchState
from ..status import AGE_BUCKETS_S

if TYPE_CHECKING:
    from prometheus_client.core import Metric


class Metrics:
    """The text that Prometheus reads."""

    def __init__(self, state: WatchState) -> None:
        """Registers the metrics.

        Raises:
            MissingDependencyError: The package prometheus-client is not installed.
        """
        try:
            from prometheus_client import CollectorRegistry, exposition
        except ImportError as reason:
            raise MissingDependencyError(
                f'/metrics needs prometheus-client: pip install "edgefg[watch]" ({reason})'
            ) from reason
        self._state = state
        self._write = exposition.generate_latest
        self.content_type = exposition.CONTENT_TYPE_LATEST
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def text(self) -> bytes:
        """Returns all metrics as they are now."""
        return self._write(self._registry)

    def describe(self) -> list[Any]:
        """Returns nothing: the metrics depend on the cameras."""
        return []

    def collect(self) -> "Iterator[Metric]":
        """Yields all metrics; the registry calls it."""
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

        frames = CounterMetricFamily("edgefg_frames", "Frames with a fresh result.", labels=["camera"])
        drops = CounterMetricFamily(
            "edgefg_frames_dropped", "Frames without a fresh result.", labels=["camera", "reason"]
        )
        ages = HistogramMetricFamily("edgefg_frame_age_seconds", "Age of a frame at its result.", labels=["camera"])
        events = CounterMetricFamily("edgefg_events", "Events.", labels=["camera", "kind"])
        states = GaugeMetricFamily("edgefg_camera_state", "1 for the state it is in.", labels=["camera", "state"])
        reconnects = CounterMetricFamily("edgefg_camera_reconnects", "New connections.", labels=["camera"])
        motion = GaugeMetricFamily("edgefg_motion", "1 while there is motion.", labels=["camera", "zone"])
        for name, camera in self._state.cameras.items():
            status = camera.status
            frames.add_metric([name], status.frames)
            for reason, count in asdict(status.drops).items():
                drops.add_metric([name, reason], count)
            bounds = [*map(str, AGE_BUCKETS_S), "+Inf"]
            totals = [sum(status.ages_s[: index + 1]) for index in range(len(bounds))]
            ages.add_metric([name], list(zip(bounds, totals, strict=True)), status.age_sum_s)
            for kind, count in list(status.events.items()):
                events.add_metric([name, kind], count)
            for state in CameraState:
                states.add_metric([name, state.value], float(camera.state == state.value))
            reconnects.add_metric([name], camera.reconnects)
            for zone in camera.zones.names:
                motion.add_metric([name, zone], float(zone in camera.motion.active))
        yield from (frames, drops, ages, events, states, reconnects, motion)
        lost = CounterMetricFamily("edgefg_output_dropped", "Lost by an output.", labels=["output"])
        away = GaugeMetricFamily("edgefg_output_problem", "1 while an output has one.", labels=["output"])
        for output in self._state.output_health():
            lost.add_metric([output.name], output.dropped)
            away.add_metric([output.name], float(bool(output.problem)))
        yield from (lost, away)
        yield CounterMetricFamily("edgefg_errors", "Frames on which the networks failed.", value=self._state.errors)
        yield GaugeMetricFamily("edgefg_viewers", "Open live views.", value=self._state.viewers)
