"""The exact scene of a robot's world without a picture: quick enough for every step of every environment.

env = PandaPlaceIn(...)
estimates = true_estimates(env.world, engine.queries(), env.view)
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.geometry.boxes import Boxes
from spatialvlm_ros.geometry.frames import CanonicalFrame
from spatialvlm_ros.models.estimate import Estimate
from spatialvlm_ros.models.query import Query
from spatialvlm_ros.rewards.from_truth import estimates_of_scene
from spatialvlm_ros.scenes.scene import Scene, SceneObject
from spatialvlm_ros.simulation.robot.cameras import View, default_view
from spatialvlm_ros.simulation.robot.distances import near_gap
from spatialvlm_ros.simulation.robot.panda import GRIPPER_LABEL
from spatialvlm_ros.simulation.robot.room import TABLE_LABEL, TABLE_TOP_M
from spatialvlm_ros.simulation.robot.world import World

Float = NDArray[np.float64]

_BESIDE_TABLE_M = 0.1  # what lies so far under the table top has fallen to the floor


def true_estimates(world: World, queries: Sequence[Query], view: View | None = None) -> list[Estimate]:
    """The exact answers of N queries about a robot's world, in their order; see `estimates_of_scene`."""
    names = {str(thing).lower() for query in queries for thing in (query.subject, query.reference)}
    return estimates_of_scene(world_scene(world, view, names), queries)


def world_scene(world: World, view: View | None = None, about: Collection[str] | None = None) -> Scene:
    """All objects of the world, then the gripper (a point: the tool centre point) and the table; all count as visible.

    Args:
        world: as it stands now.
        view: the camera in whose frame the scene is; the default third-person view where it does not matter.
        about: labels in lower case; gaps are only measured between these, and left to the boxes elsewhere.
    """
    pose = (view or default_view(320, 240)).pose
    rotation = pose.rotation.T
    table = world.table_solid
    parts = [world.boxes(), Boxes.points(world.tcp()), Boxes(table.center[None], table.size[None], np.eye(3)[None])]
    boxes = Boxes.concatenate(parts).transformed(rotation, -rotation @ pose.position)
    height = float(pose.position[2])
    objects = []
    for index, label in enumerate([*(made.label for made in world.objects), GRIPPER_LABEL, TABLE_LABEL]):
        floor = _on_floor(world, index)
        objects.append(
            SceneObject(
                label=label,
                box2d=np.zeros(4),
                box3d=boxes[np.array([index])],
                camera_height=height if floor else height - TABLE_TOP_M,
                support_id="floor" if floor else TABLE_LABEL,
            )
        )
    frame = CanonicalFrame.from_up(pose.up(), height - TABLE_TOP_M, TABLE_LABEL)
    contacts = _contacts(world)
    return Scene(None, tuple(objects), frame, _gaps(world, contacts, about), contacts)


def _on_floor(world: World, index: int) -> bool:
    if index < len(world.objects):
        return bool(world.data.xpos[world.body_ids[index]][2] < TABLE_TOP_M - _BESIDE_TABLE_M)
    return index > len(world.objects)  # the table


def _gaps(world: World, contacts: frozenset[tuple[int, int]], about: Collection[str] | None) -> Float:
    """(n, n) between surfaces; from the tool centre point for the gripper. Those to the table are left to the boxes."""
    count = len(world.objects)
    gaps = np.full((count + 2, count + 2), np.nan)
    chosen = [k for k, made in enumerate(world.objects) if about is None or made.label.lower() in about]
    tcp = world.tcp()
    for place, first in enumerate(chosen):
        gaps[first, count] = gaps[count, first] = world.gap_to(first, tcp)
        for second in chosen[:place]:
            touch = (second, first) in contacts
            apart = 0.0 if touch else near_gap(world.posed(first), world.posed(second))
            gaps[first, second] = gaps[second, first] = apart
    return gaps


def _contacts(world: World) -> frozenset[tuple[int, int]]:
    """Index pairs that touch, smaller first."""
    count = len(world.objects)
    owner = {int(body): index for index, body in enumerate(world.body_ids)}
    owner |= {int(world.model.body(name).id): count for name in world.panda.gripper_bodies}
    owner[0] = count + 1  # the room: table and floor
    found = [(owner.get(a, -1), owner.get(b, -1)) for a, b in world.contacts()]
    return frozenset((min(a, b), max(a, b)) for a, b in found if min(a, b) >= 0 and a != b)
