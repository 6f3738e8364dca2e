"""Turns the library's names of options into those of the command line.

The library names an option as Python has it, and a reader of the command line knows it as its command does:

    background='street.png': expected ...   --background street.png: expected ...
    pass an image: background=IMG           pass an image: --background IMG
    this one is also csv=                   this one is also --csv
    pass allow_seen=True                    pass --allow-seen
    threads must be a number above 0        --threads must be a number above 0

Only parameters of the command that runs are looked for, by the names that they have in `edgefg.cli`. Everything else
stays as it is: words that the user typed, the queries of addresses, and GStreamer pipelines, which hold ``name=value``
of their own.
"""

import ast
import re
import shlex
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import typer

# Values that have an option of their own.
_FLAGS = {"listen=None": "--no-page"}
_TEXT = r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\""
_QUOTES = "'\""
# A number, a path, or a stand-in such as IMG.
_OTHER_VALUE = r"[\w/.-]*\w"
# In an address, these stand before a name.
_NOT_IN_AN_ADDRESS = r"(?<![\w?&;/.%+=-])"


def shown_options(command: Any) -> dict[str, str]:
    """Returns what the parameters of a click command are called on the command line, by their names in Python."""
    return {
        parameter.name: max(parameter.opts, key=len) if parameter.param_type_name == "option" else parameter.metavar
        for parameter in command.params
        if parameter.name
    }


def in_command_line_words(message: str, options: Mapping[str, str], typed: Iterable[str] = ()) -> str:
    """Rewrites a message of the library for those who typed a command.

    Args:
        message: As the library words it.
        options: What the command's parameters are called on the command line, by their names in Python.
        typed: The words of the command.
    """
    # Elements of a pipeline are joined by it, and no message of ours has another use for it.
    if "!" in message or not options:
        return message
    kept = "|".join(re.escape(word) for word in typed if "=" in word) or r"(?!)"
    name = "|".join(map(re.escape, options))
    pattern = "|".join(
        (
            rf"(?P<kept>{kept})",
            rf"{_NOT_IN_AN_ADDRESS}(?P<name>{name})=(?P<value>True\b|{_TEXT}|{_OTHER_VALUE})?",
            rf"^(?P<first>{name})(?= must be )",
        )
    )

    def rewrite(match: re.Match[str]) -> str:
        if match["kept"] is not None:
            return match["kept"]
        if match["first"] is not None:
            return options[match["first"]]
        if match[0] in _FLAGS:
            return _FLAGS[match[0]]
        shown, value = options[match["name"]], match["value"]
        if value in (None, "True"):
            return shown
        return f"{shown} {shlex.quote(ast.literal_eval(value)) if value[0] in _QUOTES else value}"

    return re.sub(pattern, rewrite, message)


def speaker(context: typer.Context) -> Callable[[str], None]:
    """Returns what prints the library's notes for those who typed a command."""
    options = shown_options(context.command)
    return lambda text: print(in_command_line_words(text, options), flush=True)
