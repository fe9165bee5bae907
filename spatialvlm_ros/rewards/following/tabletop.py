"""What stands on the support plane: connected pieces of depth over it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.geometry.frames import horizontal_axes
from spatialvlm_ros.geometry.points import point_map
from spatialvlm_ros.scenes.lifting.detection import tight_box
from spatialvlm_ros.scenes.lifting.lift import lift_with_report
from spatialvlm_ros.scenes.lifting.noise import inverse_depth_noise
from spatialvlm_ros.scenes.observation import Observation

Float = NDArray[np.float64]
Bool = NDArray[np.bool_]

_LEAST_OVER_M = 0.006  # over the plane from which depth is that of a thing
_NOISE_REACH = 4.0
_STEP = 0.02  # of the depth, between neighbours of one thing
_LEAST_STEP_M = 0.008
_FEWEST = 30  # pixels
_TALLEST_M = 0.35  # what reaches higher is a robot, a person or a wall
_OVER_M = 0.025  # sideways, within which what floats over a standing piece belongs to it
_OVER_SHARE = 0.7
_MOST_APART = 2  # pixels
_HAND_M = 0.12  # from the tool centre point, within which what floats may be the hand
_STANDS_M = 0.04  # how high over the plane the lowest visible point of a standing thing may be


@dataclass(frozen=True)
class Ground:
    """The support plane of a view.

    Attributes:
        up: (3,) unit, optical frame.
        height: metres of the camera over it.
    """

    up: Float
    height: float


@dataclass(frozen=True)
class Piece:
    """A connected piece of depth over the plane.

    Attributes:
        mask: (H, W).
        points: (N, 3) metres, optical frame.
        box2d: (4,) x0, y0, x1, y1 pixels.
        bottom, top: metres over the plane.
        cut: whether the picture's border cuts it.
    """

    mask: Bool
    points: Float
    box2d: Float
    bottom: float
    top: float
    cut: bool

    @property
    def stands(self) -> bool:
        """Whether it is a thing on the plane, and no robot."""
        return self.top < _TALLEST_M and self.bottom < _STANDS_M


def ground_of(observation: Observation) -> Ground | None:
    """The plane that the robot states, else the largest level one in depth, or None."""
    if observation.up is not None and observation.camera_height is not None:
        return Ground(observation.up, float(observation.camera_height))
    frame = lift_with_report(observation, []).scene.frame
    if frame.level < 1 or frame.camera_height is None:
        return None
    return Ground(frame.up, float(frame.camera_height))


def depth_noise(observation: Observation, ground: Ground) -> float:
    """Metres of noise of a depth about as far as the plane."""
    assert observation.depth is not None
    typical = float(np.nanmedian(observation.depth))
    return inverse_depth_noise(observation.depth) * typical**2


def pieces(observation: Observation, ground: Ground) -> list[Piece]:
    """All connected pieces over the plane, the largest first."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    depth = observation.depth
    assert depth is not None
    points = point_map(depth, observation.camera)
    heights = points @ ground.up + ground.height
    least = max(_LEAST_OVER_M, _NOISE_REACH * depth_noise(observation, ground))
    with np.errstate(invalid="ignore"):
        over = heights > least
    index = np.full(depth.shape, -1, np.int64)
    index[over] = np.arange(int(over.sum()))
    rows, columns = [], []
    for axis in (0, 1):
        first, second = _neighbours(depth, axis)
        a, b = _neighbours(index, axis)
        with np.errstate(invalid="ignore"):
            near = np.abs(first - second) < np.maximum(_STEP * np.minimum(first, second), _LEAST_STEP_M)
        linked = (a >= 0) & (b >= 0) & near
        rows.append(a[linked])
        columns.append(b[linked])
    n = int(over.sum())
    # SciPy before 1.12, as Ubuntu 24.04 has it, takes no wider indices.
    at, to = (np.concatenate(ends).astype(np.int32) for ends in (rows, columns))
    _, labels = connected_components(coo_array((np.ones(len(at), np.int8), (at, to)), shape=(n, n)), directed=False)
    counts = np.bincount(labels, minlength=1)
    found = []
    for label in np.argsort(-counts, kind="stable"):
        if counts[label] < _FEWEST:
            break
        mask = np.zeros(depth.shape, dtype=bool)
        mask[over] = labels == label
        found.append(_piece(mask, points[mask], heights[mask]))
    return found


def standing(found: list[Piece], ground: Ground, hand: Float | None) -> list[Piece]:
    """The pieces that stand on the plane, each with what floats over it: a thing hides parts of itself.

    Args:
        found: all pieces.
        ground: the plane.
        hand: (3,) tool centre point in the optical frame, or None: a part of the hand may float over anything.
    """
    floating = [p for p in found if p.top < _TALLEST_M and p.bottom >= _STANDS_M and not _is_of_hand(p, hand)]
    things = []
    for piece in (p for p in found if p.stands):
        parts = [p for p in floating if _is_over(p, piece, ground)]
        things.append(_joined([piece, *parts]) if parts else piece)
    return things


def _is_of_hand(piece: Piece, hand: Float | None) -> bool:
    return hand is not None and float(np.linalg.norm(piece.points - hand, axis=1).min()) < _HAND_M


def _is_over(upper: Piece, lower: Piece, ground: Ground) -> bool:
    """Whether one piece lies over the other in space, and beside it in the picture."""
    apart = np.maximum(upper.box2d[:2] - lower.box2d[2:], lower.box2d[:2] - upper.box2d[2:])
    if (apart > _MOST_APART).any():
        return False
    axes = np.stack(horizontal_axes(ground.up[None]), axis=0)[:, 0]
    below, above = lower.points @ axes.T, upper.points @ axes.T
    within = (above > below.min(axis=0) - _OVER_M) & (above < below.max(axis=0) + _OVER_M)
    return bool(within.all(axis=1).mean() > _OVER_SHARE)


def _joined(parts: list[Piece]) -> Piece:
    mask = np.logical_or.reduce([p.mask for p in parts])
    points = np.concatenate([p.points for p in parts])
    low, high = min(p.bottom for p in parts), max(p.top for p in parts)
    return Piece(mask, points, tight_box(mask), low, high, any(p.cut for p in parts))


def _neighbours(values: NDArray, axis: int) -> tuple[NDArray, NDArray]:
    return (values[1:], values[:-1]) if axis == 0 else (values[:, 1:], values[:, :-1])


def _piece(mask: Bool, points: Float, heights: Float) -> Piece:
    low, high = np.percentile(heights, [2, 99.5])
    cut = bool(mask[0].any() or mask[-1].any() or mask[:, 0].any() or mask[:, -1].any())
    return Piece(mask, points, tight_box(mask), float(low), float(high), cut)
