"""The ``edgefg`` command, and ``python -m edgefg``."""

import signal
import sys


def main() -> None:
    """Runs the command line, or says how to install what it needs."""
    try:
        from .cli.main import main as run_command_line
    except ModuleNotFoundError as missing:
        # A missing module of our own is a bug, and must show as one.
        if missing.name is None or missing.name.startswith("edgefg"):
            raise
        print(f'error: the edgefg command needs {missing.name}: pip install "edgefg[cli]"', file=sys.stderr)
        raise SystemExit(2) from None
    # A shell starts background jobs deaf to Ctrl-C; one that is sent to us on purpose shall end a run properly, and so
    # shall SIGTERM, which would leave half-written files behind.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    run_command_line()


if __name__ == "__main__":
    main()
