"""A running watch: cameras through one pipeline, in a thread of its own, until they end."""

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING

from ..errors import ClosedError, EdgefgError, MissingDependencyError, PipelineTimeoutError
from ..segmentation.pipeline import Pipeline
from ..utils.closeable import Closeable
from ..utils.own_process import OwnProcess
from .addresses import Listen
from .camera import CameraWatcher
from .events import Event
from .history.store import EventStore
from .liveness import Liveness
from .options import WatchOptions
from .publish.jsonl import JsonLines
from .publish.mqtt import Mqtt
from .record.cleanup import checked_folder, writing_to
from .results import ResultHandler
from .state import WatchState

if TYPE_CHECKING:
    from .web.server import PageServer

_CHECK_EVERY_S = 0.25
_TIDY_EVERY_S = 600.0
# At most two frames of a camera in the networks, and one that waits: more would only grow old.
_DEPTH = 2
# Failures on this many frames in a row are no accident.
_MAX_ERRORS = 100


class Watch(Closeable):
    """Watches cameras until they have all ended or you call `stop`; iterate over it for its events.

    Attributes:
        state: Cameras, newest results, events, health; and the actions of the live page.
        url: The address of the live page; None if there is none.
        on_progress: Function that the thread of the results calls several times a second, but not while a frame or a
            camera's reader hangs.
    """

    def __init__(self, options: WatchOptions) -> None:
        """Loads the networks, opens all cameras and outputs, and starts. Waits for no camera and no broker.

        Raises:
            OptionError: An option makes no sense.
            OutputError: A file or an address cannot be used.
            MissingFileError: A file is missing.
            BundleError: The bundle is incomplete, altered or of another schema.
            MissingDependencyError: A package is not installed.
            EngineError: The engine cannot load the networks.
            CameraError: No camera can have such an address.
        """
        self._home = OwnProcess("Watch")
        self.state = WatchState(options.max_age_ms)
        self.url: str | None = None
        self.on_progress: Callable[[], None] = _ignore
        self._results = ResultHandler(self.state)
        self._errors_in_a_row = 0
        self._done = threading.Event()
        self._worker = threading.Thread(target=self._work, name="edgefg watch", daemon=True)
        with ExitStack() as stack:
            # First, so that a taken address or a full disk shows before the networks are loaded.
            self._open_outputs(options, stack)
            page = None if options.listen is None else stack.enter_context(_page(self.state, options.listen))
            self._pipeline = stack.enter_context(_pipeline(options))
            engine = self._pipeline.engine
            self.state.networks = (
                f"{self._pipeline.bundle.name}, {engine.variant.precision}, {engine.name}, mode {self._pipeline.mode}"
            )
            for camera in options.cameras:
                watcher = CameraWatcher(camera, options, self._pipeline, self.state.report)
                self.state.cameras[camera.name] = stack.enter_context(watcher)
            self.state.running = True
            self._worker.start()
            if page is not None:
                page.start()
                self.url = page.url
            self._resources = stack.pop_all()

    def __iter__(self) -> Iterator[Event]:
        """Yields events as they come, until all cameras have ended or you call `stop`.

        Each event is yielded once, however many threads iterate. While a thousand wait, further ones only go to the
        outputs and the page.

        Raises:
            EdgefgError: The networks fail on every frame.
            OtherProcessError: The process was forked after the watch was made.
        """
        self._home.check()
        yield from self.state.events
        if self.state.failure is not None:
            raise self.state.failure

    def stop(self) -> None:
        """Ends the iteration after the events that wait. Any thread or signal handler may call it."""
        # A signal can come while this very thread sets it, and would wait for itself.
        if not self._done.is_set():
            self._done.set()

    def wait_for_end(self, timeout_s: float) -> bool:
        """Waits for the end, at most this long; returns whether it has come."""
        return self._done.wait(timeout_s)

    def close(self) -> None:
        """Ends everything, and completes files. Closing twice is fine, and in a forked process nothing happens."""
        if not self._home.is_this:
            return
        self.stop()
        self._worker.join()
        self._resources.close()

    def _open_outputs(self, options: WatchOptions, stack: ExitStack) -> None:
        folders = {
            checked_folder(folder, option).resolve()
            for folder, option in ((options.record, "record"), (options.overlay, "overlay"))
            if folder is not None
        }
        for folder in folders:
            stack.enter_context(writing_to(folder, [camera.name for camera in options.cameras]))
        if options.events is not None:
            self.state.outputs.append(JsonLines(options.events))
            stack.callback(self.state.outputs[-1].close)
        if options.store_folder is not None:
            checked_folder(options.store_folder, "store")
            store = EventStore(
                options.store_folder,
                [camera.name for camera in options.cameras],
                max_mb=options.max_store_mb,
                keep_days=options.keep_days,
            )
            self.state.outputs.append(store)
            self.state.store, self.state.clips = store.path, options.record
            stack.callback(store.close)
        if options.mqtt is not None:
            self.state.outputs.append(Mqtt(options.mqtt))
            stack.callback(self.state.outputs[-1].close)

    def _work(self) -> None:
        """Handles results until the end; the worker thread runs it."""
        checked_s = tidied_s = time.monotonic()
        liveness = Liveness(self._pipeline, self.state.cameras)
        try:
            while not self._done.is_set():
                try:
                    self._results.handle(self._pipeline.take(_CHECK_EVERY_S))
                    self._errors_in_a_row, self.state.problem = 0, ""
                except PipelineTimeoutError:
                    if all(camera.ended.is_set() for camera in self.state.cameras.values()) and self._is_idle():
                        break
                except ClosedError:
                    break
                except EdgefgError as error:
                    self._note_error(error)
                if time.monotonic() - checked_s >= _CHECK_EVERY_S:
                    checked_s = time.monotonic()
                    self._results.end_stale_motion(checked_s)
                    if liveness.is_due():
                        self.on_progress()
                if time.monotonic() - tidied_s >= _TIDY_EVERY_S:
                    tidied_s = time.monotonic()
                    for recorder in itertools.chain.from_iterable(
                        camera.recorders for camera in self.state.cameras.values()
                    ):
                        recorder.tidy()
        # No error may pass for a normal end: the iteration over events raises it.
        except BaseException as error:
            self.state.failure = error
        finally:
            self._done.set()
            try:
                self._stop_cameras()
                self._results.end_motion()
            except BaseException as error:
                self.state.failure = self.state.failure or error
            finally:
                self.state.running = False
                self.state.events.end()
                self.state.latest.notify()

    def _is_idle(self) -> bool:
        done = self._pipeline.statistics
        return done.finished + done.dropped == done.submitted

    def _note_error(self, error: EdgefgError) -> None:
        self.state.errors += 1
        self.state.problem = str(error) if error.camera is None else f"{error.camera}: {error}"
        self._errors_in_a_row += 1
        if self._errors_in_a_row >= _MAX_ERRORS:
            self.state.failure = error
            self._done.set()

    def _stop_cameras(self) -> None:
        # All at once: a camera that is just connecting takes a while to end.
        cameras = self.state.cameras.values()
        stopping = [threading.Thread(target=camera.stop_reading, daemon=True) for camera in cameras]
        for thread in stopping:
            thread.start()
        for thread in stopping:
            thread.join()


def _ignore() -> None: ...


def _pipeline(options: WatchOptions) -> Pipeline:
    return Pipeline(
        options.bundle,
        options=options.inference,
        depth=_DEPTH,
        backpressure="latest",
        policy={camera.name: camera.policy or options.policy for camera in options.cameras},
    )


def _page(state: WatchState, listen: Listen) -> "PageServer":
    """Opens the live page, which serves nothing yet. Its packages are needed only here."""
    try:
        from .web.server import PageServer
    except ImportError as reason:
        raise MissingDependencyError(
            f'the live page needs the package {reason.name}: pip install "edgefg[watch]", or pass listen=None'
        ) from reason
    return PageServer(state, listen)
