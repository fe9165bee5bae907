"""From a posed world to an `Observation` and a `Scene` in which everything is exact."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.geometry.boxes import Boxes
from spatialvlm_ros.geometry.cameras import Camera
from spatialvlm_ros.geometry.frames import CanonicalFrame
from spatialvlm_ros.geometry.points import back_project
from spatialvlm_ros.scenes.observation import Observation
from spatialvlm_ros.scenes.scene import Scene, SceneObject
from spatialvlm_ros.simulation.gaps import Posed
from spatialvlm_ros.simulation.rendering import Rendered, Renderer
from spatialvlm_ros.simulation.robot.bodies import RobotSurface
from spatialvlm_ros.simulation.robot.cameras import View
from spatialvlm_ros.simulation.robot.distances import PointDistance, near_gap
from spatialvlm_ros.simulation.robot.panda import ARM_LABEL, GRIPPER_LABEL
from spatialvlm_ros.simulation.robot.room import TABLE_LABEL, TABLE_TOP_M
from spatialvlm_ros.simulation.robot.world import World, upright_box

Float = NDArray[np.float64]

FLOOR_ID, TABLE_ID = "floor", TABLE_LABEL
_SAMPLES = 256  # points on each surface
_NEAREST_M = 0.05  # parts of an object nearer to the camera plane than this are left out of its silhouette


@dataclass(frozen=True)
class TrueView:
    """A picture with its truth.

    Attributes:
        scene: with its observation; the objects of the world in their order, then the robot arm, the gripper (a point:
            the tool centre point; its mask is the hand with its fingers) and the table. An object that is not visible
            has an empty mask and visible fraction 0.
        instances: (H, W) uint16, 0 background, else index in ``scene.objects`` + 1.
    """

    scene: Scene
    instances: NDArray[np.uint16]


class TruthCamera:
    """Takes pictures of one world.

    Args:
        world: the world.
        width, height: largest picture in pixels.
    """

    def __init__(self, world: World, width: int, height: int) -> None:
        self._world = world
        self._renderer = Renderer(world.model, max_width=max(width, 64), max_height=max(height, 64))
        self._limit = np.array([max(width, 64), max(height, 64)])
        self._robot = RobotSurface(world.model, world.panda)
        self._arm, self._gripper, self._table = (len(world.objects) + k for k in range(3))
        self._owner = self._owners()
        self._table_distance = PointDistance(world.table_solid)
        rng = np.random.default_rng(0)
        self._samples = [made.solid.samples(_SAMPLES, rng) for made in world.objects]
        self._table_samples = world.table_solid.samples(_SAMPLES, rng)

    def close(self) -> None:
        """Free the graphics memory."""
        self._renderer.close()

    def picture(self, view: View) -> NDArray[np.uint8]:
        """(H, W, 3) colour only."""
        return _drawn(self._renderer.render(self._world.data, view.pose, view.camera, truth=False).rgb)

    def observe(self, view: View) -> Observation:
        """Colour, depth and everything a robot knows of its camera."""
        return self._observation(view, self._renderer.render(self._world.data, view.pose, view.camera))

    def visible_fractions(self, view: View) -> Float:
        """(n,) of all scene objects in their order, without the rest of the truth."""
        rendered = self._renderer.render(self._world.data, view.pose, view.camera, rgb=False)
        return self._visible_fractions(view, self._instances(rendered))

    def take(self, view: View) -> TrueView:
        """The observation and the true scene."""
        rendered = self._renderer.render(self._world.data, view.pose, view.camera)
        observation = self._observation(view, rendered)
        instances = self._instances(rendered)
        boxes, surfaces = self._boxes(view), self._surfaces(view)
        fractions = self._visible_fractions(view, instances)
        names = self._names()
        objects = []
        for index, (label, noun, attributes, asset) in enumerate(names):
            mask = instances == index + 1
            height, support = self._support(view, index)
            objects.append(
                SceneObject(
                    label=label,
                    noun=noun,
                    attributes=attributes,
                    asset=asset,
                    box2d=_box2d(mask),
                    box3d=boxes[index],
                    mask=mask,
                    points=back_project(_drawn(observation.depth), view.camera, mask),
                    surface=surfaces[index],
                    visible_fraction=float(fractions[index]),
                    instance_id=index + 1,
                    camera_height=height,
                    support_id=support,
                )
            )
        contacts = self._contacts()
        frame = CanonicalFrame.from_up(view.pose.up(), observation.camera_height, TABLE_ID)
        return TrueView(Scene(observation, tuple(objects), frame, self._gaps(contacts), contacts), instances)

    # ---- parts of the scene ----

    def _names(self) -> list[tuple[str, str, tuple[str, ...], str]]:
        """Label, noun, attributes and asset of every object."""
        things = [(o.label, o.item.noun, o.item.attributes, o.item.id) for o in self._world.objects]
        return [
            *things,
            (ARM_LABEL, ARM_LABEL, (), "panda"),
            (GRIPPER_LABEL, GRIPPER_LABEL, (), "panda/gripper"),
            (TABLE_LABEL, TABLE_LABEL, (), ""),
        ]

    def _owners(self) -> NDArray[np.int64]:
        """(n_geoms + 1,) index of the scene object a geom belongs to, -1 for none; the last entry is for "no geom"."""
        model, world = self._world.model, self._world
        owner = np.full(model.ngeom + 1, -1, dtype=np.int64)
        for index, body in enumerate(world.body_ids):
            owner[:-1][model.geom_bodyid == body] = index
        owner[world.panda.geom_ids(model)] = self._arm
        owner[world.panda.gripper_geom_ids(model)] = self._gripper
        for geom in range(model.ngeom):
            if model.geom(geom).name.startswith("table/"):
                owner[geom] = self._table
        return owner

    def _observation(self, view: View, rendered: Rendered) -> Observation:
        return Observation(
            rgb=_drawn(rendered.rgb),
            camera=view.camera,
            depth=rendered.depth,
            up=view.pose.up(),
            camera_height=float(view.pose.position[2] - TABLE_TOP_M),
            stamp_ns=round(self._world.data.time * 1e9),
            frame_id=view.frame_id,
        )

    def _instances(self, rendered: Rendered) -> NDArray[np.uint16]:
        return (self._owner[rendered.geom_ids] + 1).astype(np.uint16)  # id -1 picks the last entry

    def _support(self, view: View, index: int) -> tuple[float, str]:
        on_floor = index == self._table
        if index < len(self._world.objects):
            on_floor = self._world.data.xpos[self._world.body_ids[index]][2] < TABLE_TOP_M - 0.1
        height = float(view.pose.position[2])
        return (height, FLOOR_ID) if on_floor else (height - TABLE_TOP_M, TABLE_ID)

    def _boxes(self, view: View) -> Boxes:
        world = self._world
        table = world.table_solid
        parts = [
            world.boxes(),
            upright_box(np.eye(3), self._robot.points(world.data)),
            Boxes.points(world.tcp()),
            Boxes(table.center[None], table.size[None], np.eye(3)[None]),
        ]
        rotation = view.pose.rotation.T
        return Boxes.concatenate(parts).transformed(rotation, -rotation @ view.pose.position)

    def _surfaces(self, view: View) -> list[Float]:
        world = self._world
        things = [world.posed(k).to_world(samples) for k, samples in enumerate(self._samples)]
        arm = self._robot.points(world.data)
        arm = arm[:: max(1, len(arm) // (4 * _SAMPLES))]
        return [view.pose.to_optical(s) for s in (*things, arm, world.tcp()[None], self._table_samples)]

    def _contacts(self) -> frozenset[tuple[int, int]]:
        """Pairs that touch. What the gripper touches, so does the arm it is a part of; the arm stands on the table."""
        data = self._world.data
        pairs = {(self._arm, self._gripper), (self._arm, self._table)}
        touching = data.contact.geom[: data.ncon][data.contact.dist[: data.ncon] <= 0]
        for a, b in self._owner[touching].tolist():
            for first, second in ((a, b), *(((self._arm, b),) if a == self._gripper else ())):
                if min(first, second) >= 0 and first != second:
                    pairs.add((min(first, second), max(first, second)))
            if b == self._gripper and a >= 0:
                pairs.add((min(a, self._arm), max(a, self._arm)))
        return frozenset(pairs)

    def _gaps(self, contacts: frozenset[tuple[int, int]]) -> Float:
        world, n = self._world, self._table + 1
        gaps = np.zeros((n, n))
        things = [world.posed(k) for k in range(len(world.objects))]
        table = Posed(world.table_solid, np.eye(3), np.zeros(3))
        tcp = world.tcp()
        for i, thing in enumerate(things):
            for j in range(i):
                gaps[i, j] = 0.0 if (j, i) in contacts else near_gap(thing, things[j])
            gaps[self._arm, i] = 0.0 if (i, self._arm) in contacts else self._robot.gap(world.data, thing)
            gaps[self._gripper, i] = world.gap_to(i, tcp)
            gaps[self._table, i] = 0.0 if (i, self._table) in contacts else self._table_gap(i, table)
        gaps[self._table, self._gripper] = self._table_distance(tcp)
        return gaps + gaps.T

    def _table_gap(self, index: int, table: Posed) -> float:
        """Metres from an object to the table: the height of its lowest point while it is over the table top."""
        posed = self._world.posed(index)
        points = posed.to_world(self._world.objects[index].corners)
        solid = table.solid
        over = ((points[:, :2] > solid.lower[:2]) & (points[:, :2] < solid.upper[:2])).all()
        lowest = float(points[:, 2].min()) - TABLE_TOP_M
        return max(0.0, lowest) if over and lowest > -0.01 else near_gap(posed, table)

    def _visible_fractions(self, view: View, instances: NDArray[np.uint16]) -> Float:
        """Visible pixels over those of the whole object, alone and beyond the picture's edge."""
        points = [self._world.posed(k).to_world(made.corners) for k, made in enumerate(self._world.objects)]
        robot = self._robot.points(self._world.data)
        points += [robot, robot, self._world.table_solid.triangles.reshape(-1, 3)]
        tiles, shares, owners = [], [], []
        drawn = self._world.model.geom_group < 3
        for index, world_points in enumerate(points):
            tile = _tile(view, view.pose.to_optical(world_points), self._limit)
            if tile is not None:
                geoms = np.flatnonzero((self._owner[:-1] == index) & drawn)
                tiles.append((geoms, tile[0]))
                shares.append(tile[1])
                owners.append(index)
        areas = self._renderer.silhouette_areas(self._world.data, view.pose, tiles)
        visible = np.bincount(instances.ravel(), minlength=self._table + 2)[1:]
        fractions = np.zeros(self._table + 1)
        for owner, area, share in zip(owners, areas, shares, strict=True):
            if area > 0:
                fractions[owner] = min(1.0, visible[owner] / (area / share))
        return fractions


def _drawn(picture: NDArray[Any] | None) -> NDArray[Any]:
    """A channel that was asked for."""
    assert picture is not None
    return picture


def _tile(view: View, points: Float, limit: NDArray[np.int64]) -> tuple[Camera, float] | None:
    """A camera that frames the points, and its pixels per pixel of the picture; None when all are behind the camera."""
    pixels = view.camera.project(points[points[:, 2] > _NEAREST_M])
    if len(pixels) == 0:
        return None
    low = np.floor(pixels.min(axis=0)).astype(int) - 1
    size = np.ceil(pixels.max(axis=0)).astype(int) + 2 - low
    shrink = min(1.0, *(limit / size))
    tile = view.camera.cropped(int(low[0]), int(low[1]), int(size[0]), int(size[1]))
    if shrink < 1:
        tile = tile.resized(*(int(v) for v in np.maximum(1, np.floor(size * shrink))))
    return tile, tile.width * tile.height / float(size[0] * size[1])


def _box2d(mask: NDArray[np.bool_]) -> Float:
    """(4,) x0, y0, x1, y1 of the true pixels, ends exclusive; zeros when there is none."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if len(rows) == 0:
        return np.zeros(4)
    return np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], dtype=np.float64)
