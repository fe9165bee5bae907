"""What stands where in one scene: plain data, made by `tabletops` and `rooms`, drawn by `stage`."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.simulation.assets.items import AssetItem
from spatialvlm_ros.simulation.gaps import Posed
from spatialvlm_ros.simulation.solids import Solid, yaw_matrix

Float = NDArray[np.float64]

FLOOR = "floor"
LEVEL_TOLERANCE_M = 0.002  # a flat top is as level as this


@dataclass(frozen=True, eq=False)
class Prop:
    """An object of the compiled set, at its size there.

    Attributes:
        index: its number in the set.
        item: what it is.
        scale: factors along the item's axes.
        solid: its surface at that scale.
    """

    index: int
    item: AssetItem
    scale: tuple[float, float, float]
    solid: Solid

    @property
    def top_height(self) -> float | None:
        """Metres from its bottom to its flat top, or None."""
        return None if self.item.top_height is None else self.item.top_height * self.scale[2]

    @cached_property
    def top_cells(self) -> Float:
        """(N, 2) places of its flat top, in its own frame; none without one."""
        if self.top_height is None:
            return np.zeros((0, 2))
        return self.solid.height_map.level_cells(self.top_height, LEVEL_TOLERANCE_M)


@dataclass(frozen=True, eq=False)
class Placed:
    """A prop that stands in the scene.

    Attributes:
        prop: which one.
        position: (3,) of its bottom centre, metres, world frame (z up, floor at 0).
        yaw: radians about z.
        plane: name of the plane that carries it in the end ("floor", "table", "desk", ...).
        on: index (among the placed) of the object it stands on or in; None on a plane.
        inside: it is in, not on, that object.
    """

    prop: Prop
    position: Float
    yaw: float
    plane: str = FLOOR
    on: int | None = None
    inside: bool = False

    @cached_property
    def posed(self) -> Posed:
        """Its surface where it stands."""
        return Posed(self.prop.solid, yaw_matrix(self.yaw), self.position)

    def outline(self) -> Float:
        """(K, 2) convex outline seen from above, world frame."""
        return self.prop.solid.footprint @ yaw_matrix(self.yaw)[:2, :2].T + self.position[:2]


@dataclass(frozen=True, eq=False)
class Built:
    """Furniture made of boxes in code, e.g. a table.

    Attributes:
        noun: what it is called.
        centers, sizes: (B, 3) of its boxes in its own frame, metres; the first box is the top.
        position: (2,) metres, world.
        yaw: radians.
        top: height of its upper side.
        plane: name of the plane its upper side is.
        finish: numbers of two surface materials, for the top and for the rest.
    """

    noun: str
    centers: Float
    sizes: Float
    position: Float
    yaw: float
    top: float
    plane: str
    finish: tuple[int, int] = (0, 1)

    @cached_property
    def posed(self) -> Posed:
        """Its surface where it stands."""
        return Posed(Solid.of_boxes(self.centers, self.sizes), yaw_matrix(self.yaw), np.array([*self.position, 0.0]))

    def outline(self) -> Float:
        """(4, 2) rectangle around it, world frame."""
        low = (self.centers - self.sizes / 2).min(axis=0)[:2]
        high = (self.centers + self.sizes / 2).max(axis=0)[:2]
        corners = np.array([low, [high[0], low[1]], high, [low[0], high[1]]])
        return corners @ yaw_matrix(self.yaw)[:2, :2].T + self.position


@dataclass(frozen=True, eq=False)
class Wall:
    """An upright slab: (2,) middle of its inner face, (2,) unit normal into the room, length, height, metres."""

    middle: Float
    normal: Float
    length: float
    height: float


@dataclass(frozen=True, eq=False)
class ArmPose:
    """Where the robot arm stands and how it holds itself.

    Attributes:
        position: (3,) of its base, metres, world.
        yaw: radians; the arm reaches along its x axis.
        joints: (7,) radians.
        opening: metres between the finger pads.
    """

    position: Float
    yaw: float
    joints: Float
    opening: float


@dataclass(frozen=True, eq=False)
class Layout:
    """One scene without its light and camera.

    Attributes:
        kind: "table" or "room".
        placed: objects.
        built: furniture made of boxes.
        planes: name of each supporting plane -> its height, metres.
        floor: (2,) half sizes of the floor along x and y, metres.
        walls: upright slabs.
        ceiling: its height, or None.
        arm: the robot arm, or None.
        materials: numbers of the surface materials of floor and walls.
        targets: indices of the placed objects that cameras look at.
    """

    kind: str
    placed: tuple[Placed, ...]
    built: tuple[Built, ...]
    planes: dict[str, float]
    floor: Float
    walls: tuple[Wall, ...] = ()
    ceiling: float | None = None
    arm: ArmPose | None = None
    materials: tuple[int, int] = (0, 1)
    targets: tuple[int, ...] = field(default=())
