"""The YAML file of ``edgefg watch``: read strictly, so that a misspelt key never passes for a default."""

import os
import re
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from ..background.policy import BackgroundPolicy, policy_of
from ..errors import MissingDependencyError, MissingFileError, OptionError
from ..media.output_paths import check_output_paths
from .motion import MotionOptions
from .options import Broker, Listen, WatchedCamera, WatchOptions, name_from
from .zones import checked_polygon

_POLICY_KEYS = {field.name for field in fields(BackgroundPolicy)} - {"clock"}
_MOTION_KEYS = {field.name for field in fields(MotionOptions)}
_CAMERA_KEYS = {"url", "name", "zones", "roi", "background", "loop", "policy"} | _MOTION_KEYS
_PATH_KEYS = {"bundle", "events", "record", "overlay"}
_VALUE_TYPES: dict[str, tuple[type, ...]] = {
    "engine": (str,),
    "precision": (str,),
    "mode": (str,),
    "threads": (int,),
    "threshold": (float, int),
    "quiet": (float, int),
    "max_age_ms": (float, int),
    "pre_roll_s": (float, int),
    "max_disk_mb": (float, int),
}
_KEYS = {"cameras", "listen", "mqtt", "policy"} | _PATH_KEYS | set(_VALUE_TYPES)


def watch_options(
    file: Path | None, urls: list[str], given: Mapping[str, Any], token: str | None, *, loop: bool = False
) -> WatchOptions:
    """Puts together what a file and the command line say; the command line has the last word.

    Args:
        file: A YAML file, if there is one. Paths in it are relative to its folder.
        urls: More cameras.
        given: Keys of the file's top level that the command line sets, or None where it does not.
        token: For the live page; never in the file.
        loop: Of the cameras in ``urls``: files begin anew at their end.

    Raises:
        MissingFileError: There is no such file.
        OptionError: A key or a value makes no sense.
        MissingDependencyError: The package that reads YAML is not installed.
    """
    content: dict[str, Any] = {} if file is None else _read(file)
    folder = Path() if file is None else file.parent
    what = "the command line" if file is None else str(file)
    _check_keys(content, _KEYS, what)
    listed = content.pop("cameras", [])
    if not isinstance(listed, list):
        raise OptionError(f"{what}: cameras: expected a list, each with a url, got {_shown(listed)}")
    cameras: list[WatchedCamera] = []
    for number, entry in enumerate([*listed, *({"url": url, "loop": loop} for url in urls)], start=1):
        from_file = number <= len(listed)
        where = f"{what}: camera {number}"
        cameras.append(_camera(entry, where, folder if from_file else Path(), [one.name for one in cameras]))
    values = {key: _value(key, value, folder, what) for key, value in content.items() if value is not None}
    values |= {key: value for key, value in given.items() if value is not None}
    listen = values.pop("listen", None)
    if listen is not False:
        values["listen"] = Listen.parse("127.0.0.1:8080" if listen is None else listen, token)
    else:
        values["listen"] = None
    if "mqtt" in values:
        values["mqtt"] = Broker.parse(values["mqtt"])
    read = {Path(camera.url): f"the file of camera {camera.name}" for camera in cameras if "://" not in camera.url}
    read |= {} if file is None else {file: "the configuration"}
    bundle = values.get("bundle")
    check_output_paths({"--events": values.get("events")}, read, {} if bundle is None else {bundle: "the bundle"})
    return WatchOptions(cameras=tuple(cameras), **values)


def _read(file: Path) -> dict[str, Any]:
    try:
        import yaml
    except ImportError as reason:
        raise MissingDependencyError(
            f'--config needs the package pyyaml: pip install "edgefg[watch]" ({reason})'
        ) from reason
    if not file.is_file():
        raise MissingFileError(f"--config {file}: there is no such file")
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as reason:
        # Not what it quotes: that line may hold a password.
        mark = getattr(reason, "problem_mark", None)
        where = "" if mark is None else f", line {mark.line + 1}"
        raise OptionError(f"{file}{where}: expected YAML, cannot read it as such") from None
    if not isinstance(content, dict):
        raise OptionError(f"{file}: expected keys such as cameras:, found {_shown(content)}")
    return content


