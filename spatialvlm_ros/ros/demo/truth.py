"""What the simulation knows about a query, computed by the same definitions as everything else. No ROS in here."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.errors import GeometryError
from spatialvlm_ros.geometry.boxes import Boxes
from spatialvlm_ros.geometry.frames import CanonicalFrame
from spatialvlm_ros.geometry.transforms import Transform
from spatialvlm_ros.models.estimate import Estimate
from spatialvlm_ros.models.query import CAMERA_NAME, GRIPPER_NAME
from spatialvlm_ros.scenes.pairs import Frames, Pairs
from spatialvlm_ros.scenes.relations import RELATIONS, Relation, relation_values

Float = NDArray[np.float64]

# The simulation says how far a thing reaches along the camera's axes, not how it is turned nor what its surface is:
# these are exact, other quantities stay unknown.
EXACT = frozenset(
    {
        Relation.DISTANCE,
        Relation.HEIGHT,
        Relation.WIDTH,
        Relation.VERTICAL_DISTANCE,
        Relation.HORIZONTAL_DISTANCE,
        Relation.ABOVE_DIFF,
        Relation.BELOW_DIFF,
        Relation.BEHIND_DIFF,
        Relation.FRONT_DIFF,
        Relation.LEFT_DIFF,
        Relation.RIGHT_DIFF,
        Relation.LEFT,
        Relation.RIGHT,
        Relation.ABOVE,
        Relation.BELOW,
        Relation.BEHIND,
        Relation.FRONT,
        Relation.TALL,
        Relation.SHORT,
        Relation.WIDE,
        Relation.THIN,
    }
)


@dataclass(frozen=True)
class TrueScene:
    """Where everything is at one moment.

    Attributes:
        labels: of N objects.
        centers: (N, 3) metres, in a frame whose z axis points up.
        sizes: (N, 3) metres along the camera's left, the level forward direction, and up.
        to_optical: takes points of that frame into the optical frame.
        gripper: (3,) tool centre point in that frame, or None.
    """

    labels: tuple[str, ...]
    centers: Float
    sizes: Float
    to_optical: Transform
    gripper: Float | None = None

    def __post_init__(self) -> None:
        n = len(self.labels)
        if self.centers.shape != (n, 3) or self.sizes.shape != (n, 3):
            raise GeometryError("one centre and one size per object", (n, self.centers.shape, self.sizes.shape))

    def value(self, estimate: Estimate) -> float:
        """What an estimate should say, in its unit; of a predicate 0 or 1. NaN where it is not known."""
        relation = estimate.relation
        if relation not in EXACT:
            return float("nan")
        frame = CanonicalFrame.from_up(self.to_optical.rotation[:, 2])
        subject = self._box(estimate.subject, frame)
        reference = self._box(estimate.reference, frame) if estimate.reference else None
        if subject is None or (estimate.reference and reference is None):
            return float("nan")
        found = float(relation_values(relation, Pairs(subject, reference, Frames.repeat(frame, 1)))[0])
        return float(found > 0) if RELATIONS[relation].predicate and np.isfinite(found) else found

    def _box(self, name: str, frame: CanonicalFrame) -> Boxes | None:
        if name == CAMERA_NAME:
            return Boxes.points(np.zeros(3))
        if name == GRIPPER_NAME:
            return None if self.gripper is None else Boxes.points(self.to_optical.apply(self.gripper[None]))
        if name not in self.labels:
            return None
        k = self.labels.index(name)
        axes = np.stack([frame.left, frame.forward, frame.up], axis=1)
        return Boxes(self.to_optical.apply(self.centers[k : k + 1]), self.sizes[k : k + 1], axes[None])
