"""Oriented 3D boxes, as arrays of them: every function works on N boxes at once.

Boxes live in the optical frame of a camera (x right, y down, z forward, metres; REP-103) unless a caller
says otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spatialvlm_ros.errors import GeometryError

Float = NDArray[np.float64]
Index = int | np.integer | slice | list[int] | NDArray[np.integer] | NDArray[np.bool_]

# Signs of the 8 corners, (8, 3).
_CORNER_SIGNS = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], dtype=np.float64)


@dataclass(frozen=True)
class Boxes:
    """N oriented boxes.

    Attributes:
        centers: (N, 3) metres.
        sizes: (N, 3) full edge lengths in metres along the box's own axes; 0 is allowed (a point).
        rotations: (N, 3, 3); column k is the box's k-th axis in the frame the centres are in.
    """

    centers: Float
    sizes: Float
    rotations: Float

    def __post_init__(self) -> None:
        centers = np.asarray(self.centers, dtype=np.float64)
        sizes = np.asarray(self.sizes, dtype=np.float64)
        rotations = np.asarray(self.rotations, dtype=np.float64)
        n = len(centers)
        if centers.shape != (n, 3) or sizes.shape != (n, 3) or rotations.shape != (n, 3, 3):
            raise GeometryError(
                "boxes need centres (N, 3), sizes (N, 3) and rotations (N, 3, 3)",
                (centers.shape, sizes.shape, rotations.shape),
                "Pass arrays with one row per box.",
            )
        if (sizes < 0).any():
            raise GeometryError(
                "a box has a negative size", float(sizes.min()), "Sizes are full edge lengths in metres."
            )
        object.__setattr__(self, "centers", centers)
        object.__setattr__(self, "sizes", sizes)
        object.__setattr__(self, "rotations", rotations)

    def __len__(self) -> int:
        return len(self.centers)

    def __getitem__(self, index: Index) -> Boxes:
        """The boxes at ``index`` (slice, index array or boolean array; an int gives one box)."""
        if isinstance(index, (int, np.integer)):
            index = np.array([index])
        return Boxes(self.centers[index], self.sizes[index], self.rotations[index])

    @staticmethod
    def points(centers: ArrayLike) -> Boxes:
        """Zero-size boxes at ``centers`` (N, 3): the camera, a clicked point, a tool centre point."""
        centers = np.atleast_2d(np.asarray(centers, dtype=np.float64))
        return Boxes(centers, np.zeros_like(centers), np.broadcast_to(np.eye(3), (len(centers), 3, 3)))

    @staticmethod
    def concatenate(parts: list[Boxes]) -> Boxes:
        """All boxes of ``parts`` in order."""
        if not parts:
            return Boxes(np.zeros((0, 3)), np.zeros((0, 3)), np.zeros((0, 3, 3)))
        return Boxes(
            np.concatenate([p.centers for p in parts]),
            np.concatenate([p.sizes for p in parts]),
            np.concatenate([p.rotations for p in parts]),
        )

    def corners(self) -> Float:
        """(N, 8, 3) corner points."""
        local = _CORNER_SIGNS * (self.sizes[:, None, :] / 2)  # (N, 8, 3)
        return self.centers[:, None, :] + np.einsum("nij,nkj->nki", self.rotations, local)

    def extent_along(self, directions: ArrayLike) -> Float:
        """(N,) length in metres of each box's projection on a unit direction, (3,) or (N, 3)."""
        directions = np.broadcast_to(np.asarray(directions, dtype=np.float64), self.centers.shape)
        along = np.abs(np.einsum("nij,ni->nj", self.rotations, directions))  # |axis . direction|
        return np.einsum("nj,nj->n", along, self.sizes)

    def top_along(self, directions: ArrayLike) -> Float:
        """(N,) largest coordinate along a unit direction, (3,) or (N, 3), metres from the origin."""
        directions = np.broadcast_to(np.asarray(directions, dtype=np.float64), self.centers.shape)
        return np.einsum("ni,ni->n", self.centers, directions) + self.extent_along(directions) / 2

    def bottom_along(self, directions: ArrayLike) -> Float:
        """(N,) smallest coordinate along a unit direction, (3,) or (N, 3), metres from the origin."""
        directions = np.broadcast_to(np.asarray(directions, dtype=np.float64), self.centers.shape)
        return np.einsum("ni,ni->n", self.centers, directions) - self.extent_along(directions) / 2

    def volumes(self) -> Float:
        """(N,) cubic metres."""
        return np.prod(self.sizes, axis=1)

    def to_local(self, points: ArrayLike) -> Float:
        """(N, 3) one point per box, from the common frame into each box's own axes, metres from its centre."""
        return np.einsum("nij,ni->nj", self.rotations, np.asarray(points, dtype=np.float64) - self.centers)

    def transformed(self, rotation: ArrayLike, translation: ArrayLike) -> Boxes:
        """The same boxes in another frame: p' = rotation @ p + translation."""
        rotation = np.asarray(rotation, dtype=np.float64)
        return Boxes(
            self.centers @ rotation.T + np.asarray(translation, dtype=np.float64),
            self.sizes,
            np.einsum("ij,njk->nik", rotation, self.rotations),
        )

    def quaternions(self) -> Float:
        """(N, 4) unit quaternions x, y, z, w (the ROS order) of the rotations."""
        from scipy.spatial.transform import Rotation

        if len(self) == 0:
            return np.zeros((0, 4))
        return Rotation.from_matrix(self.rotations).as_quat()
