"""The devices that engines are compiled for, and the TensorRT of each, read from data/devices.json.

A target is a device and, on a Jetson, its JetPack, which brings TensorRT: ``orin-nano-jp6.1``, ``rtx-4090``. With the
first number alone, as in ``orin-nano-jp6``, it is the last JetPack 6 in the table.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any

from ..errors import OptionError

TABLE = Path(__file__).parents[1] / "data" / "devices.json"
LIST_COMMAND = "edgefg check --list-targets"

# The networks are strongly typed, with their INT8 in the graph, by the rules of this release and later ones.
OLDEST_TENSORRT = 10


@dataclass(frozen=True)
class JetPack:
    """The software of a Jetson.

    Attributes:
        version: Version, such as ``"6.2"``.
        tensorrt: The TensorRT that it brings, such as ``"10.3.0"``.
        verified: Whether the table's source was seen to confirm this.
    """

    version: str
    tensorrt: str
    verified: bool

    @property
    def major(self) -> str:
        """The version's first number."""
        return self.version.partition(".")[0]

    @property
    def runs_engines(self) -> bool:
        """Whether its TensorRT is new enough for engines."""
        return int(self.tensorrt.partition(".")[0]) >= OLDEST_TENSORRT


@dataclass(frozen=True)
class Device:
    """A Jetson or a graphics card.

    Attributes:
        id: Identifier, such as ``"orin-nano"``.
        name: Name by its maker.
        platform: ``"linux-aarch64"`` or ``"linux-x86_64"``.
        compute_capability: Compute capability, such as ``"8.7"``.
        memory_gb: Memory sizes that it is sold with, in GB; empty if unknown.
        jetpacks: JetPacks that run on it, oldest first; empty unless it is a Jetson.
        tensorrt_rtx: Whether TensorRT for RTX documents that it runs there.
        tensorrt_rtx_by_default: Whether plans of TensorRT for RTX run there even if their build did not name this
            compute capability.
        unsupported: Why no engine can run on it; None if one can.
    """

    id: str
    name: str
    platform: str
    compute_capability: str
    memory_gb: tuple[int, ...]
    jetpacks: tuple[JetPack, ...]
    tensorrt_rtx: bool
    tensorrt_rtx_by_default: bool
    unsupported: str | None


@dataclass(frozen=True)
class Target:
    """A device with its software.

    Attributes:
        name: Name, such as ``"orin-nano-jp6"``.
        device: The device.
        jetpack: Its JetPack; None on a card, where any TensorRT can be installed.
    """

    name: str
    device: Device
    jetpack: JetPack | None = None

    @property
    def tensorrt(self) -> str | None:
        """The version of TensorRT that its JetPack brings; None without a JetPack."""
        return self.jetpack.tensorrt if self.jetpack else None

    @property
    def unsupported(self) -> str | None:
        """Why no engine can run on it; None if one can."""
        if self.device.unsupported:
            return f"{self.device.name}: {self.device.unsupported}"
        if self.jetpack is None or self.jetpack.runs_engines:
            return None
        newer = next(jetpack.version for jetpack in self.device.jetpacks if jetpack.runs_engines)
        return (
            f"JetPack {self.jetpack.version} brings TensorRT {self.jetpack.tensorrt}, and engines need "
            f"TensorRT {OLDEST_TENSORRT} or later: install JetPack {newer} or later"
        )


def find_target(name: str) -> Target:
    """Returns the target of that name, supported or not.

    Raises:
        OptionError: There is none; the message lists similar names.
    """
    targets = {target.name: target for target in all_targets()}
    key = name.strip().lower()
    if key in targets:
        return targets[key]
    similar = get_close_matches(key, targets)
    hint = f"; similar: {', '.join(similar)}" if similar else ""
    raise OptionError(f"expected a target such as orin-nano-jp6 or rtx-4090, got {name!r}{hint}; all: {LIST_COMMAND}")


@cache
def all_targets() -> tuple[Target, ...]:
    """Returns every target, including unsupported ones, device by device in the table's order."""
    return tuple(target for device in _devices() for target in _targets(device))


def _targets(device: Device) -> Iterator[Target]:
    # A Jetson is no target without its JetPack, unless none would do.
    if not device.jetpacks or device.unsupported:
        yield Target(device.id, device)
    latest = {jetpack.major: jetpack for jetpack in device.jetpacks}
    for named in (latest, {jetpack.version: jetpack for jetpack in device.jetpacks}):
        for version, jetpack in named.items():
            yield Target(f"{device.id}-jp{version}", device, jetpack)


def _devices() -> Iterator[Device]:
    table: dict[str, Any] = json.loads(TABLE.read_text("utf-8"))
    capabilities = {entry["compute_capability"]: entry for entry in table["compute_capabilities"]}
    jetpacks = {
        entry["version"]: JetPack(entry["version"], entry["tensorrt"], entry["verified"]) for entry in table["jetpacks"]
    }
    for entry in table["devices"]:
        capability = capabilities[entry["compute_capability"]]
        yield Device(
            id=entry["id"],
            name=entry["name"],
            platform=entry["platform"],
            compute_capability=entry["compute_capability"],
            memory_gb=tuple(entry.get("memory", {}).get("gb", ())),
            jetpacks=tuple(jetpacks[version] for version in entry.get("jetpacks", {}).get("versions", ())),
            tensorrt_rtx=capability["tensorrt_rtx"]["documented"],
            tensorrt_rtx_by_default=capability["tensorrt_rtx"]["by_default"],
            unsupported=entry.get("unsupported"),
        )
