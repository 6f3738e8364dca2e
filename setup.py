"""Packages of edgefg. Everything else that pip needs is in pyproject.toml."""

import tempfile

from setuptools import setup

# The folders build/ and calibration/ at the top become edgefg.build and edgefg.calibration.
# setuptools works in ./build and leaves that folder out of the sdist. Here it is source, so
# setuptools gets a scratch folder instead.
with tempfile.TemporaryDirectory(prefix="edgefg-") as scratch:
    setup(
        packages=[
            "edgefg",
            "edgefg.background",
            "edgefg.bench",
            "edgefg.cameras",
            "edgefg.cli",
            "edgefg.engines",
            "edgefg.evaluate",
            "edgefg.suite",
            "edgefg.watch",
            "edgefg.build",
            "edgefg.calibration",
        ],
        package_dir={"edgefg.build": "build", "edgefg.calibration": "calibration"},
        options={"build": {"build_base": scratch}},
    )
