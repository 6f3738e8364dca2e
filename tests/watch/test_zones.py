"""Zones: polygons as shares of the picture, and the foreground inside them."""

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from edgefg.errors import OptionError
from edgefg.watch.motion import MotionOptions, MotionWatcher
from edgefg.watch.options import WatchedCamera
from edgefg.watch.zones import Polygon, ZoneMasks, checked_polygon, visible_share

LEFT = ((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0))
RIGHT = ((0.55, 0.0), (1.0, 0.0), (1.0, 1.0), (0.55, 1.0))
TOP = ((0.0, 0.0), (1.0, 0.0), (1.0, 0.5), (0.0, 0.5))


def mask_with(*boxes: tuple[int, int, int, int], size: tuple[int, int] = (100, 80)) -> npt.NDArray[np.uint8]:
    mask = np.zeros((size[1], size[0]), np.uint8)
    for x, y, width, height in boxes:
        mask[y : y + height, x : x + width] = 255
    return mask


class TestPatches:
    def test_each_zone_sees_its_own(self) -> None:
        found = ZoneMasks({"left": LEFT, "right": RIGHT}).patches(mask_with((10, 10, 8, 6)), 0)
        assert [(patch.box, patch.area) for patch in found["left"]] == [((10, 10, 8, 6), 48 / 8000)]
        assert found["right"] == []

    def test_of_a_patch_across_the_border_the_part_inside_counts(self) -> None:
        found = ZoneMasks({"left": LEFT}).patches(mask_with((40, 10, 30, 4)), 0)["left"]
        assert found[0].area == pytest.approx(40 / 8000, abs=8 / 8000)
        assert found[0].box[0] == 40

    def test_small_ones_are_noise(self) -> None:
        found = ZoneMasks({}).patches(mask_with((10, 10, 2, 2), (30, 30, 5, 5)), 25 / 8000)["frame"]
        assert [patch.box for patch in found] == [(30, 30, 5, 5)]

    def test_largest_first(self) -> None:
        found = ZoneMasks({}).patches(mask_with((1, 1, 3, 3), (30, 30, 9, 9), (60, 60, 5, 5)), 0)["frame"]
        assert [round(patch.area * 8000) for patch in found] == [81, 25, 9]

    def test_outside_the_region_of_interest_nothing_counts(self) -> None:
        zones = ZoneMasks({"left": LEFT}, roi=TOP)
        assert zones.patches(mask_with((10, 60, 8, 8)), 0)["left"] == []
        assert zones.patches(mask_with((10, 10, 8, 8)), 0)["left"] != []
        assert not zones.inside_roi(mask_with((10, 60, 8, 8))).any()

    def test_another_resolution_is_the_same_zone(self) -> None:
        zones = ZoneMasks({"left": LEFT})
        assert zones.patches(mask_with((10, 10, 8, 8)), 0)["left"]
        for times in (4, 19):
            large = cv2.resize(mask_with((10, 10, 8, 8)), None, fx=times, fy=times, interpolation=cv2.INTER_NEAREST)
            (patch,) = zones.patches(np.asarray(large, np.uint8), 0)["left"]
            assert patch.area == pytest.approx(64 / 8000, rel=0.05)
            assert patch.box == pytest.approx((10 * times, 10 * times, 8 * times, 8 * times), abs=times / 4)

    def test_an_empty_mask(self) -> None:
        assert ZoneMasks({"left": LEFT}).patches(mask_with(), 1) == {"left": []}

    def test_a_concave_polygon(self) -> None:
        notch = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.5, 0.2), (0.0, 1.0))
        zones = ZoneMasks({"notch": notch})
        assert zones.patches(mask_with((48, 60, 4, 4)), 0)["notch"] == []
        assert zones.patches(mask_with((5, 10, 4, 4)), 0)["notch"] != []


