"""What to watch, and where results go."""

import os
import re
import urllib.parse
from dataclasses import dataclass, field
from pathlib import Path

from ..background.policy import BackgroundPolicy
from ..errors import OptionError
from ..segmentation.options import SkipLevel
from ..utils.redaction import redacted_path
from .motion import MotionOptions
from .zones import Polygon

LOOPBACK = ("127.0.0.1", "localhost", "::1")
MIN_TOKEN_LENGTH = 16

_STREAM = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://(?P<host>[^/?#]*)(?P<path>.*)", re.DOTALL)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,63}")


@dataclass(frozen=True)
class WatchedCamera:
    """One camera, and what counts on it.

    Attributes:
        url: As `edgefg.cameras.camera.open_camera` takes it.
        name: Letters, digits, spaces, dots, dashes: it becomes part of topics, file names and addresses.
        zones: By name, polygons in shares of the picture; if there are none, the whole picture is one zone.
        roi: Outside of this polygon nothing counts; None is the whole picture.
        motion: When motion starts and ends.
        background: An image file to compare with; None is the first frame.
        loop: A file begins anew at its end.
        policy: What becomes of its background; None is as for the other cameras.
    """

    url: str = field(repr=False)
    name: str
    zones: dict[str, Polygon] = field(default_factory=dict)
    roi: Polygon | None = None
    motion: MotionOptions = field(default_factory=MotionOptions)
    background: Path | None = None
    loop: bool = False
    policy: BackgroundPolicy | None = None

    def __post_init__(self) -> None:
        check_name(self.name, "a camera's name")
        for zone in self.zones:
            check_name(zone, f"camera {self.name}: a zone's name")


@dataclass(frozen=True)
class Listen:
    """Where the live page is.

    Attributes:
        host: Of this machine.
        port: 0 takes a free one.
        token: What a viewer must know. On another address than this machine's own it is needed.
    """

    host: str = "127.0.0.1"
    port: int = 8080
    token: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if self.token is not None and len(self.token) < MIN_TOKEN_LENGTH:
            raise OptionError(
                f"--token: expected at least {MIN_TOKEN_LENGTH} characters, got {len(self.token)}; make one: "
                f"python3 -c 'import secrets; print(secrets.token_urlsafe())'"
            )
        if self.host not in LOOPBACK and self.token is None:
            raise OptionError(
                f"--listen {self.host}: others can reach this address, so it needs --token (or EDGEFG_TOKEN)"
            )

    @classmethod
    def parse(cls, text: str, token: str | None) -> "Listen":
        """Reads ``ADDRESS:PORT``, ``[ADDRESS]:PORT`` or a port alone.

        Raises:
            OptionError: It is none of these, or the address needs a token.
        """
        host, colon, port = text.rpartition(":")
        bare = host.removeprefix("[").removesuffix("]") if colon else "127.0.0.1"
        if not bare or not port.isascii() or not port.isdecimal() or int(port) > 65535:
            raise OptionError(f"--listen: expected ADDRESS:PORT, such as 127.0.0.1:8080, got {text!r}")
        return cls(bare, int(port), token)


@dataclass(frozen=True)
class Broker:
    """An MQTT broker.

    Attributes:
        host: Its name.
        port: Its port.
        prefix: What every topic begins with.
        user: None for none.
        password: None for none.
        tls: Encrypt, and check its certificate.
        queue: How many messages to keep while it is away; newer ones are dropped, and counted.
    """

    host: str
    port: int = 1883
    prefix: str = "edgefg"
    user: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)
    tls: bool = False
    queue: int = 1000

    @classmethod
    def parse(cls, url: str) -> "Broker":
        """Reads ``mqtt://[USER:PASSWORD@]HOST[:PORT][/PREFIX]``; ``mqtts://`` is encrypted.

        Raises:
            OptionError: It is no such address.
        """
        expected = "--mqtt: expected mqtt://[USER:PASSWORD@]HOST[:PORT][/PREFIX], or mqtts://"
        try:
            parts = urllib.parse.urlsplit(url)
            port = parts.port
        except ValueError:
            raise OptionError(f"{expected}, got an address that cannot be read") from None
        if parts.scheme not in ("mqtt", "mqtts") or not parts.hostname or parts.query or "#" in url:
            raise OptionError(f"{expected}, got one of another form")
        prefix = parts.path.strip("/") or "edgefg"
        if any(character in prefix for character in "+#\0"):
            raise OptionError(f"{expected}, whose PREFIX holds no + or #; got {prefix!r}")
        tls = parts.scheme == "mqtts"
        user, password = (value and urllib.parse.unquote(value) for value in (parts.username, parts.password))
        return cls(parts.hostname, port or (8883 if tls else 1883), prefix, user, password, tls)


