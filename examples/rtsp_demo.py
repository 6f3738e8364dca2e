"""Watches cameras: prints when something moves, shows it on a live page, and records a clip of each event.

Run: python examples/rtsp_demo.py edgefg/data/people.mp4
Or:  python examples/rtsp_demo.py rtsp://viewer:PASSWORD@10.0.0.5/stream rtsp://10.0.0.6/stream --port 8080
"""

import argparse
from pathlib import Path

from edgefg.watch import Listen, MotionOptions, Watch, WatchedCamera, WatchOptions


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("urls", nargs="+", metavar="URL")
    parser.add_argument("--bundle", type=Path, help="a bundle's folder; the networks that come with edgefg if left out")
    parser.add_argument("--port", type=int, default=0, help="of the live page; a free one if left out")
    parser.add_argument("--record", type=Path, metavar="DIR", help="a folder for clips")
    arguments = parser.parse_args()

    lower_half = ((0.0, 0.5), (1.0, 0.5), (1.0, 1.0), (0.0, 1.0))  # shares of width and height
    cameras = tuple(
        WatchedCamera(
            url=url,
            name=f"camera {number}",
            zones={"near": lower_half},
            motion=MotionOptions(min_area=0.002, start_after_s=0.3, end_after_s=2.0),
        )
        for number, url in enumerate(arguments.urls, start=1)
    )
    options = WatchOptions(
        cameras=cameras,
        bundle=arguments.bundle,
        listen=Listen("127.0.0.1", arguments.port),
        record=arguments.record,
        max_age_ms=1000,
    )
    with Watch(options) as watch:
        print(f"live page: {watch.url}", flush=True)
        try:
            for event in watch:
                print(event.time, event.camera, event.kind, event.details, flush=True)
        except KeyboardInterrupt:
            print("stopped")


if __name__ == "__main__":
    main()
