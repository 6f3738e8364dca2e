"""What a check says: something is as it should be, or it is not and there is a way to mend it."""

import json
from dataclasses import dataclass


@dataclass(frozen=True)
class Passed:
    """Something that is as it should be; as text, one line.

    Attributes:
        field: What was looked at.
        text: What was found.
    """

    field: str
    text: str

    def __str__(self) -> str:
        return f"{self.field}: {self.text}"


@dataclass(frozen=True)
class Failed:
    """Something that is not as it should be; as text, one line.

    Attributes:
        field: What was looked at.
        expected: What should be there.
        found: What is.
        remedy: Ends in the command that mends it, whole but for what nobody else can know: FILE and DATA.
    """

    field: str
    expected: str
    found: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.field}: expected {self.expected}, found {self.found}; {self.remedy}"


Finding = Passed | Failed


def shown(value: object) -> str:
    """A value of a JSON file, short enough for a line."""
    if isinstance(value, (dict, list)):
        return "an object" if isinstance(value, dict) else f"a list of {len(value)}"
    text = json.dumps(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def one_line(text: object) -> str:
    """A message without its line breaks."""
    return " ".join(str(text).split())
