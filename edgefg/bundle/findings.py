"""Findings of a check: a part of a bundle passed, or it failed and there is a way to fix it."""

import json
from dataclasses import dataclass


@dataclass(frozen=True)
class Passed:
    """A part that is as it should be; as text, one line.

    Attributes:
        field: The part that was checked.
        text: The finding.
    """

    field: str
    text: str

    def __str__(self) -> str:
        return f"{self.field}: {self.text}"


@dataclass(frozen=True)
class Failed:
    """A part that is not as it should be; as text, one line.

    Attributes:
        field: The part that was checked.
        expected: The expected state.
        found: The state that was found.
        remedy: Ends in the command that fixes it, complete except for what only you know: FILE and DATA.
    """

    field: str
    expected: str
    found: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.field}: expected {self.expected}, found {self.found}; {self.remedy}"


Finding = Passed | Failed


def shown(value: object) -> str:
    """Returns a value of a JSON file as text, short enough for a line."""
    if isinstance(value, (dict, list)):
        return "an object" if isinstance(value, dict) else f"a list of {len(value)}"
    text = json.dumps(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def one_line(text: object) -> str:
    """Returns a message without its line breaks."""
    return " ".join(str(text).split())
