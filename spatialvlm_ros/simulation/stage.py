"""One compiled set of objects, and how a layout is put on it.

Everything that a layout decides is written on every call of `Stage.arrange` (poses, sizes of tables and walls,
materials, what is hidden), so that nothing is left of the scene before.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.simulation.assets.mjspec import add_item
from spatialvlm_ros.simulation.assets.pack import AssetPack
from spatialvlm_ros.simulation.layouts import Built, Layout, Prop, Wall
from spatialvlm_ros.simulation.lighting import N_LIGHTS, Lighting
from spatialvlm_ros.simulation.rendering import require_mujoco
from spatialvlm_ros.simulation.solids import yaw_matrix
from spatialvlm_ros.simulation.surface_textures import SIZE, TEXTURES, make_texture

Float = NDArray[np.float64]

N_MATERIALS = 10  # of tables, floors and walls
_N_BUILT, _N_BOXES, _N_WALLS = 2, 6, 4
_SHOWN, _HIDDEN = 0, 5  # geom groups
_SLAB_M = 0.05  # half thickness of floor, walls and ceiling
_SHADOW_REACH_M = {"table": 1.7, "room": 4.5}  # half width of the area with shadows
_LIGHT_DISTANCE_M = 6.0


@dataclass(frozen=True)
class StageOptions:
    """How a stage is drawn: samples per pixel of the colour picture, pixels of the shadow map."""

    antialiasing: int = 4
    shadow_size: int = 2048


class Stage:
    """A compiled MuJoCo model with a set of props, adjustable tables, walls and lights, and perhaps a Panda.

    Args:
        kind: "table" or "room".
        props: objects that layouts can place.
        with_arm: add the Panda.
        pack: where the arm's meshes come from.
        options: picture quality.
        rng: colours and textures of the surfaces.
    """

    def __init__(
        self,
        kind: str,
        props: tuple[Prop, ...],
        with_arm: bool,
        pack: AssetPack,
        options: StageOptions,
        rng: np.random.Generator,
    ) -> None:
        mujoco = require_mujoco()
        self._mj = mujoco
        spec = mujoco.MjSpec()
        spec.compiler.inertiafromgeom = mujoco.mjtInertiaFromGeom.mjINERTIAFROMGEOM_AUTO
        spec.stat.extent = 1.0
        spec.stat.center = [0.0, 0.0, 0.0]
        spec.visual.map.shadowclip = _SHADOW_REACH_M[kind]
        spec.visual.quality.offsamples = options.antialiasing
        spec.visual.quality.shadowsize = max(options.shadow_size, 1)
        self.options = options
        self.arm = _add_arm(spec, pack) if with_arm else None
        _add_surfaces(spec, rng)
        _add_structure(spec)
        for prop in props:
            body = spec.worldbody.add_body(name=f"prop{prop.index}", mocap=True)
            add_item(spec, body, prop.item, f"prop{prop.index}", prop.scale, group=_HIDDEN)
        self.model = spec.compile()
        self.data = mujoco.MjData(self.model)
        self._find_names(props)

    def _find_names(self, props: tuple[Prop, ...]) -> None:
        model = self.model
        bodies = {p.index: model.body(f"prop{p.index}").id for p in props}
        self.prop_geoms = {k: np.flatnonzero(model.geom_bodyid == body) for k, body in bodies.items()}
        self._mocap = {k: int(model.body_mocapid[body]) for k, body in bodies.items()}
        self.built_geoms = [
            np.array([model.geom(f"built{slot}/{k}").id for k in range(_N_BOXES)]) for slot in range(_N_BUILT)
        ]
        self._floor, self._ceiling = model.geom("floor").id, model.geom("ceiling").id
        self._walls = np.array([model.geom(f"wall{k}").id for k in range(_N_WALLS)])
        self._materials = np.array([model.material(f"surface{k}").id for k in range(N_MATERIALS)])
        self._groups = model.geom_group.copy()  # with all props hidden
        self.arm_geoms = np.zeros(0, np.intp)
        if self.arm is not None:
            robot = self.arm.geom_ids(model)
            self.arm_geoms = robot[self._groups[robot] == 2]
            gripper = self.arm.gripper_geom_ids(model)
            self.gripper_geoms = gripper[self._groups[gripper] == 2]

    # ---- a layout ----

    def arrange(self, layout: Layout) -> None:
        """Put everything where ``layout`` says, hide what it does not use, and update the kinematics."""
        model, data = self.model, self.data
        model.geom_group[:] = self._groups
        data.mocap_pos[:] = [0.0, 0.0, -50.0]
        data.mocap_quat[:] = [1.0, 0.0, 0.0, 0.0]
        for placed in layout.placed:
            slot = self._mocap[placed.prop.index]
            data.mocap_pos[slot] = placed.position
            data.mocap_quat[slot] = _yaw_quaternion(placed.yaw)
            model.geom_group[self.prop_geoms[placed.prop.index]] = _SHOWN
        for slot in range(_N_BUILT):
            self._set_built(slot, layout.built[slot] if slot < len(layout.built) else None)
        self._set_structure(layout)
        self._set_arm(layout)
        self._mj.mj_kinematics(model, data)
        self._mj.mj_comPos(model, data)

    def _set_built(self, slot: int, built: Built | None) -> None:
        geoms = self.built_geoms[slot]
        self.model.geom_group[geoms] = _HIDDEN
        if built is None:
            return
        turn = yaw_matrix(built.yaw)
        for k, (center, size) in enumerate(zip(built.centers, built.sizes, strict=True)):
            geom = geoms[k]
            self._set_slab(geom, turn @ center + np.array([*built.position, 0.0]), _yaw_quaternion(built.yaw), size / 2)
            self.model.geom_matid[geom] = self._materials[built.finish[0 if k == 0 else 1]]

    def _set_structure(self, layout: Layout) -> None:
        model = self.model
        level = np.array([1.0, 0.0, 0.0, 0.0])
        half = np.array([*layout.floor, _SLAB_M])
        self._set_slab(self._floor, np.array([0.0, 0.0, -_SLAB_M]), level, half)
        model.geom_matid[self._floor] = self._materials[layout.materials[0]]
        model.geom_group[self._walls] = _HIDDEN
        for geom, wall in zip(self._walls, layout.walls, strict=False):
            self._set_wall(geom, wall)
            model.geom_matid[geom] = self._materials[layout.materials[1]]
        model.geom_group[self._ceiling] = _HIDDEN
        if layout.ceiling is not None:
            self._set_slab(self._ceiling, np.array([0.0, 0.0, layout.ceiling + _SLAB_M]), level, half)

    def _set_wall(self, geom: int, wall: Wall) -> None:
        # Its own z axis is its normal, since a flat texture is laid across a box's own x and y.
        normal = np.array([*wall.normal, 0.0])
        up = np.array([0.0, 0.0, 1.0])
        rotation = np.stack([np.cross(up, normal), up, normal], axis=1)
        quaternion = np.zeros(4)
        self._mj.mju_mat2Quat(quaternion, rotation.ravel())
        center = np.array([*wall.middle, wall.height / 2]) - _SLAB_M * normal
        self._set_slab(geom, center, quaternion, np.array([wall.length / 2, wall.height / 2, _SLAB_M]))

    def _set_slab(self, geom: int, center: Float, quaternion: Float, half: Float) -> None:
        self.model.geom_pos[geom] = center
        self.model.geom_quat[geom] = quaternion
        self.model.geom_size[geom] = half
        self.model.geom_rbound[geom] = np.linalg.norm(half)
        self.model.geom_group[geom] = _SHOWN

    def _set_arm(self, layout: Layout) -> None:
        if self.arm is None:
            return
        base = self.model.body(self.arm.arm_bodies[0]).id
        if layout.arm is None:
            self.model.body_pos[base] = [0.0, 0.0, -50.0]
            self.model.geom_group[self.arm_geoms] = _HIDDEN
            return
        self.model.body_pos[base] = layout.arm.position
        self.model.body_quat[base] = _yaw_quaternion(layout.arm.yaw)
        self.arm.set_configuration(self.model, self.data, layout.arm.joints, layout.arm.opening)

    # ---- light and colours ----

    def paint(self, rng: np.random.Generator) -> None:
        """Give the surface materials new tints, texture scales and shine."""
        model = self.model
        for material in self._materials:
            model.mat_rgba[material, :3] = rng.uniform(0.7, 1.0) * (1 + rng.uniform(-0.12, 0.12, 3)).clip(0, 1.0)
            model.mat_texrepeat[material] = 2.0 ** rng.uniform(-0.5, 1.5)
            model.mat_specular[material] = rng.uniform(0.0, 0.5)
            model.mat_shininess[material] = rng.uniform(0.1, 0.8)

    def light(self, lighting: Lighting, center: Float) -> None:
        """Set the lights; shadows are sharpest around ``center`` (3,)."""
        model, data = self.model, self.data
        model.light_dir[:N_LIGHTS] = lighting.directions
        model.light_pos[:N_LIGHTS] = center - _LIGHT_DISTANCE_M * lighting.directions
        model.light_diffuse[:N_LIGHTS] = lighting.colors
        model.light_specular[:N_LIGHTS] = lighting.specular[:, None]
        model.light_ambient[:N_LIGHTS] = 0.0
        model.vis.headlight.ambient[:] = lighting.ambient
        self._mj.mj_camlight(model, data)


def _yaw_quaternion(yaw: float) -> Float:
    """(4,) w, x, y, z: MuJoCo's order."""
    return np.array([np.cos(yaw / 2), 0.0, 0.0, np.sin(yaw / 2)])


