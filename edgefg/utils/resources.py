"""Paths of the files that come with edgefg."""

from pathlib import Path

_DATA = Path(__file__).parents[1] / "data"

SHIPPED = _DATA / "lite"
"""The folder of the bundle that comes with edgefg."""

CLIP = _DATA / "people.mp4"
"""A recording of a street, for the demo, benchmarks and checks of a build."""