def _camera(entry: object, where: str, folder: Path, taken: list[str]) -> WatchedCamera:
    if not isinstance(entry, dict) or not isinstance(entry.get("url"), str) or not entry["url"]:
        raise OptionError(f"{where}: expected a url, and what else is to be said of the camera")
    _check_keys(entry, _CAMERA_KEYS, where)
    url = _located(_with_environment(entry["url"], where), folder)
    zones = entry.get("zones") or {}
    if not isinstance(zones, dict):
        raise OptionError(f"{where}: zones: expected names, each with a list of points, got {_shown(zones)}")
    loop = entry.get("loop", False)
    if not isinstance(loop, bool):
        raise OptionError(f"{where}: loop: expected true or false, got {_shown(loop)}")
    background = entry.get("background")
    if background is not None and not isinstance(background, str):
        raise OptionError(f"{where}: background: expected an image file, got {_shown(background)}")
    policy = None if entry.get("policy") is None else _policy(entry["policy"], where)
    try:
        return WatchedCamera(
            url=url,
            name=name_from(url, taken) if entry.get("name") is None else entry["name"],
            zones={name: checked_polygon(points, f"zone {name}") for name, points in zones.items()},
            roi=None if entry.get("roi") is None else checked_polygon(entry["roi"], "roi"),
            motion=MotionOptions(**{key: entry[key] for key in _MOTION_KEYS & entry.keys()}),
            background=None if background is None else folder / background,
            loop=loop,
            policy=policy,
        )
    except OptionError as reason:
        raise OptionError(f"{where}: {reason}") from None


def _located(url: str, folder: Path) -> str:
    """An address as it is; a file's path as seen from here. A number is a device, unless a file is called so."""
    path = str(folder / url)
    is_device = url.isdecimal() and not os.path.exists(path)  # noqa: PTH110
    return url if "://" in url or Path(url).is_absolute() or "!" in url or is_device else path


def _value(key: str, value: object, folder: Path, what: str) -> Any:
    if key == "listen":
        if value is False or isinstance(value, str):
            return value
        raise OptionError(f"{what}: listen: expected ADDRESS:PORT in quotes, or false, got {_shown(value)}")
    if key == "policy":
        return _policy(value, what)
    if key in _PATH_KEYS or key == "mqtt":
        if not isinstance(value, str) or not value:
            raise OptionError(f"{what}: {key}: expected text, got {_shown(value)}")
        return _with_environment(value, f"{what}: {key}") if key == "mqtt" else folder / value
    if not isinstance(value, _VALUE_TYPES[key]) or isinstance(value, bool):
        raise OptionError(f"{what}: {key}: expected {_VALUE_TYPES[key][0].__name__}, got {_shown(value)}")
    return value


def _policy(value: object, what: str) -> BackgroundPolicy:
    """A policy's name, or its options."""
    if not isinstance(value, dict):
        if not isinstance(value, str):
            raise OptionError(f"{what}: policy: expected a name or options, got {_shown(value)}")
        return policy_of(value)
    _check_keys(value, _POLICY_KEYS, f"{what}: policy")
    events = value.get("events", [])
    if not isinstance(events, list) or not all(isinstance(kind, str) for kind in events):
        raise OptionError(f"{what}: policy: events: expected a list of names, got {_shown(events)}")
    try:
        return BackgroundPolicy(**(value | ({"events": frozenset(events)} if "events" in value else {})))
    except OptionError as reason:
        raise OptionError(f"{what}: policy: {reason}") from None


def _with_environment(text: str, where: str) -> str:
    """Puts environment variables in the place of ``${NAME}``, so that the file need not hold passwords."""

    def find(match: "re.Match[str]") -> str:
        if match[1] not in os.environ:
            raise OptionError(f"{where}: expected the environment variable {match[1]}, which is not set")
        return os.environ[match[1]]

    return re.sub(r"\$\{(\w+)\}", find, text)


def _check_keys(content: Mapping[Any, Any], known: set[str], what: str) -> None:
    unknown = next((key for key in content if key not in known), None)
    if unknown is not None:
        raise OptionError(f"{what}: expected one of {', '.join(sorted(known))}; got the key {unknown!r}")


def _shown(value: object) -> str:
    """What came, for a message. Not the value: it may hold a password."""
    return "nothing" if value is None else f"a {type(value).__name__}"