class TestPolygons:
    def test_lists_as_yaml_gives_them(self) -> None:
        assert checked_polygon([[0, 0], [1, 0], [1, 0.5]], "zone") == ((0.0, 0.0), (1.0, 0.0), (1.0, 0.5))

    @pytest.mark.parametrize(
        "points",
        [
            [[0, 0], [1, 1], [1, 0], [0, 1]],
            [[0, 0], [1, 1], [1, 0], [0, 0.5]],
            [[0.1, 0.1], [0.9, 0.9], [0.9, 0.1], [0.1, 0.9]],
            [[0.5, 0], [0.8, 1], [0, 0.4], [1, 0.4], [0.2, 1]],
            [[0, 0], [1, 0], [1, 1], [0.5, -0.0], [0.5, 0.5], [0.7, 0.3], [0.1, 0.3]],
        ],
        ids=["symmetric bow tie", "bow tie", "inner bow tie", "star", "loop"],
    )
    def test_whose_sides_cross(self, points: object) -> None:
        with pytest.raises(OptionError, match=r"^zone door: expected the corners in their order .* sides cross$"):
            checked_polygon(points, "zone door")

    @pytest.mark.parametrize(
        "points",
        [
            [[0, 0], [1, 0], [1, 1], [0.5, 0.2], [0, 1]],
            [[0, 0], [1, 0], [1, 1], [0, 1], [0, 0]],
            [[0, 0], [0.5, 0], [1, 0], [1, 1], [0, 1]],
            [
                [0, 0],
                [1, 0],
                [1, 1],
                [0, 1],
                [0, 0.5],
                [0.3, 0.3],
                [0.3, 0.7],
                [0.7, 0.7],
                [0.7, 0.3],
                [0.3, 0.3],
                [0, 0.5],
            ],
            [[0, 0], [0.5, 0.5], [1, 0], [1, 1], [0.5, 0.5], [0, 1]],
        ],
        ids=["concave", "closed", "a corner on a side", "a frame with a hole", "two that touch"],
    )
    def test_whose_sides_only_touch(self, points: object) -> None:
        assert len(checked_polygon(points, "zone door")) >= 5

    @pytest.mark.parametrize(
        "points", [[[0, 0], [0.5, 0.5], [1, 1]], [[0.2, 0.3]] * 4, [[0, 0.5], [1, 0.5], [0.5, 0.5]]]
    )
    def test_on_a_line(self, points: object) -> None:
        with pytest.raises(OptionError, match="its points lie on a line"):
            checked_polygon(points, "zone door")

    @pytest.mark.parametrize(
        "points",
        [
            None,
            "everywhere",
            [],
            [[0, 0], [1, 1]],
            [[0, 0], [1, 0], [1]],
            [[0, 0], [1, 0], [1, 1, 1]],
            [[0, 0], [640, 0], [640, 480]],
            [[0, 0], [1, 0], [-0.1, 1]],
            [[0, 0], [1, 0], ["x", 1]],
            [[0, 0], [1, 0], [float("nan"), 1]],
            [[0, 0], [1, 0], [True, 1]],
            [[0, 0], [0.5, 0.5], [1, 1]],
            {"a": [0, 0]},
        ],
    )
    def test_what_is_none(self, points: object) -> None:
        with pytest.raises(OptionError, match="zone door"):
            checked_polygon(points, "zone door")


class TestVisibleShare:
    @pytest.mark.parametrize(
        ("polygon", "roi", "share"),
        [
            (None, None, 1.0),
            (LEFT, None, 0.5),
            (None, LEFT, 0.5),
            (LEFT, TOP, 0.25),
            (LEFT, RIGHT, 0.0),
            (((0.5, 0.0), (0.9, 0.0), (0.9, 1.0)), LEFT, 0.0),
            (((0.0, 0.0), (1.0, 0.0), (0.0, 1.0)), None, 0.5),
            (((0.0, 0.0), (1.0, 0.0), (0.0, 1.0)), ((1.0, 1.0), (1.0, 0.5), (0.5, 1.0)), 0.0),
            (((0.101, 0.1), (0.102, 0.1), (0.102, 0.101), (0.101, 0.101)), None, 1e-6),
        ],
    )
    def test_is_what_both_have(self, polygon: Polygon | None, roi: Polygon | None, share: float) -> None:
        assert visible_share(polygon, roi) == pytest.approx(share, rel=0.01, abs=1e-9)