def _add_surfaces(spec: Any, rng: np.random.Generator) -> None:
    import mujoco

    names = list(TEXTURES)
    for k in range(N_MATERIALS):
        name = names[k] if k < len(names) else names[int(rng.integers(len(names)))]
        texture = spec.add_texture(
            name=f"surface{k}", type=mujoco.mjtTexture.mjTEXTURE_2D, width=SIZE, height=SIZE, nchannel=3
        )
        texture.data = make_texture(name, rng).tobytes()
        material = spec.add_material(name=f"surface{k}", texuniform=True, texrepeat=[1, 1])
        material.textures[mujoco.mjtTextureRole.mjTEXROLE_RGB] = f"surface{k}"
    spec.add_texture(
        name="sky",
        type=mujoco.mjtTexture.mjTEXTURE_SKYBOX,
        builtin=mujoco.mjtBuiltin.mjBUILTIN_GRADIENT,
        rgb1=list(rng.uniform(0.6, 0.95, 3)),
        rgb2=list(rng.uniform(0.3, 0.8, 3)),
        width=64,
        height=384,
    )
    spec.visual.headlight.diffuse = [0, 0, 0]
    spec.visual.headlight.specular = [0, 0, 0]


def _add_structure(spec: Any) -> None:
    import mujoco

    names = ["floor", "ceiling", *(f"wall{k}" for k in range(_N_WALLS))]
    names += [f"built{slot}/{k}" for slot in range(_N_BUILT) for k in range(_N_BOXES)]
    for name in names:
        spec.worldbody.add_geom(
            name=name,
            type=mujoco.mjtGeom.mjGEOM_BOX,
            # Sizes, places and materials are set by each layout. Unequal half sizes and a turned frame keep MuJoCo
            # from marking the geom as aligned with its body, which would make it ignore later changes of its pose.
            size=[0.1, 0.2, 0.3],
            pos=[0.1, 0.2, 0.3],
            quat=[0.9, 0.1, 0.2, 0.3],
            material="" if name == "ceiling" else "surface0",
            rgba=[0.85, 0.85, 0.83, 1.0] if name == "ceiling" else [0.5, 0.5, 0.5, 1.0],
            contype=0,
            conaffinity=0,
            group=_HIDDEN,
            # Light from outside falls into a room as if through its walls and ceiling.
            castshadow=name.startswith("built"),
        )
    for k in range(N_LIGHTS):
        spec.worldbody.add_light(
            name=f"light{k}", type=mujoco.mjtLightType.mjLIGHT_DIRECTIONAL, castshadow=k == 0, dir=[0, 0, -1]
        )


def _add_arm(spec: Any, pack: AssetPack) -> Any:
    from spatialvlm_ros.simulation.robot.panda import add_panda

    return add_panda(spec, pack=pack)
