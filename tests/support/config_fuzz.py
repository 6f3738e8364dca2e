"""Odd YAML into the configuration of ``edgefg watch``: only edgefg's own errors may come out, in one short line.

    python -m tests.support.config_fuzz --minutes 20 --seed 1

Half of the cases are configurations whose values are odd, the others are YAML texts with a few characters changed.
"""

import argparse
import random
import sys
import tempfile
import time
import traceback
import warnings
from pathlib import Path

import yaml
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import NonInteractiveExampleWarning

from edgefg.errors import EdgefgError
from edgefg.watch import config

LONGEST_MESSAGE = 2000
LONGEST_S = 5.0

WHOLE = """
cameras:
  - url: rtsp://viewer:pass@10.0.0.5/stream
    name: door
    roi: [[0, 0.2], [1, 0.2], [1, 1], [0, 1]]
    zones: {mat: [[0, 0], [1, 0], [1, 1]], way: &way [[0, 0], [1, 0], [0, 1]]}
    min_area: 0.01
    end_after_s: 5
    background: empty.png
    policy: fixed
    transport: udp
    trust_clock: false
  - {url: yard.mp4, loop: true, value_range: [7000, 9040], zones: {way: *way}}
policy: {refresh: selective, stationary_s: 600, events: [noise], ghost_s: null}
mode: full
threads: 2
skip_below: 8
max_age_ms: 500
listen: "127.0.0.1:9000"
events: events.jsonl
mqtt: mqtt://broker/house
record: clips
pre_roll_s: 2
max_disk_mb: 100
"""

_PIECES = (
    *"[]{}:,-?&*!|>%@`'\"#~\t\n\r \0\x85\ufeff",
    *("!!int ", "!!float ", "!!bool ", "!!timestamp ", "!!binary ", "!!set ", "!!omap ", "!!python/none ", "<<: "),
    *("2001-99-99", "0b_", "0x_", "1:60", ".nan", ".inf", "-.inf", "1e999", "9" * 400, "9" * 5000, "[" * 1000),
    *("&a [*a]", "*way", "null", "\ud7ff", "\U0001f600", "${HOME}", "${", "---\n", "...\n", "? ", "=", "1_0"),
)

_scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([10**400, -(10**4200), 2**63]),
    st.floats(),
    st.text(max_size=12),
    st.dates(),
    st.datetimes(),
    st.binary(max_size=8),
    st.sampled_from(
        ["fixed", "auto", "0:1", "a\0b", "${NONE}", "mqtt://[", "[::1]:0", "1:" + "9" * 5000, "~", "/", ".."]
    ),
)
_keys = st.one_of(st.text(max_size=6), st.integers(), st.none(), st.booleans(), st.dates(), st.floats())
_values = st.recursive(
    _scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.lists(st.lists(inner, max_size=3), max_size=4),
        st.dictionaries(_keys, inner, max_size=3),
    ),
    max_leaves=8,
)


def _some(known: set[str], **usual: st.SearchStrategy[object]) -> st.SearchStrategy[dict[str, object]]:
    """A few known keys with any values, and those that are needed, which are mostly usual."""
    return st.fixed_dictionaries({}, optional=dict.fromkeys(sorted(known), _values)).flatmap(
        lambda odd: st.fixed_dictionaries(usual).map(lambda needed: {**odd, **needed})
    )


_url = st.one_of(st.sampled_from(["a.mp4", "rtsp://10.0.0.5/a", "0", "http://u:p@h/x.jpg"]), _values)
_policy = st.one_of(_values, _some(config._POLICY_KEYS))
_cameras = st.lists(_some(config._CAMERA_KEYS - {"policy"}, url=_url), min_size=1, max_size=2)
_documents = st.one_of(
    _some(config._KEYS - {"cameras"}, cameras=_cameras), _some(set(), cameras=_cameras, policy=_policy)
)


def changed(text: str, rng: random.Random) -> str:
    for _ in range(rng.choice((1, 1, 2, 3, 6))):
        at = rng.randrange(len(text) + 1)
        kind = rng.randrange(4)
        if kind == 0:
            text = text[:at] + rng.choice(_PIECES) + text[at:]
        elif kind == 1:
            text = text[:at] + text[at + rng.randrange(1, 12) :]
        elif kind == 2:
            text = text[:at] + rng.choice(_PIECES) + text[at + rng.randrange(1, 6) :]
        else:
            # A value in the place of another one.
            lines = text.split("\n")
            line = rng.randrange(len(lines))
            key, colon, _ = lines[line].partition(": ")
            lines[line] = key + colon + rng.choice(_PIECES) if colon else lines[line]
            text = "\n".join(lines)
    return text


def check(text: str, folder: Path) -> None:
    """Reads a text as a configuration.

    Raises:
        Exception: Anything that a user should not see.
    """
    file = folder / "watch.yaml"
    file.write_bytes(text.encode("utf-8", "surrogatepass"))
    began_s = time.process_time()
    try:
        config.watch_options(file, [], {}, None)
    except EdgefgError as error:
        message = str(error).replace(str(file), "")
        assert "\n" not in message, f"an error of several lines: {message[:200]!r}"
        assert len(message) < LONGEST_MESSAGE, f"an error of {len(message)} characters: {message[:200]!r}"
    assert time.process_time() - began_s < LONGEST_S, "it took too long"


def main() -> int:
    """Runs cases until the time is over; returns how many failed."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--minutes", type=float, default=20)
    arguments.add_argument("--seed", type=int, default=0)
    given_ = arguments.parse_args()
    warnings.simplefilter("ignore", NonInteractiveExampleWarning)
    until_s = time.monotonic() + 60 * given_.minutes
    told: set[str] = set()
    cases = failed = 0

    def run(text: str, folder: Path) -> None:
        nonlocal cases, failed
        cases += 1
        try:
            check(text, folder)
        except Exception as error:
            failed += 1
            where = traceback.extract_tb(error.__traceback__)[-1]
            name = f"{type(error).__name__} {where.filename}:{where.lineno} {str(error)[:40]}"
            if name not in told:
                told.add(name)
                print(f"case {cases}: {name}\n{text[:1500]!r}\n{traceback.format_exc(limit=-6)[-2500:]}", flush=True)

    with tempfile.TemporaryDirectory() as name:
        folder, round_ = Path(name), 0
        while time.monotonic() < until_s:
            rng = random.Random(f"{given_.seed}/{round_}")
            for _ in range(100):
                run(changed(WHOLE, rng), folder)

            @seed(1000 * given_.seed + round_)
            @settings(max_examples=100, database=None, deadline=None, suppress_health_check=list(HealthCheck))
            @given(_documents)
            def odd(document: object) -> None:
                run(yaml.safe_dump(document, allow_unicode=True), folder)

            odd()
            round_ += 1
    print(f"{cases} cases, {failed} failed, of {len(told)} kinds")
    return failed


if __name__ == "__main__":
    sys.exit(min(main(), 1))
