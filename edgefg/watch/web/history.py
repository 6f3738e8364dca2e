"""The history page's questions: events by page, the past of the cameras, and clips."""

import asyncio
import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from ...errors import DataError, MissingFileError, OptionError
from ..history.filters import EventFilter, Place
from ..history.reader import HistoryReader, StoredEvent, reading
from ..record.naming import begun_s, is_video_name, piece_name
from ..record.recording import MAX_CLIP_S
from ..state import WatchState
from .ranges import file_answer

_MAX_EVENTS = 120
_MAX_BINS = 1000
_MAX_CAMERAS = 64
_MAX_NAME = 64
_MAX_TIME_S = 1e11
_MAX_PIECES = 30
# The time before an event makes the first piece longer.
_MARGIN_S = 60.0
_TYPES = {".mp4": "video/mp4", ".jpg": "image/jpeg"}


class HistoryRoutes:
    """Answers the history page from the watch's store and the folder of its clips.

    A few threads of its own read the store: however many ask, the live pictures go on.
    """

    def __init__(self, state: WatchState) -> None:
        self._state = state
        self._pool = ThreadPoolExecutor(2, "edgefg history")

    def close(self) -> None:
        """Ends the threads."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def routes(self) -> list[Route]:
        """Returns the routes of all answers."""
        return [
            Route("/api/history/cameras", self._answering(self._cameras)),
            Route("/api/history/past", self._answering(self._past)),
            Route("/api/history/events", self._answering(self._events)),
            Route("/api/history/events/{id}", self._answering(self._event)),
            Route("/clips/{name}", self._clip),
        ]

    def _answering(self, find: Callable[[HistoryReader, Request], Any]) -> Callable[[Request], Any]:
        """Returns the handler of a route that reads the store."""

        def read(store: Path, request: Request) -> Response:
            try:
                with reading(store) as history:
                    return JSONResponse(find(history, request))
            except OptionError as reason:
                return JSONResponse({"error": str(reason)}, 400)
            except (DataError, MissingFileError) as reason:
                return JSONResponse({"error": str(reason)}, 503)

        async def answer(request: Request) -> Response:
            if self._state.store is None:
                return JSONResponse(
                    {"error": "This watch keeps no store of events: start it with record or store."}, 404
                )
            return await asyncio.get_running_loop().run_in_executor(self._pool, read, self._state.store, request)

        return answer

    def _cameras(self, history: HistoryReader, _: Request) -> dict[str, Any]:
        places = {name: list(camera.zones.names) for name, camera in self._state.cameras.items()}
        for camera, zones in history.places().items():
            places[camera] = sorted({*places.get(camera, []), *zones})
        return {"cameras": places}

    def _past(self, history: HistoryReader, request: Request) -> dict[str, Any]:
        from_s, to_s = _time(request, "from"), _time(request, "to")
        if from_s is None or to_s is None or from_s >= to_s:
            raise OptionError("expected from and to in seconds since 1970, in this order")
        bins = _count(request, "bins", 288, _MAX_BINS)
        camera, zone = _name(request, "camera"), _name(request, "zone")
        asked = [camera] if camera is not None else sorted({*self._state.cameras, *history.places()})[:_MAX_CAMERAS]
        pasts = [history.past(one, zone, from_s, to_s, bins) for one in asked]
        return {"cameras": [vars(past) for past in pasts]}

    def _events(self, history: HistoryReader, request: Request) -> dict[str, Any]:
        limit = _count(request, "limit", 60, _MAX_EVENTS)
        chosen = EventFilter(
            _name(request, "camera"),
            _name(request, "zone"),
            _name(request, "kind"),
            _time(request, "from"),
            _time(request, "to"),
        )
        found = list(history.events(chosen, limit + 1, _place(request)))
        more = found[limit - 1].place if len(found) > limit else None
        return {
            "events": [self._shown(event) for event in found[:limit]],
            "next": None if more is None else f"{more.at_s!r},{more.seq}",
        }

    def _event(self, history: HistoryReader, request: Request) -> dict[str, Any]:
        found = history.event(request.path_params["id"][:_MAX_NAME])
        if found is None:
            raise OptionError("there is no such event any more")
        return self._shown(found)

    def _shown(self, event: StoredEvent) -> dict[str, Any]:
        return event.to_json() | {"at_s": event.at_s, **self._files(event)}

    def _files(self, event: StoredEvent) -> dict[str, Any]:
        """Returns the names of an event's files that are still there: the pieces of its clip, and its snapshot."""
        folder = self._state.clips
        if folder is None or event.clip is None or not is_video_name(event.clip):
            return {"clips": [], "snapshot": None}
        stem = event.clip.removesuffix(".mp4")
        snapshot = f"{stem}.jpg"
        return {
            "clips": [name for name in _pieces(event, stem) if (folder / name).is_file()],
            "snapshot": snapshot if (folder / snapshot).is_file() else None,
        }

    async def _clip(self, request: Request) -> Response:
        name, folder = request.path_params["name"], self._state.clips
        if folder is None or not is_video_name(name):
            return PlainTextResponse("no such file\n", 404)
        path = folder / name
        return await asyncio.to_thread(file_answer, path, _TYPES[path.suffix], request)


def _pieces(event: StoredEvent, stem: str) -> list[str]:
    """Returns the names of the pieces of a clip that may show an event: several motions can share a long clip."""
    begun = begun_s(f"{stem}.mp4")
    after_s = 0.0 if begun is None else max(0.0, event.at_s - begun)
    first = 1 + int(after_s // MAX_CLIP_S)
    last = 2 + int((after_s + (event.duration_s or 0.0) + _MARGIN_S) // MAX_CLIP_S)
    return [piece_name(stem, piece) for piece in range(first, min(last, first + _MAX_PIECES) + 1)]


def _name(request: Request, parameter: str) -> str | None:
    value = request.query_params.get(parameter)
    if value is not None and len(value) > _MAX_NAME:
        raise OptionError(f"{parameter}: expected at most {_MAX_NAME} characters")
    return value or None


def _time(request: Request, parameter: str) -> float | None:
    value = request.query_params.get(parameter)
    return None if not value else _number(value, parameter)


def _place(request: Request) -> Place | None:
    value = request.query_params.get("after")
    if not value:
        return None
    at_s, _, seq = value.partition(",")
    if not (seq.isascii() and seq.isdecimal() and len(seq) < 19):
        raise OptionError("after: expected the next of another answer")
    return Place(_number(at_s, "after"), int(seq))


def _count(request: Request, parameter: str, default: int, most: int) -> int:
    value = request.query_params.get(parameter, str(default))
    if not (value.isascii() and value.isdecimal() and len(value) < 10 and 1 <= int(value) <= most):
        raise OptionError(f"{parameter}: expected a whole number from 1 to {most}")
    return int(value)


def _number(text: str, parameter: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not abs(number) <= _MAX_TIME_S:
        raise OptionError(f"{parameter}: expected seconds since 1970")
    return number
