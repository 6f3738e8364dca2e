"""What may be shown of an address, and what must not."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgefg.utils.redaction import redacted, redacted_path

SECRETS = ("admin", "hunter2", "s3cret", "t0ken")


@pytest.mark.parametrize(
    "text",
    [
        "rtsp://admin:hunter2@10.0.0.5/stream",
        "RTSP://admin:hunter2@10.0.0.5/stream",
        "rtsp://admin:hunt@er2hunter2@10.0.0.5/stream",
        "rtsp://admin:hunter2/s3cret@10.0.0.5/stream",
        "rtsp://admin:hunter2#s3cret@10.0.0.5/stream",
        "rtsp://admin:hunter2?s3cret@10.0.0.5/stream",
        "rtsp://admin:hunter2 s3cret@10.0.0.5/stream",
        "rtsp://admin:'hunter2\"s3cret<>@10.0.0.5/stream",
        "rtsp://admin:http://hunter2@10.0.0.5/stream",
        "rtsp://admin@10.0.0.5/stream",
        "rtsp://:hunter2@10.0.0.5/stream",
        "http://10.0.0.5/video.cgi?user=admin&pwd=hunter2",
        "http://10.0.0.5/video.cgi?loginuse=admin&loginpas=hunter2",
        "http://10.0.0.5/video.cgi?x=s3cret",
        "http://10.0.0.5/video.cgi?s3cret",
        "https://10.0.0.5/video#access=t0ken",
        "rtsp://10.0.0.5/user=admin&password=hunter2&channel=1",
        "rtsp://10.0.0.5/user=admin_password=hunter2_channel=1",
        "rtspsrc location=rtsp://admin:hunter2@10.0.0.5/s user-id=admin user-pw=hunter2 ! decodebin",
        "rtspsrc user-id='admin' user-pw = \"hunter2 s3cret\" ! decodebin",
        "souphttpsrc location=http://a/ proxy-id=x proxy-pw=hunter2 ! jpegdec",
        "cannot open rtsp://admin:hunter2@a/ nor rtsp://admin:s3cret@b/",
        "[Errno 111] refused: 'rtsp://admin:hunter2@10.0.0.5/stream'",
    ],
)
def test_hides_what_is_secret(text: str) -> None:
    assert not [secret for secret in SECRETS if secret in redacted(text)]


@pytest.mark.parametrize(
    "text",
    [
        "rtsp://10.0.0.5:554/cam/realmonitor?channel=1&subtype=0",
        "http://10.0.0.5/mjpg/video.mjpg?resolution=640x480&fps=10&camera=2",
        "/dev/video0",
        "street.mp4",
        "recordings/*.jpg",
        "v4l2src device=/dev/video0 ! videoconvert ! video/x-raw,width=640",
        "no route to host; check that the camera is on",
        "",
    ],
)
def test_leaves_the_rest_alone(text: str) -> None:
    assert redacted(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("admin:hunter2@10.0.0.5/stream", "***@10.0.0.5/stream"),
        ("rtsp:/admin:hunt@er2/hunter2@10.0.0.5/stream", "***@10.0.0.5/stream"),
        ("10.0.0.5/user=admin&password=hunter2", "10.0.0.5/user=***&password=***"),
        ("videos/front door.mp4", "videos/front door.mp4"),
        ("@2x.png", "@2x.png"),
        ("", ""),
    ],
)
def test_what_is_no_path_may_be_an_address_without_its_scheme(text: str, shown: str) -> None:
    assert redacted_path(text) == shown


def test_the_host_stays() -> None:
    assert (
        redacted("rtsp://admin:hunter2@10.0.0.5:554/a?channel=2&key=1") == "rtsp://***@10.0.0.5:554/a?channel=2&key=***"
    )


def test_twice_is_as_good_as_once() -> None:
    once = redacted("rtsp://admin:hunter2@10.0.0.5/a?token=t0ken user-pw=hunter2")
    assert redacted(once) == once


@settings(max_examples=200, deadline=None)
@given(login=st.text(st.characters(codec="ascii", exclude_characters="*"), min_size=1), path=st.text("ab/", max_size=8))
def test_no_login_shows(login: str, path: str) -> None:
    """Whatever it is made of."""
    shown = redacted(f"rtsp://{login}@camera/{path}")
    assert shown == f"rtsp://***@camera/{path}" or "://" in login
    assert shown.endswith(f"://***@camera/{path}")
