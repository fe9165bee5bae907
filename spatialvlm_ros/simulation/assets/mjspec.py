"""Items as MuJoCo meshes.

    spec = mujoco.MjSpec()
    body = spec.worldbody.add_body(name="mug", pos=[0, 0, 0.7])
    add_item(spec, body, item, name="mug")

The body frame is then the item frame (z up, x front, origin at the bottom centre): set the body's pose, or the
freejoint's qpos, and read ``data.xpos``/``data.xmat`` as the pose of the item frame.

MuJoCo moves the vertices of a mesh into its own centred, principal-axes frame. It compensates that in the geom's
pose, so nothing needs to be done as long as you work with bodies; a geom's ``data.geom_xpos`` is NOT the item origin.
Whoever reads ``model.mesh_vert`` gets the item frame back with ``R(mesh_quat) @ v + mesh_pos`` (`item_vertices`).
Meshes are declared as shells (``mjMESH_INERTIA_SHELL``), since many are open surfaces without a volume.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.simulation.assets.items import AssetItem, MeshPart

_LEAST_VERTICES = 4  # of a MuJoCo mesh


def add_item(
    spec: Any,
    body: Any,
    item: AssetItem,
    name: str,
    scale: tuple[float, float, float] = (1.0, 1.0, 1.0),
    group: int = 0,
) -> list[str]:
    """Add an item's parts as visual geoms (no contact, no mass) of ``body``.

    Meshes, textures and materials get names that start with ``name``; they are shared when the same ``name``
    is added again with the same item. Add your own collision geoms (boxes, cylinders) with mass.

    Args:
        spec: `mujoco.MjSpec`.
        body: the `MjsBody` to carry them.
        scale: factors along the item's x, y, z.
        group: geom group, e.g. to hide them.

    Returns:
        The names of the geoms, ``{name}/0``, ``{name}/1``, ...
    """
    import mujoco

    geoms = []
    for index, part in enumerate(item.parts()):
        part_name = f"{name}/{index}"
        _add_mesh(spec, part, part_name, scale)
        material = _add_material(spec, part, part_name)
        body.add_geom(
            name=part_name,
            type=mujoco.mjtGeom.mjGEOM_MESH,
            meshname=part_name,
            material=material,
            contype=0,
            conaffinity=0,
            mass=0.0,
            group=group,
        )
        geoms.append(part_name)
    return geoms


def _add_mesh(spec: Any, part: MeshPart, name: str, scale: tuple[float, float, float]) -> None:
    import mujoco

    vertices, uv = part.vertices, part.uv
    if len(vertices) < _LEAST_VERTICES:  # a single triangle: MuJoCo refuses it, a repeated vertex makes it content
        rows = np.arange(_LEAST_VERTICES) % len(vertices)
        vertices, uv = vertices[rows], None if uv is None else uv[rows]
    arguments: dict[str, Any] = {
        "name": name,
        "uservert": vertices.astype(np.float64).ravel(),
        "userface": part.faces.ravel(),
        "scale": list(scale),
        "inertia": mujoco.mjtMeshInertia.mjMESH_INERTIA_SHELL,
    }
    if uv is not None:
        arguments["usertexcoord"] = uv.astype(np.float64).ravel()
    spec.add_mesh(**arguments)


def _add_material(spec: Any, part: MeshPart, name: str) -> str:
    import mujoco

    arguments: dict[str, Any] = {"name": name, "rgba": list(part.rgba), "specular": 0.2, "shininess": 0.3}
    picture = part.texture_rgb()
    if picture is not None:
        texture = spec.add_texture(
            name=name,
            type=mujoco.mjtTexture.mjTEXTURE_2D,
            width=picture.shape[1],
            height=picture.shape[0],
            nchannel=3,
        )
        texture.data = picture.tobytes()
    material = spec.add_material(**arguments)
    if picture is not None:
        material.textures[mujoco.mjtTextureRole.mjTEXROLE_RGB] = name
    return name


def item_vertices(model: Any, mesh_id: int) -> NDArray[np.float64]:
    """(V, 3) vertices of a compiled mesh, back in the item frame (scaled), metres."""
    import mujoco

    start, count = model.mesh_vertadr[mesh_id], model.mesh_vertnum[mesh_id]
    rotation = np.zeros(9)
    mujoco.mju_quat2Mat(rotation, model.mesh_quat[mesh_id])
    vertices = model.mesh_vert[start : start + count].astype(np.float64)
    return vertices @ rotation.reshape(3, 3).T + model.mesh_pos[mesh_id]
