"""The addresses of a watch: where its live page listens, and its MQTT broker."""

import urllib.parse
from dataclasses import dataclass, field

from ..errors import OptionError
from ..utils.validation import check_count, shown

LOOPBACK = ("127.0.0.1", "localhost", "::1")
MIN_TOKEN_LENGTH = 16

_MAX_PORT = 65535


@dataclass(frozen=True)
class Listen:
    """The address of the live page.

    Attributes:
        host: A name or an address of this machine.
        port: 0 takes a free one.
        token: The secret that viewers must know. Only an address that other machines cannot reach works without one.

    Raises:
        OptionError: The token is too short, or the address needs one.
    """

    host: str = "127.0.0.1"
    port: int = 8080
    token: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if self.token is not None and len(self.token) < MIN_TOKEN_LENGTH:
            raise OptionError(
                f"token= needs at least {MIN_TOKEN_LENGTH} characters, got {len(self.token)}; make one: "
                f"python3 -c 'import secrets; print(secrets.token_urlsafe())'"
            )
        if self.host not in LOOPBACK and self.token is None:
            raise OptionError(
                f"listen={self.host!r}: other machines can reach this address, so it needs token= (or EDGEFG_TOKEN)"
            )

    @classmethod
    def parse(cls, text: str, token: str | None) -> "Listen":
        """Reads ``ADDRESS:PORT``, ``[ADDRESS]:PORT`` or a port alone.

        Raises:
            OptionError: The text is none of these, or the address needs a token.
        """
        host, colon, port = text.rpartition(":")
        bare = host.removeprefix("[").removesuffix("]") if colon else "127.0.0.1"
        is_number = port.isascii() and port.isdecimal() and len(port) <= len(str(_MAX_PORT))
        if not bare or not is_number or int(port) > _MAX_PORT:
            raise OptionError(f"listen={shown(text)}: expected ADDRESS:PORT, such as 127.0.0.1:8080")
        return cls(bare, int(port), token)


@dataclass(frozen=True)
class Broker:
    """An MQTT broker.

    Attributes:
        host: Its name or address.
        port: Its port.
        prefix: The beginning of every topic.
        user: None for none.
        password: None for none.
        tls: Encrypts, and checks the broker's certificate.
        queue: How many messages to keep while the broker is away; newer ones are dropped, and counted.

    Raises:
        OptionError: ``queue`` is no such number.
    """

    host: str
    port: int = 1883
    prefix: str = "edgefg"
    user: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)
    tls: bool = False
    queue: int = 1000

    def __post_init__(self) -> None:
        check_count("queue", self.queue)

    @classmethod
    def parse(cls, url: str) -> "Broker":
        """Reads ``mqtt://[USER:PASSWORD@]HOST[:PORT][/PREFIX]``; ``mqtts://`` is encrypted.

        Raises:
            OptionError: The text is no such address.
        """
        expected = "mqtt= takes mqtt://[USER:PASSWORD@]HOST[:PORT][/PREFIX], or mqtts://"
        try:
            parts = urllib.parse.urlsplit(url)
            port = parts.port
        except ValueError:
            raise OptionError(f"{expected}, got an address that cannot be read") from None
        if parts.scheme not in ("mqtt", "mqtts") or not parts.hostname or parts.query or "#" in url:
            raise OptionError(f"{expected}, got one of another form")
        prefix = parts.path.strip("/") or "edgefg"
        if any(character in prefix for character in "+#\0"):
            raise OptionError(f"{expected}, whose PREFIX holds no + or #; got {shown(prefix)}")
        tls = parts.scheme == "mqtts"
        user, password = (value and urllib.parse.unquote(value) for value in (parts.username, parts.password))
        return cls(parts.hostname, port or (8883 if tls else 1883), prefix, user, password, tls)
