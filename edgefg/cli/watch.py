"""``edgefg watch``."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from ..errors import OptionError
from ..segmentation.options import InferenceOptions
from .options import BundleOption, with_inference


@with_inference()
def watch(
    urls: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="URL...",
            help="rtsp://, http:// (also snapshots), /dev/video0, a file, a folder, a GStreamer pipeline.",
        ),
    ] = None,
    config: Annotated[
        Path | None, typer.Option(metavar="F.yaml", help="Cameras, their zones, and all that is below.")
    ] = None,
    loop: Annotated[bool, typer.Option("--loop", help="Files named here begin again at their end.")] = False,
    bundle: BundleOption = None,
    *,
    inference: InferenceOptions,
    policy: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Of the background: selective (if left out), periodic or fixed."),
    ] = None,
    max_age_ms: Annotated[
        float | None, typer.Option(metavar="MS", help="Older frames are dropped and counted; 1000 if left out.")
    ] = None,
    listen: Annotated[
        str | None, typer.Option(metavar="ADDR:PORT", help="Where the live page is; 127.0.0.1:8080 if left out.")
    ] = None,
    no_page: Annotated[bool, typer.Option("--no-page", help="No live page, no /metrics, no /healthz.")] = False,
    token: Annotated[
        str | None,
        typer.Option(envvar="EDGEFG_TOKEN", metavar="TEXT", help="What viewers must know; needed on other addresses."),
    ] = None,
    events: Annotated[Path | None, typer.Option(metavar="F.jsonl", help="Append events as lines of JSON.")] = None,
    mqtt: Annotated[
        str | None,
        typer.Option(envvar="EDGEFG_MQTT", metavar="mqtt://HOST", help="Send events to a broker; mqtts:// with TLS."),
    ] = None,
    record: Annotated[Path | None, typer.Option(metavar="DIR", help="Record a clip of each event.")] = None,
    pre_roll_s: Annotated[
        float | None, typer.Option(metavar="S", help="What a clip shows of the time before; 3 if left out.")
    ] = None,
    overlay: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Record everything with a red foreground.")
    ] = None,
    max_disk_mb: Annotated[
        float | None, typer.Option(metavar="MB", help="What a camera's videos may take in a folder; 10000 if left out.")
    ] = None,
    keep_days: Annotated[
        float | None, typer.Option(metavar="DAYS", help="Remove older events, clips and videos; no limit if left out.")
    ] = None,
    store: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Keep all events here, for edgefg events and the page's history; "
            "where clips, or else events, go if left out.",
        ),
    ] = None,
    no_store: Annotated[bool, typer.Option("--no-store", help="Keep no store of events.")] = False,
    max_store_mb: Annotated[
        float | None, typer.Option(metavar="MB", help="What the store may take; 500 if left out.")
    ] = None,
    for_s: Annotated[
        float | None, typer.Option("--for", min=0, metavar="S", help="End after this many seconds.")
    ] = None,
) -> None:
    """Watch cameras: motion events, clips, MQTT, metrics and a live page."""
    from ..watch.app import watch as watch_cameras
    from ..watch.config import watch_options

    if no_page and listen is not None:
        raise OptionError(f"no_page=True leaves no page to listen for on {listen}; pass one of the two")
    if no_store and store is not None:
        raise OptionError(f"no_store=True keeps no store in {store}; pass one of the two")
    options: dict[str, Any] = {
        "bundle": bundle,
        "policy": policy,
        "max_age_ms": max_age_ms,
        "listen": False if no_page else listen,
        "events": events,
        "mqtt": mqtt,
        "record": record,
        "pre_roll_s": pre_roll_s,
        "overlay": overlay,
        "max_disk_mb": max_disk_mb,
        "keep_days": keep_days,
        "store": False if no_store else store,
        "max_store_mb": max_store_mb,
    }
    given = {name: value for name, value in options.items() if value is not None}
    usual = asdict(InferenceOptions())
    given |= {name: value for name, value in asdict(inference).items() if value != usual[name]}
    code = watch_cameras(watch_options(config, urls or [], given, token, loop=loop), for_s)
    if code:
        raise typer.Exit(code)
