"""The loop of the fuzzers that damage files: cases by number, kept where they fail, ended where they hang."""

import argparse
import faulthandler
import random
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Case:
    """A damaged file in the making.

    Attributes:
        name: What it was before, for messages.
        suffix: Its file's suffix.
        content: Its bytes.
    """

    name: str
    suffix: str
    content: bytes


def arguments(description: str | None, minutes: float) -> argparse.Namespace:
    """Reads the command's words."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=minutes)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cases", type=int, default=10**9)
    parser.add_argument("--keep", type=Path, default=None)
    return parser.parse_args()


def run_cases(
    given: argparse.Namespace,
    make: Callable[[random.Random], Case],
    read: Callable[[Path, random.Random], str],
    limit_s: float,
) -> int:
    """Runs cases until the time is over.

    Args:
        given: What `arguments` returned.
        make: Makes a case. The generator is the same for a case's number, whatever came before it.
        read: Reads its file. It raises what no user should see, and may return a finding to print.
        limit_s: Seconds after which a case hangs, which ends the process; a sixth of it is slow.

    Returns:
        How many cases failed.
    """
    keep = given.keep or Path(tempfile.mkdtemp(prefix="edgefg-fuzz-"))
    keep.mkdir(parents=True, exist_ok=True)
    failed = number = 0
    started_s = time.monotonic()
    while number < given.cases and time.monotonic() - started_s < given.minutes * 60:
        rng = random.Random(f"{given.seed}/{number}")
        case = make(rng)
        path = keep / f"case{case.suffix}"
        path.write_bytes(case.content)
        faulthandler.dump_traceback_later(limit_s, exit=True)
        begun_s = time.monotonic()
        try:
            if finding := read(path, rng):
                print(f"case {number} of {case.name}: {finding}", flush=True)
        except Exception:
            failed += 1
            path.rename(keep / f"fuzz-{given.seed}-{number}{case.suffix}")
            print(f"case {number} of {case.name}:\n{traceback.format_exc()}", flush=True)
        took_s = time.monotonic() - begun_s
        if took_s > limit_s / 6:
            print(f"case {number} of {case.name} took {took_s:.1f} s", flush=True)
            (keep / f"slow-{given.seed}-{number}{case.suffix}").write_bytes(case.content)
        faulthandler.cancel_dump_traceback_later()
        path.unlink(missing_ok=True)
        number += 1
    print(f"{number} cases, {failed} failed; those are in {keep}")
    return failed
