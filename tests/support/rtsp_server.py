"""An RTSP server of one camera, for tests: plays an encoded clip in a loop, and misbehaves on command.

Run by tests/support/rtsp.py under the Python that has GStreamer:  /usr/bin/python3 rtsp_server.py CLIP [--port N]
Reports its port and the time of its first frame in JSON lines, and reads commands from stdin, one on each line. It
ends when stdin does, so that it never outlives the test that started it.

    freeze      the same key frame repeatedly         thaw        the clip again
    hold        no frames, the connection stays       release     frames again
    corrupt N   every N-th frame has wrong bytes      cut N       every N-th frame is cut in half
    lose N      every N-th frame is missing           heal        all frames come whole again
    jump S      its clock jumps by S seconds
"""

import argparse
import json
import random
import sys
import threading
import time

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer


def caps_of(codec: str) -> str:
    return f"video/x-{codec},stream-format=byte-stream,alignment=au"


def access_units(clip: str, codec: str) -> "list[tuple[bytes, bool]]":
    """Each frame of a clip as it was encoded, and whether it is a key frame."""
    pipeline = Gst.parse_launch(
        f'filesrc location="{clip}" ! qtdemux ! {codec}parse config-interval=-1 ! {caps_of(codec)} '
        "! appsink name=sink sync=false"
    )
    pipeline.set_state(Gst.State.PLAYING)
    sink = pipeline.get_by_name("sink")
    units = []
    while True:
        sample = sink.emit("try-pull-sample", 5 * Gst.SECOND)
        if sample is None:
            break
        buffer = sample.get_buffer()
        units.append((buffer.extract_dup(0, buffer.get_size()), not buffer.has_flags(Gst.BufferFlags.DELTA_UNIT)))
    pipeline.set_state(Gst.State.NULL)
    if not units:
        sys.exit(f"{clip}: expected an MP4 file of {codec}, found no frame")
    return units


class Faults:
    """What is wrong at present; commands change it, feeders look at it."""

    def __init__(self, clip: str, codec: str) -> None:
        self.units = access_units(clip, codec)
        self.frozen = False
        self.held = False
        self.damage, self.every = "", 0
        self.jump_s = 0.0

    def obey(self, command: str) -> None:
        word, _, argument = command.strip().partition(" ")
        if word in ("freeze", "thaw"):
            self.frozen = word == "freeze"
        elif word in ("hold", "release"):
            self.held = word == "hold"
        elif word in ("corrupt", "cut", "lose"):
            self.damage, self.every = word, int(argument)
        elif word == "heal":
            self.damage = ""
        elif word == "jump":
            self.jump_s += float(argument)
        elif word:
            sys.exit(f"unknown command {word!r}")
        say(done=command.strip())