class TestWhereMotionCanNeverStart:
    def test_outside_the_region_of_interest(self) -> None:
        with pytest.raises(OptionError, match=r"camera door: zone mat lies outside the roi"):
            WatchedCamera("door.mp4", "door", zones={"left": LEFT, "mat": RIGHT}, roi=LEFT)

    def test_beside_it(self) -> None:
        """The border is all that they share."""
        beside = ((0.5, 0.0), (1.0, 0.0), (1.0, 1.0), (0.5, 1.0))
        with pytest.raises(OptionError, match="lies outside the roi"):
            WatchedCamera("door.mp4", "door", zones={"mat": beside}, roi=LEFT)

    def test_less_than_the_area_that_starts_it(self) -> None:
        small = ((0.1, 0.1), (0.12, 0.1), (0.12, 0.12), (0.1, 0.12))
        with pytest.raises(OptionError, match=r"zone mat has 0\.04% of the picture to see, less than min_area, 0\.20%"):
            WatchedCamera("door.mp4", "door", zones={"mat": small})
        WatchedCamera("door.mp4", "door", zones={"mat": small}, motion=MotionOptions(min_area=0.0003))

    def test_a_region_of_interest_that_is_too_small(self) -> None:
        small = ((0.1, 0.1), (0.12, 0.1), (0.12, 0.12), (0.1, 0.12))
        with pytest.raises(OptionError, match=r"roi has 0\.04% of the picture to see"):
            WatchedCamera("door.mp4", "door", roi=small)

    def test_a_zone_half_inside_is_fine(self) -> None:
        WatchedCamera("door.mp4", "door", zones={"mat": TOP}, roi=LEFT)

    def test_what_is_no_polygon(self) -> None:
        with pytest.raises(OptionError, match="camera door: zone mat: expected at least three points"):
            WatchedCamera("door.mp4", "door", zones={"mat": ((0.0, 0.0), (1.0, 1.0))})
        with pytest.raises(OptionError, match="camera door: roi: expected the corners in their order"):
            WatchedCamera("door.mp4", "door", roi=((0.0, 0.0), (1.0, 1.0), (1.0, 0.0), (0.0, 1.0)))


class TestWatcher:
    """Masks in, sightings out."""

    @pytest.fixture
    def watcher(self) -> MotionWatcher:
        options = MotionOptions(min_area=0.005, start_after_s=0.2, end_after_s=1.0)
        return MotionWatcher(ZoneMasks({"left": LEFT, "right": RIGHT}), options)

    def test_a_walk_through_both_zones(self, watcher: MotionWatcher) -> None:
        seen = []
        for step in range(60):
            mask = mask_with((step * 2, 30, 10, 10)) if step < 45 else mask_with()
            seen += [(sighting.kind, sighting.details["zone"]) for sighting in watcher.update(mask, step * 0.1)]
        assert seen == [
            ("motion_started", "left"),
            ("motion_started", "right"),
            ("motion_ended", "left"),
            ("motion_ended", "right"),
        ]

    def test_the_end_names_the_same_motion(self, watcher: MotionWatcher) -> None:
        seen = []
        for step in range(40):
            seen += watcher.update(mask_with((10, 30, 10, 10)) if step < 10 else mask_with(), step * 0.1)
        start, end = seen
        assert start.details["motion"] == end.details["motion"]
        assert start.details["boxes"] == [[10, 30, 10, 10]]
        assert start.details["area"] == pytest.approx(0.0125)
        assert end.details["duration_s"] == pytest.approx(1.9)
        assert end.details["reason"] == "quiet"

    def test_it_started_when_it_was_first_seen(self, watcher: MotionWatcher) -> None:
        seen = [one for step in range(5) for one in watcher.update(mask_with((10, 30, 10, 10)), step * 0.1)]
        assert [one.age_s for one in seen] == [pytest.approx(0.2)]

    def test_a_camera_that_goes_away_ends_it(self, watcher: MotionWatcher) -> None:
        for step in range(5):
            watcher.update(mask_with((10, 30, 10, 10)), step * 0.1)
        assert watcher.active == ("left",)
        assert [one.details["reason"] for one in watcher.no_frame(1.5)] == ["no frames"]
        assert watcher.active == ()
