"""Cameras at /dev/video*, read by OpenCV, which waits 10 s for a driver that hangs; FFmpeg waits indefinitely."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import cv2
import numpy as np

from ..errors import CameraError
from ..imaging.convert import to_bgr8
from ..imaging.io import Image
from .source import DecodedFrame, DecodedFrames, Waits


class V4l2Source:
    """A V4L2 device, with the size and rate that its driver prefers; see `CameraSource`."""

    live = True

    def __init__(self, path: str) -> None:
        self._path = path

    @contextmanager
    def connect(self, waits: Waits) -> Iterator[DecodedFrames]:
        # Checked first, because OpenCV reports no reason for a failure.
        if not os.path.exists(self._path):  # noqa: PTH110 (Path.exists raises where a folder forbids a look)
            raise CameraError("no such device; check that the camera is plugged in")
        if not os.access(self._path, os.R_OK | os.W_OK):
            raise CameraError("no permission; sudo usermod -aG video $USER, and log in again")
        capture = cv2.VideoCapture(self._path, cv2.CAP_V4L2)
        try:
            if not capture.isOpened():
                raise CameraError("the device does not open; check that it is a camera and no other program uses it")
            capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
            yield _pictures(capture)
        finally:
            capture.release()


def _pictures(capture: cv2.VideoCapture) -> DecodedFrames:
    while True:
        more, image = capture.read()
        if not more:
            raise CameraError("the device returns no frame; check the cable")
        # The driver's own timestamp, if OpenCV knows it.
        stamp_s = capture.get(cv2.CAP_PROP_POS_MSEC) / 1e3
        pixels = np.asarray(image, np.uint8)
        yield DecodedFrame(partial(_bgr, pixels), stamp_s if stamp_s > 0 else None, pixels)


def _bgr(pixels: Image) -> Image:
    return to_bgr8(pixels).copy()
