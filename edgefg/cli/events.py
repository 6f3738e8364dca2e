"""``edgefg events``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import OptionError

if TYPE_CHECKING:
    from rich.table import Table

    from ..watch.history.reader import StoredEvent

_HEADINGS = ("time", "camera", "kind", "zone", "lasted", "area", "more")
_DEFAULT_LIMIT = 50


def events(
    store: Annotated[
        Path, typer.Option(metavar="DIR", help="Where edgefg watch keeps its store; this folder if left out.")
    ] = Path(),
    camera: Annotated[str | None, typer.Option(metavar="NAME", help="Of this camera only.")] = None,
    zone: Annotated[str | None, typer.Option(metavar="NAME", help="Motion in this zone only.")] = None,
    kind: Annotated[
        str | None, typer.Option(metavar="KIND", help="motion, camera_state, scene or background_set and so on.")
    ] = None,
    since: Annotated[
        str | None,
        typer.Option("--from", metavar="TIME", help="From then on: 2h (ago), 2026-01-31, 2026-01-31T23:59."),
    ] = None,
    until: Annotated[str | None, typer.Option("--to", metavar="TIME", help="Before then.")] = None,
    limit: Annotated[int, typer.Option(metavar="N", help="The newest N events.")] = _DEFAULT_LIMIT,
    as_json: Annotated[bool, typer.Option("--json", help="Print lines of JSON.")] = False,
) -> None:
    """List the events that a watch has stored, the newest first."""
    import json

    from rich.console import Console

    from ..utils.validation import check_count
    from ..watch.history.filters import MAX_LIMIT, EventFilter, check_known
    from ..watch.history.reader import reading
    from ..watch.history.times import parsed_time

    check_count("limit", limit)
    if limit > MAX_LIMIT:
        raise OptionError(f"limit must be at most {MAX_LIMIT}; got {limit}")
    chosen = EventFilter(
        camera,
        zone,
        kind,
        None if since is None else parsed_time("since", since),
        None if until is None else parsed_time("until", until),
    )
    with reading(store) as history:
        places = history.places()
        check_known(camera, "camera", sorted(places))
        check_known(zone, "zone", sorted({name for names in places.values() for name in names}))
        found = list(history.events(chosen, limit))
    if as_json:
        for event in found:
            print(json.dumps(event.to_json()))
    elif found:
        Console().print(_table(found))
    else:
        print("no events")


def _table(found: "list[StoredEvent]") -> "Table":
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, header_style="bold", pad_edge=False)
    for heading in _HEADINGS:
        is_number = heading in ("lasted", "area")
        table.add_column(heading, justify="right" if is_number else "left", no_wrap=is_number or heading == "time")
    for event in found:
        # Text: a name in brackets must not become a style.
        table.add_row(*map(Text, _cells(event)))
    return table


def _cells(event: "StoredEvent") -> list[str]:
    from datetime import datetime

    lasted = "" if event.duration_s is None else f"{event.duration_s:.1f} s"
    if event.kind == "motion" and event.end_s is None:
        lasted = "still"
    words = [event.details[key] for key in ("state", "scene", "action", "reason") if event.details.get(key)]
    return [
        f"{datetime.fromtimestamp(event.at_s):%Y-%m-%d %H:%M:%S}",
        event.camera,
        event.kind,
        event.zone or "",
        lasted,
        "" if event.area is None else f"{event.area:.2%}",
        " ".join(str(word) for word in [*words, *([event.clip] if event.clip else [])]),
    ]
