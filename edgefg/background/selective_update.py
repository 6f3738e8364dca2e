"""Selective refresh, which decides for each place of the view whether it joins the background."""

from typing import cast

import cv2
import numpy as np
import numpy.typing as npt

from ..imaging.io import Image
from .ghosts import object_score
from .observation import SceneView
from .policy import BackgroundPolicy

Estimate = npt.NDArray[np.float32]

_CHANGED_DISTANCE = 15.0
"""Map units; at most half the distance of changed places."""

_SAME_LEVELS = 12.0
_GHOST_SCORE = -0.12
_CLEAR_GHOST_SCORE = -0.3
_AGREED_GHOST_SCORE = -0.2
"""Both measures are half as strong again in the background as in the frame."""

_OBJECT_SCORE = 0.1
_GHOST_VOTES = 3
_LOOK_AGAIN_S = 1.0
_LOOK_CLOSER_S = 0.3
_PATIENCE_S = 2.0
"""Time for which something may pass in front of a place while the place still counts as unchanged."""

_MOST = 0.75
_MIN_CELLS = 2
_MAX_PATCHES = 3
_AROUND_PX = 7
_GUARD = np.ones((5, 5), np.uint8)


class SelectiveRefresh:
    """Tracks how long each cell of a camera's view has been background, or has looked the same."""

    def __init__(self, policy: BackgroundPolicy, map_size: tuple[int, int]) -> None:
        """Starts without observations.

        Args:
            policy: Policy that sets the times.
            map_size: Width and height of the distance map.
        """
        self._policy = policy
        self._shape = map_size[1], map_size[0]
        self._confirmed_s = np.zeros(self._shape, np.float32)
        self.restart()

    def restart(self, other: npt.NDArray[np.bool_] | None = None) -> None:
        """Discards the observations, because the light or the scene has changed.

        Args:
            other: Cells that show another scene than before, ``(h, w) bool``; None is all.
        """
        self.doubt(np.ones(self._shape, bool) if other is None else other)
        self._calm_s = np.zeros(self._shape, np.float32)
        self._steady_s = np.zeros(self._shape, np.float32)
        self._away_s = np.zeros(self._shape, np.float32)
        self._same = np.zeros(self._shape, bool)
        self._differed = np.zeros(self._shape, bool)  # from the background, when the cell last looked like its anchor
        self._anchor = np.full(self._shape, -1e3, np.float32)
        self._votes = np.zeros(self._shape, np.int16)
        self._look_at_s = np.full(self._shape, -np.inf)

    def doubt(self, cells: npt.NDArray[np.bool_]) -> None:
        """Takes note that the background now shows something else there, which no frame has confirmed yet."""
        self._confirmed_s[cells] = 0

    def blend(self, estimate: Estimate, view: SceneView, passed_s: float, blend_s: float) -> None:
        """Blends a frame into the places that have been background for a while.

        Args:
            estimate: The background, ``(H, W, 3) float32 BGR``; changed in place.
            view: The frame.
            passed_s: Seconds since the view before.
            blend_s: Seconds in which 63% of a change is absorbed.
        """
        self._compare(view, passed_s)
        free = ~_guarded(view)
        self._calm_s = np.where(free, self._calm_s + passed_s, 0).astype(np.float32)
        self._confirmed_s[~view.moving] += passed_s
        share = 1.0 if blend_s == 0 else 1 - float(np.exp(-passed_s / blend_s))
        calm = _large(free & (self._calm_s >= self._policy.calm_s), view)
        cv2.accumulateWeighted(view.picture.image, estimate, share, mask=calm)

    def _compare(self, view: SceneView, passed_s: float) -> None:
        """Counts how long each cell has looked the same, ignoring objects that pass in front of it."""
        grey = view.picture.grey.astype(np.float32)
        self._same = np.abs(grey - self._anchor) <= _SAME_LEVELS
        self._steady_s[self._same] += passed_s
        self._away_s += passed_s
        self._away_s[self._same] = 0
        self._differed = np.where(self._same, view.moving, self._differed)
        # No patience for cells that looked like the background, and little for a look that lasted only a moment, as on
        # a walking person.
        patience_s = np.where(self._differed, np.minimum(self._steady_s, _PATIENCE_S), 0)
        other = self._away_s > patience_s
        np.copyto(self._anchor, grey, where=other)
        self._steady_s[other] = self._away_s[other] = 0

    def adopt(self, estimate: Estimate, background: Image, view: SceneView, judge: bool) -> bool:
        """Removes ghosts, and adds objects that have been still for long enough.

        Args:
            estimate: The background, ``(H, W, 3) float32 BGR``; changed in place.
            background: Background that the frame was compared with, ``(H, W, 3) uint8 BGR``.
            view: The frame.
            judge: Whether to look for ghosts.

        Returns:
            Whether the background was changed.
        """
        taken = False
        stationary_s = self._policy.stationary_s
        if stationary_s is not None:
            still = self._same & view.moving & (self._steady_s >= stationary_s)
            if still.any():
                self._take(estimate, view, _large(still, view) & view.foreground)
                taken = True
        ghost_s = self._policy.ghost_s
        if ghost_s is not None and judge:
            candidates = self._same & view.moving & (self._steady_s >= ghost_s)
            self._votes[~candidates] = 0
            for patch in self._patches(candidates, view.time_s):
                taken |= self._judge(estimate, background, view, patch)
        return taken

    def _patches(self, candidates: npt.NDArray[np.bool_], time_s: float) -> list[npt.NDArray[np.bool_]]:
        count, labels, statistics, _ = cv2.connectedComponentsWithStats(candidates.astype(np.uint8), connectivity=8)
        sizes = statistics[1:count, cv2.CC_STAT_AREA]
        due: list[npt.NDArray[np.bool_]] = []
        for label in np.argsort(-sizes):
            if sizes[label] < _MIN_CELLS or len(due) == _MAX_PATCHES:
                break
            patch = labels == label + 1
            if 2 * np.count_nonzero(self._look_at_s[patch] <= time_s) >= sizes[label]:
                due.append(patch)
        return due

    def _judge(self, estimate: Estimate, background: Image, view: SceneView, patch: npt.NDArray[np.bool_]) -> bool:
        region = cast(Image, cv2.bitwise_and(_large(patch, view), view.foreground))
        others = cast(Image, cv2.subtract(view.foreground, region))
        score = object_score(view.picture.image, background, region, others)
        is_clear = score.mean < _CLEAR_GHOST_SCORE
        # A place that looked like the background for as long was no ghost then. What came since may stand before edges
        # of the scene, so that both measures must agree. Of what moves, a part may stand still.
        if np.median(self._confirmed_s[patch]) >= (self._policy.ghost_s or 0):
            is_part = _is_part(region, view.foreground)
            agreed = max(score) < (_CLEAR_GHOST_SCORE if is_part else _AGREED_GHOST_SCORE)
            is_ghost = agreed or (is_clear and not is_part)
        else:
            is_ghost = is_clear or score.mean < _GHOST_SCORE
        if not is_ghost:
            # Not checked again for a while, because this check costs more than anything else here.
            self._look_at_s[patch] = view.time_s + (_LOOK_AGAIN_S if score.mean > _OBJECT_SCORE else _LOOK_CLOSER_S)
            self._votes[patch] = 0
            return False
        self._votes[patch] += 2 if is_clear else 1
        if np.median(self._votes[patch]) < _GHOST_VOTES:
            return False
        around = cv2.dilate(region, np.ones((_AROUND_PX, _AROUND_PX), np.uint8))
        self._take(estimate, view, cast(Image, cv2.subtract(around, others)))
        self._votes[patch] = 0
        self.doubt(patch)
        return True

    @staticmethod
    def _take(estimate: Estimate, view: SceneView, where: Image) -> None:
        np.copyto(estimate, view.picture.image, where=where[..., None] > 0, casting="unsafe")


def _is_part(region: Image, foreground: Image) -> bool:
    """Returns whether a region that stands still is only a part of an object, such as legs of a reader."""
    objects = cv2.connectedComponents(foreground)[1]
    touched = np.unique(objects[region > 0])
    whole = np.count_nonzero(np.isin(objects, touched[touched > 0]))
    return bool(np.count_nonzero(region) < _MOST * whole)


def _guarded(view: SceneView) -> npt.NDArray[np.bool_]:
    """Returns the cells that are not blended: foreground, cells within or near it, and cells with a large distance."""
    seeds = (view.moving | (view.distance > _CHANGED_DISTANCE)).astype(np.uint8)
    outlines, _ = cv2.findContours(seeds, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    # Parts of an object that the mask misses must not be blended in gradually.
    for points in outlines:
        cv2.fillConvexPoly(seeds, cv2.convexHull(points), 1)
    return cv2.dilate(seeds, _GUARD) > 0


def _large(cells: npt.NDArray[np.bool_], view: SceneView) -> Image:
    """Scales cells to a mask of 0 and 255 at the frame's size."""
    height, width = view.foreground.shape
    return cast(Image, cv2.resize(cells.astype(np.uint8) * 255, (width, height), interpolation=cv2.INTER_NEAREST))
