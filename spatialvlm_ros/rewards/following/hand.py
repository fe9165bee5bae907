"""Where the tip of a hand is in depth, for a robot that does not say where its tool centre point is.

What has moved since the first picture, and is none of the followed things, is the robot; its lowest end is the hand's.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.geometry.points import back_project
from spatialvlm_ros.rewards.following.tabletop import Ground
from spatialvlm_ros.scenes.observation import Observation

Float = NDArray[np.float64]

_MOVED_M = 0.02
_FEWEST = 40  # pixels
_LEAST_PART = 0.2  # of the largest connected part: what is smaller flickers at the edges of something
_OPENING = np.ones((3, 3), np.uint8)
_TIP_M = 0.015  # of height: the lowest part that is the tip
_WARM = 4  # pictures, in which a hand moves by more than its own width
_STRAY = 8  # points that may lie lower


class MovingHand:
    """Finds the tip in the pictures of a camera that stands still."""

    def __init__(self) -> None:
        self._behind: NDArray[np.float32] | None = None  # the farthest depth that each pixel has shown
        self._pictures = 0

    def tip(self, observation: Observation, ground: Ground, things: Float) -> Float | None:
        """(3,) metres, optical frame; None while nothing has moved.

        Args:
            observation: with depth.
            ground: the support plane.
            things: (N, 3) points of the things that are followed, where they are now.
        """
        import cv2
        from scipy.spatial import cKDTree

        depth = observation.depth
        assert depth is not None
        if self._behind is None or self._behind.shape != depth.shape:
            self._behind = depth.copy()
            return None
        with np.errstate(invalid="ignore"):
            moved = (self._behind - depth > _MOVED_M).astype(np.uint8)
        _, labels, stats, _ = cv2.connectedComponentsWithStats(cv2.morphologyEx(moved, cv2.MORPH_OPEN, _OPENING))
        areas = stats[1:, cv2.CC_STAT_AREA]
        large = 1 + np.flatnonzero(areas > _LEAST_PART * areas.max(initial=0))
        points = back_project(depth, observation.camera, np.isin(labels, large))
        self._behind = np.fmax(self._behind, depth)
        self._pictures += 1
        if len(things) and len(points):
            points = points[cKDTree(things).query(points)[0] > _MOVED_M]
        if len(points) < _FEWEST or self._pictures < _WARM:
            return None
        heights = points @ ground.up
        lowest = float(np.partition(heights, _STRAY)[_STRAY])
        end = points[(heights >= lowest) & (heights < lowest + _TIP_M)]
        low, high = end.min(axis=0), end.max(axis=0)
        middle = (low + high) / 2
        return np.asarray(middle + (lowest - float(middle @ ground.up)) * ground.up)