@dataclass(frozen=True)
class WatchOptions:
    """What `edgefg.watch.Watch` is to do. Every output is optional.

    Attributes:
        cameras: At least one.
        bundle: A bundle's folder, None for the one that comes with edgefg.
        engine: ``auto`` or an engine's name.
        precision: Of the networks, None for the one that the bundle prefers.
        mode: How masks are made, as `edgefg.Pipeline` takes it.
        threads: CPU threads for the engine, None to leave it to the engine.
        threshold: The probability from which a pixel is foreground, None for the bundle's.
        quiet: Which frames skip stage 2, as `edgefg.Pipeline` takes it.
        policy: What becomes of the background of each camera that has no policy of its own.
        max_age_ms: A result whose frame is older than this is dropped.
        listen: Where the live page is; None is nowhere.
        events: JSON lines file that events are appended to.
        mqtt: Broker that they are sent to.
        record: Folder for clips of events.
        pre_roll_s: How much of the time before an event a clip shows.
        overlay: Folder for videos of everything, with the foreground tinted.
        max_disk_mb: How much each of these folders may hold before its oldest videos go.
    """

    cameras: tuple[WatchedCamera, ...]
    bundle: Path | None = None
    engine: str = "auto"
    precision: str | None = None
    mode: str = "auto"
    threads: int | None = None
    threshold: float | None = None
    quiet: SkipLevel = "auto"
    policy: BackgroundPolicy | str = "selective"
    max_age_ms: float = 1000.0
    listen: Listen | None = Listen()
    events: Path | None = None
    mqtt: Broker | None = None
    record: Path | None = None
    pre_roll_s: float = 3.0
    overlay: Path | None = None
    max_disk_mb: float = 10_000.0

    def __post_init__(self) -> None:
        if not self.cameras:
            raise OptionError("expected at least one camera, got none: edgefg watch URL, or --config FILE.yaml")
        names = [camera.name for camera in self.cameras]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise OptionError(f"expected cameras with names of their own, two are called {twice!r}")
        for option, value, least, most in (
            ("max_age_ms", self.max_age_ms, 1, 3_600_000),
            ("pre_roll_s", self.pre_roll_s, 0, 60),
            ("max_disk_mb", self.max_disk_mb, 1, 1e9),
        ):
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not least <= value <= most:
                raise OptionError(f"{option}: expected a number from {least} to {most:.0f}, got {value!r}")


def check_name(name: object, what: str) -> str:
    """Refuses names that cannot stand in a topic, a file's name or an address.

    Raises:
        OptionError: It is such a name.
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise OptionError(
            f"{what}: expected up to 64 letters, digits, spaces, dots, dashes or underscores, got {name!r}"
        )
    return name


def name_from(url: str, taken: list[str]) -> str:
    """Makes up a camera's name from its address, without its credentials and unlike those that are taken."""
    base = re.sub(r"[^A-Za-z0-9._-]+", "-", _place(url))[:48].strip("-._") or "camera"
    number = 2
    name = base
    while name in taken:
        name = f"{base}-{number}"
        number += 1
    return name


def _place(url: str) -> str:
    """The host of an address, or a file's name without its suffix; nothing where that could be part of a password."""
    stream = _STREAM.fullmatch(url)
    if stream is not None:
        # People write passwords as they are, with @ and /: then nothing says where the host is.
        return "" if "@" in stream["path"] else stream["host"].rpartition("@")[2].partition(":")[0]
    if "://" in url:
        return ""
    return Path(url if os.path.exists(url) else redacted_path(url)).stem  # noqa: PTH110
