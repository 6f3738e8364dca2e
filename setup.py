"""Packages of edgefg. Everything else that pip needs is in pyproject.toml."""

import tempfile

from setuptools import find_packages, setup

# The folders build/ and calibration/ at the top become edgefg.build and edgefg.calibration.
PLACES = {"edgefg": "edgefg", "edgefg.build": "build", "edgefg.calibration": "calibration"}
packages = [
    name
    for package, folder in PLACES.items()
    for name in (package, *(f"{package}.{sub}" for sub in find_packages(folder)))
]

# setuptools works in ./build and leaves that folder out of the sdist. Here it is source, so
# setuptools gets a scratch folder instead.
with tempfile.TemporaryDirectory(prefix="edgefg-") as scratch:
    setup(packages=packages, package_dir=PLACES, options={"build": {"build_base": scratch}})
