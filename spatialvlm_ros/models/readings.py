"""Everything that is known of a view before calibration: what the model read, what depth and the robot say.

It is the input of `interpret` (fusion.py) and, with the truth beside it, of `fit_calibration`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.geometry.cameras import Camera
from spatialvlm_ros.models.backend import FrameReading, Locations
from spatialvlm_ros.models.query import ObjectRef

Float = NDArray[np.float64]
Int = NDArray[np.int64]

# How an object was named.
NAMED, REGION, CAMERA, FIXED = 0, 1, 2, 3

# How well an object is seen in depth.
CLEAN, CUT, THIN = 0, 1, 2
N_BUCKETS = 3


@dataclass(frozen=True)
class DepthReadings:
    """K objects measured in depth, completed to whole ones; NaN where the depth says nothing.

    Attributes:
        centers: (K, 3) metres, optical frame.
        sizes: (K, 3) metres along the columns of ``rotations``.
        rotations: (K, 3, 3).
        scales: (K,) metres: the size that errors of completion are proportional to.
        buckets: (K,) `CLEAN`, `CUT` (by the picture's border) or `THIN` (few pixels).
        camera_heights: (K,) metres of the camera over the plane that supports the object.
        supports: name of that plane, "" where unknown.
        up: (3,) the vertical as the planes in depth tell it, or None.
    """

    centers: Float
    sizes: Float
    rotations: Float
    scales: Float
    buckets: Int
    camera_heights: Float
    supports: tuple[str, ...] = ()
    up: Float | None = None

    @property
    def known(self) -> NDArray[np.bool_]:
        """(K,) whether an object was measured."""
        return np.isfinite(self.scales)

    def __getitem__(self, index: list[int]) -> DepthReadings:
        """Some of the objects."""
        arrays: dict[str, Any] = {name: getattr(self, name)[index] for name in _DEPTH_ARRAYS}
        return DepthReadings(**arrays, supports=tuple(self.supports[k] for k in index), up=self.up)

    @staticmethod
    def joined(parts: Sequence[DepthReadings], up: Float | None) -> DepthReadings:
        """The objects of several readings of one view."""
        arrays: dict[str, Any] = {n: np.concatenate([getattr(p, n) for p in parts]) for n in _DEPTH_ARRAYS}
        return DepthReadings(**arrays, supports=tuple(s for p in parts for s in p.supports), up=up)

    @staticmethod
    def none(n: int, up: Float | None = None) -> DepthReadings:
        """n objects of which nothing was measured."""
        return DepthReadings(
            np.full((n, 3), np.nan),
            np.full((n, 3), np.nan),
            np.broadcast_to(np.eye(3), (n, 3, 3)),
            np.full(n, np.nan),
            np.zeros(n, np.int64),
            np.full(n, np.nan),
            ("",) * n,
            up,
        )


_DEPTH_ARRAYS = ("centers", "sizes", "rotations", "scales", "buckets", "camera_heights")


@dataclass(frozen=True)
class ViewReadings:
    """K distinct objects and N queries about them.

    Attributes:
        camera: of the picture.
        up: (3,) from the robot, or None.
        camera_height: metres from the robot, NaN if unknown.
        frame: as the model sees it, or None.
        objects: K, as they were asked for.
        kinds: (K,) `NAMED`, `REGION`, `CAMERA` or `FIXED`.
        positions: (K, 3) metres, of `CAMERA` (0) and `FIXED`; else NaN.
        locations: K, as the model says.
        depth: K.
        known_sizes: (K, 3) width, depth, height in metres, NaN where not known.
        relations: (N,) indices into `distributions.RELATION_ORDER`.
        subjects, references: (N,) indices into ``objects``; -1 for no reference.
        direct: (N, N_LEVELS) quantiles of the quantity tokens in metres; NaN where there are none.
        overflow: (N,) probability of "out of range".
        p_true: (N,) of predicates; NaN else.
    """

    camera: Camera
    up: Float | None
    camera_height: float
    frame: FrameReading | None
    objects: tuple[ObjectRef, ...]
    kinds: Int
    positions: Float
    locations: Locations
    depth: DepthReadings
    known_sizes: Float
    relations: Int
    subjects: Int
    references: Int
    direct: Float
    overflow: Float
    p_true: Float

    def __len__(self) -> int:
        return len(self.relations)

    def without_depth(self) -> ViewReadings:
        """The same view without its depth sensor."""
        return replace(self, depth=DepthReadings.none(len(self.objects)))

    def without_frame_knowledge(self) -> ViewReadings:
        """The same view without what the robot knows of the vertical and the camera's height."""
        return replace(self, up=None, camera_height=float("nan"))
