"""The YAML file of ``edgefg watch``, read strictly: a misspelt key is an error, never a default."""

import os
import re
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from ..background.policy import BackgroundPolicy, policy_of
from ..cameras.options import CameraOptions
from ..errors import MissingDependencyError, MissingFileError, OptionError
from ..imaging.levels import parsed_value_range
from ..media.output_paths import check_output_paths
from ..segmentation.options import InferenceOptions
from ..utils.validation import shown
from .addresses import Broker, Listen
from .motion import MotionOptions
from .names import name_from
from .options import WatchedCamera, WatchOptions
from .zones import checked_polygon

_POLICY_KEYS = {field.name for field in fields(BackgroundPolicy)} - {"clock"}
_MOTION_KEYS = {field.name for field in fields(MotionOptions)}
_READING_KEYS = {field.name for field in fields(CameraOptions)} - {"loop", "paced"}
_CAMERA_KEYS = {"url", "name", "zones", "roi", "background", "loop", "policy"} | _MOTION_KEYS | _READING_KEYS
_PATH_KEYS = {"bundle", "events", "record", "overlay", "store"}
_INFERENCE_KEYS = {field.name for field in fields(InferenceOptions)}
_NUMBER_KEYS = {"max_age_ms", "pre_roll_s", "max_disk_mb", "keep_days", "max_store_mb"}
_KEYS = {"cameras", "listen", "mqtt", "policy"} | _PATH_KEYS | _INFERENCE_KEYS | _NUMBER_KEYS


def watch_options(
    file: Path | None, urls: list[str], given: Mapping[str, Any], token: str | None, *, loop: bool = False
) -> WatchOptions:
    """Merges a file and the command line, which takes precedence.

    Args:
        file: A YAML file, if there is one. Paths in it are relative to its folder.
        urls: More cameras.
        given: Values from the command line for the file's top-level keys; only those that it sets.
        token: For the live page; it is never in the file.
        loop: Whether files among ``urls`` start again at their end.

    Raises:
        MissingFileError: There is no such file.
        OptionError: A key or a value makes no sense.
        MissingDependencyError: The package that reads YAML is not installed.
    """
    content: dict[str, Any] = {} if file is None else _read(file)
    folder = Path() if file is None else file.parent
    source = "the command line" if file is None else str(file)
    _check_keys(content, _KEYS, source)
    listed = content.pop("cameras", [])
    if not isinstance(listed, list):
        raise OptionError(f"{source}: cameras: expected a list of cameras, each with a url, got {_shown(listed)}")
    cameras: list[WatchedCamera] = []
    for number, entry in enumerate([*listed, *({"url": url, "loop": loop} for url in urls)], start=1):
        from_file = number <= len(listed)
        where = f"{source}: camera {number}"
        cameras.append(_camera(entry, where, folder if from_file else Path(), [one.name for one in cameras]))
    values = {key: _value(key, value, folder, source) for key, value in content.items() if value is not None}
    values |= given
    listen = values.pop("listen", None)
    if listen is not False:
        values["listen"] = Listen.parse("127.0.0.1:8080" if listen is None else listen, token)
    else:
        values["listen"] = None
    if values.get("store") is False:
        values["store"] = None
    if "mqtt" in values:
        values["mqtt"] = Broker.parse(values["mqtt"])
    read = {Path(camera.url): f"the file of camera {camera.name}" for camera in cameras if "://" not in camera.url}
    read |= {} if file is None else {file: "the configuration"}
    bundle = values.get("bundle")
    check_output_paths({"events": values.get("events")}, read, {} if bundle is None else {bundle: "the bundle"})
    inference = InferenceOptions(**{key: values.pop(key) for key in _INFERENCE_KEYS & values.keys()})
    return WatchOptions(cameras=tuple(cameras), inference=inference, **values)


