"""One round of chaos with eight cameras (36 s); see camera_chaos.py. Each fault by itself is in test_rtsp.py."""

import pytest

from edgefg.bundle.bundle import Bundle

from ..support import camera_chaos, rtsp

pytest.importorskip("av")
pytestmark = [pytest.mark.rtsp, pytest.mark.soak, pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory, tiny_bundle: Bundle) -> camera_chaos.Report:
    if reason := rtsp.missing():
        pytest.skip(reason)
    report = camera_chaos.run(tmp_path_factory.mktemp("chaos"), camera_chaos.SHORT, bundle=tiny_bundle)
    print(report)
    return report


def test_every_fault_is_noticed_and_got_over(report: camera_chaos.Report) -> None:
    assert len(report.recoveries) == 5
    assert not [one for one in report.recoveries if one.noticed_s is None or one.recovered_s is None]


def test_the_others_go_on_as_before(report: camera_chaos.Report) -> None:
    """A busy machine makes ages of a few ms vary: beyond a quarter only what the eye could see counts."""
    for name in camera_chaos.STEADY:
        calm_fps, fps = report.fps[name]
        calm_age_ms, age_ms = report.p99_age_ms[name]
        assert fps > 0.75 * calm_fps
        assert age_ms < max(1.25 * calm_age_ms, calm_age_ms + 150)


def test_frames_are_whole(report: camera_chaos.Report) -> None:
    """But for a few of the camera with wrong bytes, which no decoder can tell from right ones."""
    assert report.frames > 2500
    assert report.wrong < 0.01 * report.frames


def test_frames_are_analysed_all_the_time(report: camera_chaos.Report) -> None:
    assert report.analysed_fps > 1
    assert report.analyses_failed == 0


def test_nothing_is_left_over(report: camera_chaos.Report) -> None:
    assert report.left_over == (0, 0)
