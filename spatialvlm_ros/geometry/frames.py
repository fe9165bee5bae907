"""The canonical frame of a picture: which way is up, forward and left, and how high the camera stands.

REP-103: x forward, y left, z up, origin under the camera on the support plane. Level 0: nothing is known and
the camera's own axes stand in; level 1: up is known; level 2: up and the support plane are known.
(Paper section 3.1, appendix A.2; levels are a decision of this project.)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spatialvlm_ros.errors import FrameError, GeometryError

Float = NDArray[np.float64]

OPTICAL_FORWARD = np.array([0.0, 0.0, 1.0])
OPTICAL_UP = np.array([0.0, -1.0, 0.0])
OPTICAL_LEFT = np.array([-1.0, 0.0, 0.0])

# Nearer to the vertical than this the optical axis has no direction on the floor that a person would see: such a camera
# looks straight down or up, and "forward" is the direction of the picture's upper edge.
_LOOKING_STRAIGHT_DOWN = np.sin(np.radians(10.5))


@dataclass(frozen=True)
class CanonicalFrame:
    """Axes of the canonical frame of one view, as unit vectors in the optical frame.

    Attributes:
        level: 0 none, 1 up known, 2 up and support plane known.
        up, forward, left: (3,) orthonormal, ``left = up x forward``. At level 0 these are the camera's own
            axes (-y, z, -x of the optical frame).
        camera_height: metres of the camera above the support plane, along up; None below level 2.
        support_id: name or number of the support plane that goes with the answer; None if unknown.
    """

    level: int
    up: Float
    forward: Float
    left: Float
    camera_height: float | None = None
    support_id: str | None = None

    @staticmethod
    def unknown() -> CanonicalFrame:
        """Level 0: nothing but the camera's own axes."""
        return CanonicalFrame(0, OPTICAL_UP.copy(), OPTICAL_FORWARD.copy(), OPTICAL_LEFT.copy())

    @staticmethod
    def from_up(
        up: ArrayLike | None, camera_height: float | None = None, support_id: str | None = None
    ) -> CanonicalFrame:
        """Frame from the up direction (3,) in the optical frame and, for level 2, the camera's height in metres."""
        if up is None:
            return CanonicalFrame.unknown()
        up = np.asarray(up, dtype=np.float64)
        norm = float(np.linalg.norm(up))
        if up.shape != (3,) or not np.isfinite(norm) or norm < 1e-6:
            raise GeometryError("the up direction is not a vector", up, "Pass three finite numbers, not all zero.")
        up = up / norm
        forward, left = horizontal_axes(up[None])
        if camera_height is not None and not np.isfinite(camera_height):
            raise FrameError("the camera height is not finite", camera_height, "Pass metres, or None if unknown.")
        level = 1 if camera_height is None else 2
        return CanonicalFrame(level, up, forward[0], left[0], camera_height, support_id)

    def rotation(self) -> Float:
        """(3, 3) that takes optical coordinates into canonical ones (rows: forward, left, up)."""
        return np.stack([self.forward, self.left, self.up])

    def to_canonical(self, points: ArrayLike) -> Float:
        """(N, 3) optical points, metres, into the canonical frame; z counts from the support plane at level 2."""
        origin = np.array([0.0, 0.0, self.camera_height or 0.0])
        return np.asarray(points, dtype=np.float64) @ self.rotation().T + origin


def horizontal_axes(up: Float) -> tuple[Float, Float]:
    """Forward and left, each (N, 3), for N unit up vectors (N, 3) in the optical frame.

    Forward is the optical axis projected on the horizontal plane; for a camera that looks straight down, give or take
    10 degrees, it is the picture's up direction, and its down direction for one that looks straight up. Left is then
    left in the picture, however the camera is rolled; without roll the frame turns continuously as the camera tilts.
    """
    up = np.asarray(up, dtype=np.float64)
    axis = np.broadcast_to(OPTICAL_FORWARD, up.shape)
    sine = np.linalg.norm(np.cross(axis, up), axis=1)
    # Tilting down, the horizontal part of the optical axis goes over into the picture's up direction; tilting
    # up, into its down direction.
    picture_up = np.where((up @ OPTICAL_FORWARD > 0)[:, None], -OPTICAL_UP, OPTICAL_UP)
    reference = np.where((sine < _LOOKING_STRAIGHT_DOWN)[:, None], picture_up, axis)
    forward = reference - np.einsum("ni,ni->n", reference, up)[:, None] * up
    forward /= np.linalg.norm(forward, axis=1, keepdims=True)
    return forward, np.cross(up, forward)