def _read(file: Path) -> dict[str, Any]:
    try:
        import yaml
    except ImportError as reason:
        raise MissingDependencyError(
            f'config= needs the package pyyaml: pip install "edgefg[watch]" ({reason})'
        ) from reason
    if not file.is_file():
        raise MissingFileError(f"config={str(file)!r}: no such file")
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    # For values such as 2001-99-99 and for deep nesting, PyYAML raises errors of other kinds.
    except (yaml.YAMLError, ValueError, LookupError, AttributeError, TypeError, RecursionError) as reason:
        # Without the line that the error quotes: it may hold a password.
        mark = getattr(reason, "problem_mark", None)
        where = "" if mark is None else f", line {mark.line + 1}"
        raise OptionError(f"{file}{where}: expected YAML, found text that is none") from None
    if not isinstance(content, dict):
        raise OptionError(f"{file}: expected keys such as cameras:, found {_shown(content)}")
    return content


def _camera(entry: object, where: str, folder: Path, taken: list[str]) -> WatchedCamera:
    if not isinstance(entry, dict) or not isinstance(entry.get("url"), str) or not entry["url"]:
        raise OptionError(f"{where}: expected a url and other keys of a camera, got {_shown(entry)}")
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
            reading=CameraOptions(**{key: _reading(key, entry[key]) for key in _READING_KEYS & entry.keys()}),
            policy=policy,
        )
    except OptionError as reason:
        raise OptionError(f"{where}: {reason}") from None


def _reading(key: str, value: Any) -> Any:
    """Returns an option of reading a camera as `CameraOptions` takes it: YAML has no tuples."""
    if key != "value_range":
        return value
    return parsed_value_range(value) if isinstance(value, str) else tuple(value) if isinstance(value, list) else value


def _located(url: str, folder: Path) -> str:
    """Returns an address as it is, and a file's path with its folder. A number is a device, if no file is called so."""
    path = str(folder / url)
    is_device = url.isdecimal() and not os.path.exists(path)  # noqa: PTH110
    return url if "://" in url or Path(url).is_absolute() or "!" in url or is_device else path


def _value(key: str, value: object, folder: Path, source: str) -> Any:
    if key == "listen":
        if value is False or isinstance(value, str):
            return value
        raise OptionError(f"{source}: listen: expected ADDRESS:PORT in quotes, or false, got {_shown(value)}")
    if key == "policy":
        return _policy(value, source)
    if key == "store" and value is False:
        return value
    if key in _PATH_KEYS or key == "mqtt":
        if not isinstance(value, str) or not value:
            wanted = "a folder, or false" if key == "store" else "text"
            raise OptionError(f"{source}: {key}: expected {wanted}, got {_shown(value)}")
        return _with_environment(value, f"{source}: {key}") if key == "mqtt" else folder / value
    return value  # the options check it


def _policy(value: object, source: str) -> BackgroundPolicy:
    """Reads a policy's name, or its options."""
    if not isinstance(value, dict):
        if not isinstance(value, str):
            raise OptionError(f"{source}: policy: expected a name or options, got {_shown(value)}")
        return policy_of(value)
    _check_keys(value, _POLICY_KEYS, f"{source}: policy")
    events = value.get("events", [])
    if not isinstance(events, list) or not all(isinstance(kind, str) for kind in events):
        raise OptionError(f"{source}: policy: events: expected a list of names, got {_shown(events)}")
    try:
        return BackgroundPolicy(**(value | ({"events": frozenset(events)} if "events" in value else {})))
    except OptionError as reason:
        raise OptionError(f"{source}: policy: {reason}") from None


def _with_environment(text: str, where: str) -> str:
    """Replaces ``${NAME}`` by environment variables, so that the file need not hold passwords."""

    def find(match: "re.Match[str]") -> str:
        if match[1] not in os.environ:
            raise OptionError(f"{where}: the environment variable {match[1]} is not set")
        return os.environ[match[1]]

    return re.sub(r"\$\{(\w+)\}", find, text)


def _check_keys(content: Mapping[Any, Any], known: set[str], source: str) -> None:
    unknown = [key for key in content if key not in known]
    if unknown:
        raise OptionError(f"{source}: got the key {shown(unknown[0])}; expected one of {', '.join(sorted(known))}")


def _shown(value: object) -> str:
    """Describes a value in a message without showing it: it may hold a password."""
    return "nothing" if value is None else f"a {type(value).__name__}"
