"""Reader of a bundle's JSON files, field by field: each error names the field that is missing or wrong."""

import json
import math
import re
from pathlib import Path
from typing import Any, NoReturn

from ..errors import BundleError

REMEDY = "get the bundle again, or rebuild it: edgefg build"


def read_json_object(path: Path) -> dict[str, Any]:
    """Reads a file of a bundle that holds one JSON object.

    Raises:
        BundleError: It cannot be read, is not a JSON object, or holds NaN or Infinity.
    """
    try:
        value = json.loads(path.read_text("utf-8"), parse_constant=_refuse_constant, parse_float=_finite)
    except OSError as error:
        raise BundleError(f"{path} cannot be read ({error.strerror}); {REMEDY}") from error
    # ValueError: not JSON or not UTF-8. RecursionError: brackets nested too deeply.
    except (ValueError, RecursionError) as error:
        raise BundleError(
            f"{path}: expected a JSON object, found other or truncated text ({error}); {REMEDY}"
        ) from error
    if not isinstance(value, dict):
        raise BundleError(f"{path}: expected a JSON object, found {_shown(value)}; {REMEDY}")
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def _finite(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError(f"{text} is too large a number")
    return value


class Fields:
    """One JSON object of a manifest. Its getters refuse a field that is missing or wrong, and name it.

    Attributes:
        values: The object itself.
    """

    def __init__(self, path: Path, values: dict[str, Any], rebuild: str, prefix: str = "") -> None:
        """Wraps an object of a file.

        Args:
            path: The file, for messages.
            values: The object.
            rebuild: The command that builds the bundle again.
            prefix: Name of the object within the file, such as ``"network."``.
        """
        self.values = values
        self._path = path
        self._rebuild = rebuild
        self._prefix = prefix

    def schema(self, supported: int) -> None:
        """Refuses any schema other than the one that this edgefg reads."""
        found = self.whole("schema", at_least=1)
        if found == supported:
            return
        newer = found > supported
        writer, upgrade = ("a newer", "upgrade (pip install --upgrade edgefg) or ") if newer else ("an older", "")
        raise BundleError(
            f"{self._path}: expected {self._prefix}schema {supported}, found {found} of {writer} edgefg; "
            f"{upgrade}rebuild it: {self._rebuild}"
        )

    def section(self, name: str) -> "Fields":
        value = self._get(name, "an object")
        if not isinstance(value, dict):
            self.refuse(name, "an object", value)
        return self._inner(value, name)

    def sections(self, name: str) -> list["Fields"]:
        expected = "a list of one object or more"
        value = self._get(name, expected)
        if not isinstance(value, list) or not value or not all(isinstance(entry, dict) for entry in value):
            self.refuse(name, expected, value)
        return [self._inner(entry, f"{name}[{index}]") for index, entry in enumerate(value)]

    def text(self, name: str) -> str:
        value = self._get(name, "text")
        if not isinstance(value, str) or not value.strip():
            self.refuse(name, "text", value)
        return value

    def choice(self, name: str, choices: tuple[str, ...]) -> str:
        expected = f"one of {', '.join(choices)}"
        value = self._get(name, expected)
        # Not only `in`: a list is not hashable, and True is not text.
        if not isinstance(value, str) or value not in choices:
            self.refuse(name, expected, value)
        return value

    def several(self, name: str, choices: tuple[str, ...]) -> tuple[str, ...]:
        expected = f"a list of some of {', '.join(choices)}"
        value = self._get(name, expected)
        if (
            not isinstance(value, list)
            or not value
            or not all(isinstance(entry, str) and entry in choices for entry in value)
            or len(set(value)) != len(value)
        ):
            self.refuse(name, expected, value)
        return tuple(value)

    def match(self, name: str, pattern: re.Pattern[str], expected: str) -> str:
        value = self._get(name, expected)
        if not isinstance(value, str) or not pattern.fullmatch(value):
            self.refuse(name, expected, value)
        return value

    def whole(self, name: str, at_least: int, step: int = 1) -> int:
        expected = f"a whole number of at least {at_least}" + (f" that {step} divides" if step > 1 else "")
        value = self._get(name, expected)
        if isinstance(value, bool) or not isinstance(value, int) or value < at_least or value % step:
            self.refuse(name, expected, value)
        return value

    def number(self, name: str, at_most: float) -> float:
        expected = f"a number above 0 and at most {at_most}"
        value = self._get(name, expected)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value <= at_most:
            self.refuse(name, expected, value)
        return float(value)

    def refuse(self, name: str, expected: str, found: object) -> NoReturn:
        raise BundleError(
            f"{self._path}: expected {self._prefix}{name} to be {expected}, found {_shown(found)}; {self._remedy}"
        )

    @property
    def _remedy(self) -> str:
        return f"get the bundle again, or rebuild it: {self._rebuild}"

    def _inner(self, values: dict[str, Any], name: str) -> "Fields":
        return Fields(self._path, values, self._rebuild, f"{self._prefix}{name}.")

    def _get(self, name: str, expected: str) -> Any:
        if name not in self.values:
            raise BundleError(
                f"{self._path}: expected {self._prefix}{name} ({expected}), found no such field; {self._remedy}"
            )
        return self.values[name]


def _shown(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
