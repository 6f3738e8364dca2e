"""The YAML file and addresses: read strictly, and no message repeats a password."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("yaml")

from edgefg.background.policy import FIXED, BackgroundPolicy
from edgefg.cameras.options import CameraOptions
from edgefg.errors import MissingFileError, OptionError
from edgefg.segmentation.options import InferenceOptions
from edgefg.watch.addresses import Broker, Listen
from edgefg.watch.config import watch_options
from edgefg.watch.names import name_from
from edgefg.watch.options import WatchedCamera, WatchOptions

TOKEN = "a-token-of-some-length"
Read = Callable[..., WatchOptions]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Reads a text as the file."""

    def read(text: str, **given: Any) -> WatchOptions:
        (tmp_path / "watch.yaml").write_text(text)
        return watch_options(tmp_path / "watch.yaml", given.pop("urls", []), given, given.pop("token", None))

    return read


class TestFile:
    def test_everything_it_can_say(self, read: Read, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("DOOR_PASSWORD", "geheim")
        options = read(
            """
            cameras:
              - url: rtsp://viewer:${DOOR_PASSWORD}@10.0.0.5/stream
                name: door
                roi: [[0, 0.2], [1, 0.2], [1, 1], [0, 1]]
                zones: {mat: [[0, 0], [1, 0], [1, 1]]}
                min_area: 0.01
                end_after_s: 5
                background: empty.png
                policy: fixed
                transport: udp
                trust_clock: false
                max_wait_s: 300
              - url: yard.mp4
                loop: true
                value_range: [7000, 9040]
            policy: {refresh: selective, stationary_s: 600, events: [noise]}
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
        )
        door, yard = options.cameras
        assert door.url == "rtsp://viewer:geheim@10.0.0.5/stream"
        assert (door.name, list(door.zones), door.motion.min_area, door.motion.end_after_s) == (
            "door",
            ["mat"],
            0.01,
            5,
        )
        assert (door.background, door.policy, yard.policy) == (tmp_path / "empty.png", FIXED, None)
        assert (yard.url, yard.name, yard.loop) == (str(tmp_path / "yard.mp4"), "yard", True)
        assert door.reading == CameraOptions(transport="udp", trust_clock=False, max_wait_s=300)
        assert yard.reading == CameraOptions(value_range=(7000, 9040))
        assert options.listen == Listen("127.0.0.1", 9000)
        assert options.policy == BackgroundPolicy(stationary_s=600, events=frozenset({"noise"}))
        assert options.inference == InferenceOptions(mode="full", threads=2, skip_below=8)
        assert options.mqtt == Broker("broker", 1883, "house")
        assert (options.events, options.record) == (tmp_path / "events.jsonl", tmp_path / "clips")
        assert (options.max_age_ms, options.pre_roll_s, options.max_disk_mb) == (500, 2, 100)

    def test_the_command_line_has_the_last_word(self, read: Read) -> None:
        options = read("cameras: [{url: a.mp4}]\nmax_age_ms: 500\n", urls=["b.mp4"], max_age_ms=200.0, listen=False)
        assert [camera.name for camera in options.cameras] == ["a", "b"]
        assert (options.max_age_ms, options.listen) == (200, None)

    def test_a_number_is_a_device_and_anything_else_a_path_from_the_file(self, read: Read, tmp_path: Path) -> None:
        (tmp_path / "7").touch()
        options = read("cameras: [{url: '0'}, {url: '7'}, {url: /dev/video1}, {url: 'rtsp://h/1'}]")
        assert [one.url for one in options.cameras] == ["0", str(tmp_path / "7"), "/dev/video1", "rtsp://h/1"]

    def test_a_secret_is_not_in_what_prints(self, monkeypatch: pytest.MonkeyPatch, read: Read) -> None:
        options = read(
            "cameras: [{url: 'rtsp://u:geheim@h/1'}]\nmqtt: mqtt://u:geheim@broker\n", token="geheim-geheim-geheim"
        )
        assert "geheim" not in repr(options)

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("", "expected keys such as cameras"),
            ("[]", "expected keys such as cameras"),
            ("cameras: {}", "expected a list"),
            ("cameras: []", "at least one camera"),
            ("max_age_ms: 3", "at least one camera"),
            ("cameras: [door]", "camera 1: expected a url"),
            ("cameras: [{name: door}]", "camera 1: expected a url"),
            ("cameras: [{url: 3}]", "camera 1: expected a url"),
            ("cameras: [{url: a.mp4}]\npolicy: {null: 1, 2: 3}", "policy: got the key None"),
            ("null: 1", "got the key None"),
            ("cameras: [{url: a.mp4, zone: {}}]", "got the key 'zone'"),
            ("cameras: [{url: a.mp4, zones: []}]\nfps: 3", "got the key 'fps'"),
            ("cameras: [{url: a.mp4, zones: [1]}]", "zones: expected names"),
            ("cameras: [{url: a.mp4, zones: {mat: [[0, 0]]}}]", "zone mat: expected at least three points"),
            ("cameras: [{url: a.mp4, zones: {a/b: [[0, 0], [1, 0], [1, 1]]}}]", "a zone's name"),
            ("cameras: [{url: a.mp4, roi: 7}]", "roi: expected at least three points"),
            ("cameras: [{url: a.mp4, name: 'a/../b'}]", "a camera's name"),
            ("cameras: [{url: a.mp4, name: '#'}]", "a camera's name"),
            ("cameras: [{url: a.mp4, name: x}, {url: b.mp4, name: x}]", "two cameras are called 'x'"),
            ("cameras: [{url: a.mp4, min_area: 2}]", "min_area"),
            ("cameras: [{url: a.mp4, loop: often}]", "loop: expected true or false"),
            ("cameras: [{url: a.mp4}]\nstore: true", "store: expected a folder, or false"),
            ("cameras: [{url: a.mp4}]\nstore: 3", "store: expected a folder, or false"),
            ("cameras: [{url: a.mp4}]\nkeep_days: 0", "keep_days must be"),
            ("cameras: [{url: a.mp4}]\nkeep_days: '30'", "keep_days must be"),
            ("cameras: [{url: a.mp4}]\nmax_store_mb: 0.5", "max_store_mb must be"),
            ("cameras: [{url: a.mp4}]\nevents: events.db", "the store of events has this name"),
            ("cameras: [{url: a.mp4, transport: pigeon}]", "camera 1: transport must be one of tcp, udp"),
            ("cameras: [{url: a.mp4, trust_clock: maybe}]", "camera 1: trust_clock must be true or false"),
            ("cameras: [{url: a.mp4, poll_s: 0}]", "camera 1: poll_s must be a number above 0"),
            ("cameras: [{url: a.tiff, value_range: [9, 7]}]", "camera 1: value_range must be two finite numbers"),
            ("cameras: [{url: a.tiff, value_range: 9-7}]", "camera 1: value_range='9-7': expected LOW:HIGH"),
            ("cameras: [{url: a.mp4, max_wait_s: long}]", "camera 1: max_wait_s must be a number above 0"),
            ("cameras: [{url: a.mp4, stall_s: 9}]", "stall_s must not be above read_timeout_s"),
            ("cameras: [{url: a.mp4, paced: false}]", "got the key 'paced'"),
            (
                "cameras: [{url: a.mp4, roi: [[0, 0], [0.4, 0], [0, 1]], zones: {mat: [[1, 0.6], [1, 1], [0.6, 1]]}}]",
                "zone mat lies outside the roi",
            ),
            (
                "cameras: [{url: a.mp4, zones: {mat: [[0, 0], [1, 1], [1, 0], [0, 1]]}}]",
                "zone mat: expected the corners",
            ),
            ("cameras: [{url: 'rtsp://u:${NO_SUCH_THING}@h'}]", "NO_SUCH_THING"),
            ("cameras: [{url: a.mp4}]\nmax_age_ms: soon", "max_age_ms must be a number of milliseconds"),
            ("cameras: [{url: a.mp4}]\nmax_age_ms: 0", "max_age_ms must be a number"),
            ("cameras: [{url: a.mp4}]\nmax_age_ms: .nan", "max_age_ms must be a number"),
            ("cameras: [{url: a.mp4}]\nlisten: 9000", "listen: expected ADDRESS:PORT"),
            ("cameras: [{url: a.mp4}]\nlisten: '0.0.0.0:9000'", "needs token="),
            ("cameras: [{url: a.mp4}]\nmqtt: broker", "mqtt= takes mqtt://"),
            ("cameras: [{url: a.mp4}]\nevents: [1]", "events: expected text"),
            ("cameras: [{url: a.mp4}]\npolicy: wild", "policy must be"),
            ("cameras: [{url: a.mp4}]\npolicy: 7", "policy: expected a name or options"),
            ("cameras: [{url: a.mp4}]\npolicy: {clock: 1}", "got the key 'clock'"),
            ("cameras: [{url: a.mp4}]\npolicy: {refresh: wild}", "policy: refresh must be"),
            ("cameras: [{url: a.mp4}]\npolicy: {events: noise}", "events: expected a list"),
            ("cameras: [{url: a.mp4, policy: {refresh: wild}}]", "camera 1: policy: refresh must be"),
            ("cameras: [{url: a.mp4}]\nskip_below: loud", "skip_below must be a number"),
            ("cameras: [{url: a.mp4}]\nquiet: 8", "got the key 'quiet'"),
            ("cameras: [{url: a.mp4", "line 1: expected YAML"),
            ("cameras: !!python/object:os.system {}", "expected YAML"),
            ("cameras: [{url: a.mp4}]\npre_roll_s: !!timestamp ''", "expected YAML"),
            ("cameras: [{url: a.mp4}]\npre_roll_s: !!int ''", "expected YAML"),
            ("cameras: [{url: a.mp4}]\npre_roll_s: !!bool perhaps", "expected YAML"),
            ("cameras: [{url: a.mp4}]\npre_roll_s: 2001-99-99", "expected YAML"),
            ("cameras: " + 600 * "[", "expected YAML"),
            (f"cameras: [{{url: a.mp4}}]\npre_roll_s: 1{400 * '0'}", "pre_roll_s must be a number of seconds"),
            (f"cameras: [{{url: a.mp4}}]\npre_roll_s: 0x{5000 * 'f'}", "got a number of thousands of digits"),
            (f"cameras: [{{url: a.mp4}}]\nlisten: '127.0.0.1:{5000 * '9'}'", "expected ADDRESS:PORT"),
            ("cameras: [{url: a.mp4, roi: &a [*a, *a, *a]}]", "roi: expected at least three points"),
            (f"cameras: [{{url: a.mp4, {1000 * 'k'}: 1}}]", "got the key 'kkk"),
        ],
    )
    def test_what_makes_no_sense(self, read: Read, text: str, said: str) -> None:
        with pytest.raises(OptionError) as error:
            read(text)
        assert said in str(error.value)
        assert "\n" not in str(error.value)
        assert len(str(error.value)) < 2000

    def test_events_never_replace_what_is_read(self, tmp_path: Path) -> None:
        file = tmp_path / "watch.yaml"
        file.write_text("cameras: [{url: a.mp4}]")
        for events, what in ((file, "the configuration"), (tmp_path / "a.mp4", "the file of camera a")):
            with pytest.raises(OptionError, match=f"events=.*expected a file of its own.*{what}"):
                watch_options(file, [], {"events": events}, None)

    @pytest.mark.parametrize("key", ["trust_clock", "transport", "policy", "poll_s", "name"])
    def test_a_long_value_makes_a_short_message(self, read: Read, key: str) -> None:
        with pytest.raises(OptionError) as error:
            read(f"cameras: [{{url: a.mp4, {key}: {'x/' * 5000}}}]")
        assert len(str(error.value)) < 1000

    @pytest.mark.parametrize(
        "text",
        [
            "cameras: [{url: 'rtsp://u:geheim@h/1', zone: 1}]",
            "cameras: ['rtsp://u:geheim@h/1']",
            "cameras: rtsp://u:geheim@h/1",
            "cameras: [{url: 'rtsp://u:geheim@h/1'}, {url: [rtsp://u:geheim@h/1]}]",
            "cameras: [{url: 'rtsp://u:geheim@h/1'}]\nmqtt: mqttt://u:geheim@h",
            "cameras: [{url: 'rtsp://u:geheim@h/1'}]\nmqtt: mqtt://u:geheim@h:port",
            "cameras: [{url: 'rtsp://u:geheim@h/1'",
        ],
    )
    def test_no_message_repeats_a_password(self, read: Read, text: str) -> None:
        with pytest.raises(OptionError) as error:
            read(text)
        assert "geheim" not in str(error.value)

    @pytest.mark.parametrize(
        ("text", "folder"),
        [
            ("", None),
            ("record: clips\nevents: e.jsonl", "clips"),
            ("events: lines/e.jsonl", "lines"),
            ("record: clips\nstore: past", "past"),
            ("record: clips\nstore: false", None),
            ("store: past", "past"),
        ],
    )
    def test_the_folder_of_the_store(self, read: Read, tmp_path: Path, text: str, folder: str | None) -> None:
        options = read(f"cameras: [{{url: a.mp4}}]\n{text}")
        assert options.store_folder == (None if folder is None else tmp_path / folder)

    @pytest.mark.parametrize("events", ["/dev/null", "/dev/stdout", "/proc/self/fd/0"])
    def test_no_store_beside_a_device(self, read: Read, events: str) -> None:
        folder = read(f"cameras: [{{url: a.mp4}}]\nevents: {events}").store_folder
        assert folder is None or (not folder.is_relative_to("/dev") and not folder.is_relative_to("/proc"))

    def test_no_file(self, tmp_path: Path) -> None:
        with pytest.raises(MissingFileError, match="no such file"):
            watch_options(tmp_path / "none.yaml", [], {}, None)

    def test_a_file_that_is_no_text(self, tmp_path: Path) -> None:
        (tmp_path / "watch.yaml").write_bytes(b"\xff\xfe\x00")
        with pytest.raises(OptionError, match="expected YAML"):
            watch_options(tmp_path / "watch.yaml", [], {}, None)


class TestListen:
    @pytest.mark.parametrize(
        ("text", "host", "port"),
        [
            ("127.0.0.1:8080", "127.0.0.1", 8080),
            ("8080", "127.0.0.1", 8080),
            ("[::1]:80", "::1", 80),
            ("localhost:0", "localhost", 0),
        ],
    )
    def test_this_machine_needs_no_token(self, text: str, host: str, port: int) -> None:
        assert Listen.parse(text, None) == Listen(host, port)

    @pytest.mark.parametrize("text", ["0.0.0.0:80", "[::]:80", "192.168.0.2:80", "example.org:80", "127.0.0.2:80"])
    def test_any_other_does(self, text: str) -> None:
        with pytest.raises(OptionError, match="needs token="):
            Listen.parse(text, None)
        assert Listen.parse(text, TOKEN).token == TOKEN

    def test_a_token_must_be_hard_to_guess(self) -> None:
        with pytest.raises(OptionError, match="at least 16 characters") as error:
            Listen.parse("0.0.0.0:80", "1234")
        assert "1234" not in str(error.value)

    @pytest.mark.parametrize("text", ["", ":80", "host:", "host:port", "host:-1", "host:70000", "host:٣"])
    def test_what_is_no_address(self, text: str) -> None:
        with pytest.raises(OptionError, match="listen="):
            Listen.parse(text, TOKEN)


class TestBroker:
    def test_all_of_an_address(self) -> None:
        broker = Broker.parse("mqtts://me:p%40ss@broker.lan:1234/a/b/")
        assert broker == Broker("broker.lan", 1234, "a/b", "me", "p@ss", tls=True)

    @pytest.mark.parametrize(
        "url", ["", "broker", "http://broker", "mqtt://", "mqtt://b/#", "mqtt://b/a+b", "mqtt://b?x"]
    )
    def test_what_is_none(self, url: str) -> None:
        with pytest.raises(OptionError, match="mqtt="):
            Broker.parse(url)


class TestNames:
    @pytest.mark.parametrize(
        ("url", "name"),
        [
            ("rtsp://user:secret@10.0.0.5:554/stream?x=1", "10.0.0.5"),
            ("/data/front door.mp4", "front-door"),
            ("/dev/video0", "video0"),
            ("rtsp://u:p@/x", "camera"),
            ("日.mp4", "camera"),
            ("rtsp://u:p[x@10.0.0.5/s", "10.0.0.5"),
            ("rtsp://u:p[se]x@10.0.0.5/s", "10.0.0.5"),
            ("rtsp://geheim/geheim@10.0.0.5/s", "camera"),
            ("rtsp://:geheim#geheim@10.0.0.5/s", "camera"),
            ("rtsp://u:geheim?geheim@10.0.0.5", "camera"),
            ("rtsp://[::1", "camera"),
            ("rtspsrc location=rtsp://u:geheim@h/1 user-pw=a@geheim ! decodebin", "rtspsrc"),
            ("v4l2src device=/dev/video0 ! video/x-raw,width=640 ! videoconvert", "v4l2src"),
            ("videotestsrc!videoconvert", "videotestsrc"),
            ("wow!.mp4", "wow"),
            ("u:geheim@front.door", "front"),
            ("u:geh/geheim@door/main", "main"),
            ("a" * 300 + "@b", "b"),
        ],
    )
    def test_are_made_from_addresses(self, url: str, name: str) -> None:
        assert name_from(url, []) == name
        assert WatchedCamera(url=url, name=name)

    def test_are_those_of_files_that_are_there(self, tmp_path: Path) -> None:
        (tmp_path / "door@night.mp4").touch()
        assert name_from(str(tmp_path / "door@night.mp4"), []) == "door-night"

    def test_are_never_taken_twice(self) -> None:
        assert name_from("a.mp4", ["a", "a-2"]) == "a-3"
