"""The room that the robot works in: a table on a floor, a lamp, and the settings of the physics."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]

TABLE_LABEL = "table"
TABLE_TOP_M = 0.72  # height of the table over the floor
TIMESTEP_S = 0.004
_TABLE_CENTER, _TABLE_SIZE, _TABLE_THICK_M, _LEG_M = (0.3, 0.0), (1.0, 1.3), 0.03, 0.05


@dataclass(frozen=True)
class Look:
    """Colours and light of a world, 0..1."""

    table: tuple[float, float, float] = (0.72, 0.58, 0.42)
    floor: tuple[float, float, float] = (0.45, 0.47, 0.50)
    light: tuple[float, float, float] = (0.6, -0.5, 2.2)  # position, metres
    brightness: float = 0.7

    @staticmethod
    def draw(rng: np.random.Generator) -> Look:
        """A random one."""
        table = np.array([0.75, 0.65, 0.55]) * rng.uniform(0.35, 1.2) + rng.uniform(-0.08, 0.08, 3)
        floor = rng.uniform(0.2, 0.7) + rng.uniform(-0.08, 0.08, 3)
        light = (rng.uniform(-0.6, 1.4), rng.uniform(-1.3, 1.3), rng.uniform(1.9, 2.6))
        return Look(_colour(table), _colour(floor), light, float(rng.uniform(0.5, 0.9)))


def _colour(values: Float) -> tuple[float, float, float]:
    red, green, blue = np.clip(values, 0.05, 0.95)
    return float(red), float(green), float(blue)


def set_physics(spec: Any, mujoco: Any) -> None:
    """Solver settings for grasping, and the light of the camera."""
    spec.option.timestep = TIMESTEP_S
    spec.option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    # Elliptic cones and a high impedance ratio keep held objects from creeping out of the fingers.
    spec.option.cone = mujoco.mjtCone.mjCONE_ELLIPTIC
    spec.option.impratio = 10.0
    spec.option.iterations = 30
    spec.option.tolerance = 1e-7
    spec.visual.headlight.ambient = [0.3, 0.3, 0.3]
    spec.visual.headlight.diffuse = [0.3, 0.3, 0.3]
    spec.visual.headlight.specular = [0.0, 0.0, 0.0]
    spec.visual.quality.shadowsize = 2048
    spec.visual.map.shadowscale = 0.9  # narrower, and the corners of the table speckle themselves
    spec.stat.extent, spec.stat.center = 1.5, [0.35, 0.0, TABLE_TOP_M]  # what MuJoCo lays its shadow maps out for


def table_boxes() -> tuple[Float, Float]:
    """Centres and sizes (5, 3) of the top and four legs, world frame."""
    (x, y), (dx, dy) = _TABLE_CENTER, _TABLE_SIZE
    leg_height = TABLE_TOP_M - _TABLE_THICK_M
    centers = [[x, y, TABLE_TOP_M - _TABLE_THICK_M / 2]]
    sizes = [[dx, dy, _TABLE_THICK_M]]
    for sx in (-1, 1):
        for sy in (-1, 1):
            centers.append([x + sx * (dx / 2 - 0.06), y + sy * (dy / 2 - 0.06), leg_height / 2])
            sizes.append([_LEG_M, _LEG_M, leg_height])
    return np.array(centers), np.array(sizes)


def build_room(spec: Any, mujoco: Any, look: Look) -> None:
    """Floor, table, sky and lamp; the table's geoms are named ``table/0`` ..."""
    world = spec.worldbody
    floor = world.add_geom(name="floor", type=mujoco.mjtGeom.mjGEOM_PLANE, size=[6, 6, 0.1], rgba=[*look.floor, 1])
    floor.castshadow = False  # nothing is below it, and at a distance it would speckle itself
    for k, (center, size) in enumerate(zip(*table_boxes(), strict=True)):
        world.add_geom(
            name=f"table/{k}",
            type=mujoco.mjtGeom.mjGEOM_BOX,
            pos=center.tolist(),
            size=(size / 2).tolist(),
            rgba=[*look.table, 1],
            friction=[0.9, 0.01, 0.001],
        )
    spec.add_texture(
        name="sky",
        type=mujoco.mjtTexture.mjTEXTURE_SKYBOX,
        builtin=mujoco.mjtBuiltin.mjBUILTIN_GRADIENT,
        rgb1=[0.85, 0.86, 0.88],
        rgb2=[0.6, 0.62, 0.65],
        width=64,
        height=64 * 6,
    )
    target = np.array([0.35, 0.0, TABLE_TOP_M])
    position = np.array(look.light)
    world.add_light(
        name="lamp",
        pos=position.tolist(),
        dir=((target - position) / np.linalg.norm(target - position)).tolist(),
        diffuse=[look.brightness] * 3,
        specular=[0.2] * 3,
        cutoff=70.0,
        exponent=2.0,
        castshadow=True,
    )
