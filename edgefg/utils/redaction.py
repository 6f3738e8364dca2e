"""Addresses without their secrets: what may stand in a log, an event, an error or on a page."""

import re

HIDDEN = "***"

# What tells two streams of a camera apart, and is no secret. The value of any other parameter is hidden.
_HARMLESS = frozenset(
    {"camera", "channel", "codec", "fps", "height", "profile", "proto", "resolution", "stream", "subtype", "width"}
)
_SCHEME = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]*://)")
_LOGIN = re.compile(rf"{_SCHEME.pattern}\S*@")
_ADDRESS = re.compile(r"(?P<path>[^\s\"'<>?#]*)(?P<query>\?[^\s\"'<>#]*)?(?P<fragment>#[^\s\"'<>]*)?")
# Also outside a URL's query: some cameras take user=...&password=... in the path, GStreamer as properties.
_SECRET = re.compile(
    r"(?P<key>[\w-]*(?:user|login|pass|pwd|pw|token|key|secret|auth|session|sig)[\w-]*\s*=\s*)"
    r"(?P<value>\"[^\"]*\"|'[^']*'|[^\s&;/!\"']*)",
    re.IGNORECASE,
)


def redacted(text: str) -> str:
    """Hides the credentials of every URL in a text, and of a GStreamer pipeline.

    What stands before a host's ``@``, a fragment, and the values of parameters that may be secrets become ``***``.
    People write passwords as they are, with ``@``, ``/`` or spaces, so all up to the last ``@`` goes: where one stands
    in a path, the host is hidden, too.

    Args:
        text: An address, a pipeline or a message that holds some.
    """
    before, *rest = _SCHEME.split(_LOGIN.sub(rf"\1{HIDDEN}@", text))
    shown = before + "".join(
        scheme + _without_login(after) for scheme, after in zip(rest[::2], rest[1::2], strict=True)
    )
    return _SECRET.sub(rf"\g<key>{HIDDEN}", shown)


def redacted_path(text: str) -> str:
    """Hides the credentials in what should be a path and is none: perhaps an address whose scheme was forgotten.

    Nothing says where a login begins there, so of a text with ``@`` only what follows the last one is shown.

    Args:
        text: What somebody gave as a path, and what is not there.
    """
    before, _, after = text.rpartition("@")
    return redacted(f"{HIDDEN}@{after}" if before else text)


def _without_login(after_scheme: str) -> str:
    login, at, rest = after_scheme.rpartition("@")
    return (HIDDEN if login else "") + at + _ADDRESS.sub(_without_secrets, rest, count=1)


def _without_secrets(address: re.Match[str]) -> str:
    query, fragment = address["query"], address["fragment"]
    fields = "?" + "&".join(_shown(field) for field in query[1:].split("&")) if query else ""
    return address["path"] + fields + (f"#{HIDDEN}" if fragment else "")


def _shown(field: str) -> str:
    key, equals, _ = field.partition("=")
    if not equals:
        return HIDDEN
    return field if key.lower() in _HARMLESS else f"{key}={HIDDEN}"