class Feeder(threading.Thread):
    """Pushes a clip's frames into one media, each at its time."""

    def __init__(self, source: Gst.Element, faults: Faults, fps: float, delay_s: float) -> None:
        super().__init__(daemon=True)
        self.source, self.faults, self.fps, self.delay_s = source, faults, fps, delay_s
        self.units = faults.units
        self.ended = threading.Event()
        self.random = random.Random(1)

    def run(self) -> None:
        if self.ended.wait(self.delay_s):
            return
        started, number = time.monotonic(), 0
        say(first_frame_s=started, frames=len(self.units), fps=self.fps)
        while not self.ended.wait(max(0.0, started + number / self.fps - time.monotonic())):
            if not self.faults.held:
                self.push(number, time.monotonic() - started)
            number += 1

    def push(self, number: int, running_s: float) -> None:
        data, _ = self.units[0 if self.faults.frozen else number % len(self.units)]
        if self.faults.damage and number % self.faults.every == self.faults.every - 1:
            data = self.damaged(data)
            if not data:
                return
        buffer = Gst.Buffer.new_wrapped(data)
        # By its number, not by the clock: a camera's stamps are even.
        buffer.pts = int((number / self.fps + self.delay_s) * Gst.SECOND)
        buffer.duration = int(Gst.SECOND / self.fps)
        self.source.emit("push-buffer", buffer)

    def damaged(self, data: bytes) -> bytes:
        if self.faults.damage == "cut":
            return data[: len(data) // 2]
        if self.faults.damage == "lose":
            return b""
        damaged = bytearray(data)
        # Behind the headers, so that the damage is in the picture itself.
        for _ in range(1 + len(data) // 200):
            damaged[self.random.randrange(len(data) // 2, len(data))] = self.random.randrange(1, 256)
        return bytes(damaged)


class Clock:
    """Sets the stamps of RTP packets forward or back on their way out: GStreamer's own would make its sink wait."""

    def __init__(self, pad: Gst.Pad, faults: Faults) -> None:
        self.faults = faults
        self.pushing = False
        pad.add_probe(Gst.PadProbeType.BUFFER | Gst.PadProbeType.BUFFER_LIST, self.pass_on)

    def pass_on(self, pad: Gst.Pad, info: Gst.PadProbeInfo) -> Gst.PadProbeReturn:
        if self.pushing or not self.faults.jump_s:
            return Gst.PadProbeReturn.OK
        packets = info.get_buffer_list() if info.type & Gst.PadProbeType.BUFFER_LIST else None
        self.pushing = True
        for packet in [packets.get(i) for i in range(packets.length())] if packets else [info.get_buffer()]:
            pad.push(self.moved(packet))
        self.pushing = False
        return Gst.PadProbeReturn.DROP

    def moved(self, packet: Gst.Buffer) -> Gst.Buffer:
        data = bytearray(packet.extract_dup(0, packet.get_size()))
        stamp = int.from_bytes(data[4:8], "big") + int(self.faults.jump_s * 90_000)
        data[4:8] = (stamp % 2**32).to_bytes(4, "big")
        moved = Gst.Buffer.new_wrapped(bytes(data))
        moved.pts = packet.pts
        return moved


def say(**facts: object) -> None:
    print(json.dumps(facts), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("clip")
    parser.add_argument("--port", default="0")
    parser.add_argument("--codec", default="h264", choices=("h264", "h265"))
    parser.add_argument("--fps", type=float, default=25.0)
    parser.add_argument("--delay", type=float, default=0.0, help="seconds from the first viewer to the first frame")
    parser.add_argument("--login", default="", help="user:password that a viewer must give")
    parser.add_argument("--skip", type=int, default=0, help="frames of the clip that are left out at its beginning")
    parser.add_argument("--sound", action="store_true", help="a camera that sends sound alone")
    arguments = parser.parse_args()
    Gst.init(None)
    codec = arguments.codec
    faults = Faults(arguments.clip, codec)
    del faults.units[: arguments.skip]

    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(arguments.port)
    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_shared(True)
    factory.set_launch(
        f"( appsrc name=frames is-live=true format=time caps={caps_of(codec)} ! {codec}parse config-interval=-1 "
        f"! rtp{codec}pay name=pay0 pt=96 )"
    )

    def configure(_: GstRtspServer.RTSPMediaFactory, media: GstRtspServer.RTSPMedia) -> None:
        feeder = Feeder(media.get_element().get_by_name("frames"), faults, arguments.fps, arguments.delay)
        Clock(media.get_element().get_by_name("pay0").get_static_pad("src"), faults)
        media.connect("unprepared", lambda _: feeder.ended.set())
        feeder.start()

    if arguments.sound:
        factory.set_launch("( audiotestsrc is-live=true ! alawenc ! rtppcmapay name=pay0 )")
    else:
        factory.connect("media-configure", configure)
    if arguments.login:
        user, _, password = arguments.login.partition(":")
        auth = GstRtspServer.RTSPAuth()
        token = GstRtspServer.RTSPToken()
        token.set_string("media.factory.role", "viewer")
        auth.add_basic(GstRtspServer.RTSPAuth.make_basic(user, password), token)
        server.set_auth(auth)
        factory.add_role_from_structure(
            Gst.Structure.from_string("viewer, media.factory.access=true, media.factory.construct=true")[0]
        )
    server.get_mount_points().add_factory("/camera", factory)
    if server.attach(None) == 0:
        sys.exit(f"cannot listen on port {arguments.port}")
    loop = GLib.MainLoop()

    def listen() -> None:
        for line in sys.stdin:
            faults.obey(line)
        loop.quit()

    threading.Thread(target=listen, daemon=True).start()
    say(port=server.get_bound_port())
    loop.run()


if __name__ == "__main__":
    main()
