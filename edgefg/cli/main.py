"""The command line: ``edgefg COMMAND``.

Exit codes: 0 done; 1 a check says no; 2 bad input, options or environment; 130 Ctrl-C. An error is one line on stderr,
with the command's own names for options (`edgefg.cli.errors`).
"""

import io
import os
import sys
from collections.abc import Callable
from typing import Annotated, Any

import typer
from typer.main import get_command

from .. import __version__
from ..errors import EdgefgError, GateError
from .bench import bench
from .build import build
from .check import check
from .compile import compile_for_device
from .demo import demo
from .doctor import doctor
from .errors import in_command_line_words, shown_options
from .evaluate import evaluate
from .events import events
from .inspect import inspect
from .run import run
from .stress_test import stress_test
from .train import train
from .watch import watch

app = typer.Typer(
    name="edgefg",
    help="Foreground segmentation for camera feeds on edge devices.",
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
_COMMANDS: dict[str, Callable[..., None]] = {
    "demo": demo,
    "run": run,
    "watch": watch,
    "events": events,
    "evaluate": evaluate,
    "stress-test": stress_test,
    "bench": bench,
    "train": train,
    "build": build,
    "compile": compile_for_device,
    "check": check,
    "inspect": inspect,
    "doctor": doctor,
}
for command_name, command_body in _COMMANDS.items():
    app.command(command_name)(command_body)

_MAX_LIST = 100

# typer has its own click from some release on, so click itself can't be relied on for the name of this class.
_UsageError: Any = typer.BadParameter.__bases__[0]


def main(arguments: list[str] | None = None) -> None:
    """Runs a command and exits, with one line on stderr if it fails.

    Args:
        arguments: The command's words; None takes the process's own.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # No name of a file shall end a run in UnicodeEncodeError.
    # OpenCV, which is not loaded yet, would write lines of its own about files that edgefg refuses in one.
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
    typed = sys.argv[1:] if arguments is None else arguments
    group: Any = get_command(app)
    try:
        code = group.main(typed, prog_name="edgefg", standalone_mode=False) or 0
    except _UsageError as error:
        command = error.ctx.command_path if error.ctx else "edgefg"
        code = _fail(f"{_shortened(error.format_message().rstrip('.'))}. See {command} --help.")
    except EdgefgError as error:
        code = _fail(_reworded(error, group, typed))
        if isinstance(error, GateError):
            code = 1
    # Whatever the system refuses elsewhere: a name that is too long, a folder that may not be searched.
    except OSError as error:
        code = _fail(f"{error.filename}: {error.strerror}" if error.filename else str(error))
    except ImportError as error:
        code = _fail(f"{error}; edgefg doctor says what is missing")
    # Which of these it is, or that it is the code 130, depends on typer's release.
    except (KeyboardInterrupt, typer.Abort):
        code = 130
    if code == 130:
        _say("stopped before the end")
    raise SystemExit(code)


@app.callback(invoke_without_command=True)
def root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and stop.")] = False,
) -> None:
    if version:
        print(f"edgefg {__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        print(context.get_help())


def _reworded(error: EdgefgError, group: Any, typed: list[str]) -> str:
    """Returns an error's message with the options of the command that was typed."""
    name = next((word for word in typed if not word.startswith("-")), "")
    command = group.commands.get(name)
    return in_command_line_words(str(error), {} if command is None else shown_options(command), typed)


def _shortened(message: str) -> str:
    """Returns typer's message without endless lists, and with the usual cause."""
    if message.startswith("Got unexpected extra argument") and len(message) > _MAX_LIST:
        return f"{message[:_MAX_LIST]}...); a pattern such as '*.png' needs quotes, or the shell replaces it"
    if message.startswith("No such option: -") and not message.startswith("No such option: --"):
        return f"{message}; a file's name that starts with a dash needs ./ before it"
    return message


def _fail(message: str) -> int:
    """Prints an error, and returns the exit code for it."""
    _say(f"error: {message}")
    return 2


def _say(message: str) -> None:
    """Prints one red line on stderr; foreign messages may have several."""
    typer.secho(" ".join(message.split("\n")), fg=typer.colors.RED, err=True)
