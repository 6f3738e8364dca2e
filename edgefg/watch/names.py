"""Names of cameras and zones: they become part of topics, file names and addresses."""

import os
import re
from pathlib import Path

from ..errors import OptionError
from ..utils.redaction import redacted_path
from ..utils.validation import shown

_STREAM = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://(?P<host>[^/?#]*)(?P<path>.*)", re.DOTALL)
_PIPELINE = re.compile(r"\s*(?P<element>[a-z][a-z0-9]*)(\s[^!]*)?!.")
NAME = r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,63}"
_NAME = re.compile(NAME)


def check_name(name: object, what: str) -> None:
    """Refuses names that cannot be part of a topic, a file name or an address.

    Args:
        name: The name.
        what: The thing it names, for the message.

    Raises:
        OptionError: It is such a name.
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise OptionError(
            f"{what} must be up to 64 letters, digits, spaces, dots, dashes or underscores, the first of them a letter "
            f"or a digit; got {shown(name)}"
        )


def name_from(url: str, taken: list[str]) -> str:
    """Returns a name for a camera, made of its address without credentials, and unlike the names that are taken."""
    base = re.sub(r"[^A-Za-z0-9._-]+", "-", _place(url))[:48].strip("-._") or "camera"
    number = 2
    name = base
    while name in taken:
        name = f"{base}-{number}"
        number += 1
    return name


def _place(url: str) -> str:
    """Returns an address's host, a file's name without its suffix, or the first element of a GStreamer pipeline.

    It is empty where it could be part of a password.
    """
    source = _PIPELINE.match(url)
    if source is not None:
        return source["element"]
    stream = _STREAM.fullmatch(url)
    if stream is not None:
        # People write passwords as they are, with @ and /: then the place of the host is unknown.
        return "" if "@" in stream["path"] else stream["host"].rpartition("@")[2].partition(":")[0]
    if "://" in url:
        return ""
    return Path(url if os.path.exists(url) else redacted_path(url)).stem  # noqa: PTH110
