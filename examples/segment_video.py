"""Segment a video in your own loop: the moving things in each frame, as boxes.

Run: python examples/segment_video.py edgefg/data/people.mp4
"""

import argparse

import edgefg


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("video")
    parser.add_argument("--bundle", help="a bundle's folder; the networks that come with edgefg if left out")
    parser.add_argument("--background", help="an image of the empty scene; the first frame if left out")
    arguments = parser.parse_args()

    frames = 0
    with edgefg.Segmenter(arguments.bundle, background=arguments.background) as segmenter:
        for frame in edgefg.open_video(arguments.video):
            result = segmenter.segment(frame)
            moving = result.regions(min_area_px=50)
            boxes = [f"{region.width}x{region.height}+{region.x}+{region.y}" for region in moving]
            print(f"frame {frames}: {result.timing.total_ms:.1f} ms, {', '.join(boxes) or 'nothing moves'}")
            frames += 1
    print(f"{frames} frames on {segmenter.engine.name}")


if __name__ == "__main__":
    main()
