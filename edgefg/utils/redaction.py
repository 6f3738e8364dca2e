"""Removal of credentials from addresses, so that they can appear in logs, events, errors and pages."""

import re

HIDDEN = "***"

# Parameters that distinguish the streams of a camera and are not secret. The value of any other parameter is hidden.
_HARMLESS = frozenset(
    {"camera", "channel", "codec", "fps", "height", "profile", "proto", "resolution", "stream", "subtype", "width"}
)
_SCHEME = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]*://)")
_LOGIN = re.compile(rf"{_SCHEME.pattern}\S*@")
_ADDRESS = re.compile(r"(?P<path>[^\s\"'<>?#]*)(?P<query>\?[^\s\"'<>#]*)?(?P<fragment>#[^\s\"'<>]*)?")
# Not only in a URL's query: some cameras take user=...&password=... in the path, and GStreamer takes properties.
_SECRET = re.compile(
    r"(?P<key>[\w-]*(?:user|login|pass|pwd|pw|token|key|secret|auth|session|sig)[\w-]*\s*=\s*)"
    r"(?P<value>\"[^\"]*\"|'[^']*'|[^\s&;/!\"']*)",
    re.IGNORECASE,
)


def redacted(text: str) -> str:
    """Hides the credentials of every URL and GStreamer pipeline in a text.

    The login before a host's ``@``, the fragment, and values of parameters that may be secret become ``***``. People
    type passwords unescaped, with ``@``, ``/`` or spaces, so everything up to the last ``@`` is hidden. Where a path
    contains an ``@``, that includes the host.

    Args:
        text: An address, a pipeline, or a message that contains some.
    """
    before, *rest = _SCHEME.split(_LOGIN.sub(rf"\1{HIDDEN}@", text))
    shown = before + "".join(
        scheme + _without_login(after) for scheme, after in zip(rest[::2], rest[1::2], strict=True)
    )
    return _SECRET.sub(rf"\g<key>{HIDDEN}", shown)


def redacted_path(text: str) -> str:
    """Hides the credentials in a path that does not exist, as it may be an address without its scheme.

    Such a text does not show where a login begins, so only the part after the last ``@`` is kept.

    Args:
        text: A path as the user typed it.
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
