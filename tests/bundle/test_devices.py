"""The table of devices: every fact has a source, every refusal a reason, and wrong names lead to right ones."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from edgefg.bundle.devices import LIST_COMMAND, TABLE, Device, all_targets, find_target
from edgefg.errors import OptionError

RAW: dict[str, Any] = json.loads(TABLE.read_text("utf-8"))
FACTS = ("compute_capabilities", "jetpacks", "devices")
DEVICES = {target.device.id: target.device for target in all_targets()}


def groups(value: Any) -> Iterator[dict[str, Any]]:
    """Every group of facts: what has a source of its own."""
    if isinstance(value, list):
        for item in value:
            yield from groups(item)
    elif isinstance(value, dict):
        if "source" in value:
            yield value
        for item in value.values():
            yield from groups(item)


def numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


class TestTable:
    def test_every_source_is_a_page_and_is_used(self) -> None:
        used = {key for facts in FACTS for group in groups(RAW[facts]) for key in group["source"]}
        assert used == set(RAW["sources"])
        assert all(re.fullmatch(r"https://\S+", url) for url in RAW["sources"].values())

    def test_every_entry_names_its_source(self) -> None:
        for entry in RAW["jetpacks"] + RAW["devices"]:
            assert entry["source"]
        for entry in RAW["compute_capabilities"]:
            assert entry["tensorrt_rtx"]["source"]
        for entry in RAW["devices"]:
            assert all(entry[key]["source"] for key in ("memory", "jetpacks") if key in entry)

    def test_every_group_says_whether_it_was_verified(self) -> None:
        for facts in FACTS:
            for group in groups(RAW[facts]):
                assert isinstance(group["verified"], bool)

    def test_every_compute_capability_is_used(self) -> None:
        known = [entry["compute_capability"] for entry in RAW["compute_capabilities"]]
        assert sorted(known) == sorted({device.compute_capability for device in DEVICES.values()})

    def test_every_jetpack_is_used_and_they_stand_in_order(self) -> None:
        versions = [entry["version"] for entry in RAW["jetpacks"]]
        assert versions == sorted(versions, key=numbers)
        assert set(versions) == {jetpack.version for device in DEVICES.values() for jetpack in device.jetpacks}

    def test_ids_are_unique(self) -> None:
        assert len(DEVICES) == len(RAW["devices"])


@pytest.mark.parametrize("device", DEVICES.values(), ids=DEVICES)
class TestDevice:
    def test_fields_are_well_formed(self, device: Device) -> None:
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", device.id)
        assert re.fullmatch(r"\d{1,2}\.\d", device.compute_capability)
        assert device.platform in ("linux-aarch64", "linux-x86_64")
        assert list(device.memory_gb) == sorted(device.memory_gb)
        assert device.name

    def test_only_jetsons_have_jetpacks_and_oldest_first(self, device: Device) -> None:
        versions = [jetpack.version for jetpack in device.jetpacks]
        assert bool(versions) == (device.platform == "linux-aarch64")
        assert versions == sorted(versions, key=numbers)
        assert all(re.fullmatch(r"\d+\.\d+\.\d+", jetpack.tensorrt) for jetpack in device.jetpacks)

    def test_a_jetson_is_unsupported_where_no_jetpack_is_new_enough(self, device: Device) -> None:
        runs = not device.jetpacks or any(jetpack.runs_engines for jetpack in device.jetpacks)
        assert (device.unsupported is None) == runs

    def test_a_default_of_tensorrt_rtx_is_documented(self, device: Device) -> None:
        assert device.tensorrt_rtx or not device.tensorrt_rtx_by_default


class TestTargets:
    def test_every_name_finds_its_target(self) -> None:
        assert len({target.name for target in all_targets()}) == len(all_targets())
        for target in all_targets():
            assert find_target(target.name) is target

    @pytest.mark.parametrize(
        ("name", "device", "jetpack"),
        [
            ("orin-nano-jp6.1", "orin-nano", "6.1"),
            ("orin-nx-jp5.1.2", "orin-nx", "5.1.2"),
            ("agx-thor-jp7.0", "agx-thor", "7.0"),
            ("rtx-4090", "rtx-4090", None),
            ("l4", "l4", None),
            ("h100", "h100", None),
            (" RTX-4090\n", "rtx-4090", None),
        ],
    )
    def test_a_name_is_a_device_and_its_software(self, name: str, device: str, jetpack: str | None) -> None:
        target = find_target(name)
        assert target.device.id == device
        assert (target.jetpack and target.jetpack.version) == jetpack
        assert (target.tensorrt is None) == (jetpack is None)

    @pytest.mark.parametrize("name", ["orin-nano", "orin-nx", "agx-orin", "agx-thor", "jetson-t4000"])
    def test_the_first_number_alone_is_the_last_jetpack_of_it(self, name: str) -> None:
        for jetpack in DEVICES[name].jetpacks:
            last = [other for other in DEVICES[name].jetpacks if other.major == jetpack.major][-1]
            assert find_target(f"{name}-jp{jetpack.major}").jetpack is last

    @pytest.mark.parametrize(
        ("name", "tensorrt"), [("6.0", "8.6.2"), ("6.1", "10.3.0"), ("6.2", "10.3.0"), ("7.2", "10.16.2")]
    )
    def test_the_jetpack_says_which_tensorrt(self, name: str, tensorrt: str) -> None:
        assert find_target(f"agx-orin-jp{name}").tensorrt == tensorrt

    def test_turing_must_be_named_to_tensorrt_rtx(self) -> None:
        assert find_target("rtx-2080").device.tensorrt_rtx
        assert not find_target("rtx-2080").device.tensorrt_rtx_by_default

    @pytest.mark.parametrize("name", ["orin-nano-jp6", "agx-thor-jp7", "h100", "b200"])
    def test_tensorrt_rtx_does_not_document_every_device(self, name: str) -> None:
        assert not find_target(name).device.tensorrt_rtx


class TestUnsupported:
    @pytest.mark.parametrize("device", ["orin-nano", "orin-nx", "agx-orin"])
    def test_jetpack_6_0_is_too_old_and_the_next_will_do(self, device: str) -> None:
        reason = find_target(f"{device}-jp6.0").unsupported
        assert reason is not None
        assert "JetPack 6.0 brings TensorRT 8.6.2" in reason
        assert "install JetPack 6.1 or later" in reason
        assert find_target(f"{device}-jp6.1").unsupported is None

    def test_jetpack_5_is_too_old(self) -> None:
        assert "TensorRT 8.5" in (find_target("orin-nano-jp5").unsupported or "")

    @pytest.mark.parametrize("name", ["agx-xavier", "xavier-nx", "xavier-nx-jp5", "jetson-tx2", "jetson-nano-jp4"])
    def test_an_old_jetson_has_a_reason_with_and_without_its_jetpack(self, name: str) -> None:
        reason = find_target(name).unsupported
        assert reason is not None
        assert find_target(name).device.name in reason
        assert "TensorRT 10" in reason

    @pytest.mark.parametrize("name", ["orin-nano-jp6", "orin-nano-jp7", "agx-thor-jp7", "rtx-2060", "t4", "h100"])
    def test_the_others_are_supported(self, name: str) -> None:
        assert find_target(name).unsupported is None


class TestWrongNames:
    @pytest.mark.parametrize("name", ["", "  ", "potato", "gtx-9999999", "-jp6", "\N{SNOWMAN}"])
    def test_the_message_shows_the_name_and_how_to_list_all(self, name: str) -> None:
        with pytest.raises(OptionError) as caught:
            find_target(name)
        assert repr(name) in str(caught.value)
        assert LIST_COMMAND in str(caught.value)

    @pytest.mark.parametrize(
        ("name", "meant"),
        [
            ("rtx4090", "rtx-4090"),
            ("orin_nano_jp6", "orin-nano-jp6"),
            ("orin-nano", "orin-nano-jp6"),
            ("agx-thor-jp8", "agx-thor-jp7"),
            ("h10", "h100"),
        ],
    )
    def test_a_near_miss_suggests(self, name: str, meant: str) -> None:
        with pytest.raises(OptionError, match=rf"similar: .*\b{re.escape(meant)}\b"):
            find_target(name)

    def test_nothing_is_suggested_where_nothing_is_similar(self) -> None:
        with pytest.raises(OptionError) as caught:
            find_target("potato")
        assert "similar" not in str(caught.value)
