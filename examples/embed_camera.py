"""An app with a capture loop of its own: a thread reads, the pipeline keeps only the newest frame.

Run: python examples/embed_camera.py edgefg/data/people.mp4
"""

import argparse
import threading

import cv2

import edgefg


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("video", help="a video file, or the number of a camera")
    parser.add_argument("--bundle", help="a bundle's folder; the networks that come with edgefg if left out")
    arguments = parser.parse_args()

    video = cv2.VideoCapture(int(arguments.video) if arguments.video.isdecimal() else arguments.video)
    if not video.isOpened():
        parser.error(f"cannot open {arguments.video}")
    with edgefg.Pipeline(arguments.bundle, backpressure="latest") as pipeline:

        def read() -> None:
            while True:
                more, frame = video.read()
                if not more:
                    break
                pipeline.submit(frame)
            pipeline.flush()
            pipeline.close()  # Ends the loop below, after the last result.

        threading.Thread(target=read, daemon=True).start()
        for result in pipeline:
            moving = sum(region.area_px for region in result.regions(min_area_px=50))
            print(
                f"frame {result.sequence}: {moving} px move, {result.latency_ms:.0f} ms old, "
                f"{result.dropped_before} dropped"
            )
    print(pipeline.statistics)


if __name__ == "__main__":
    main()
