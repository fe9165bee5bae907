"""Visual meshes out of MuJoCo model files (MJCF) and plain STL files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from spatialvlm_ros.errors import AssetError
from spatialvlm_ros.optional import require
from spatialvlm_ros.simulation.assets.items import Rgba
from spatialvlm_ros.simulation.assets.sources.raw import RawPart


def read_mjcf(path: Path, keep_body: Callable[[str], bool] = lambda name: True) -> dict[str, list[RawPart]]:
    """Body name -> parts of its visual mesh geoms (those without contact), in the frame of that body, metres.

    Args:
        path: an MJCF file with its meshes and textures beside it.
        keep_body: bodies to read.

    Raises:
        AssetError: MuJoCo cannot read the model.
    """
    mujoco = require("mujoco", "sim")
    try:
        spec = mujoco.MjSpec.from_file(str(path))
        for geom in list(spec.geoms):
            if geom.type != mujoco.mjtGeom.mjGEOM_MESH or geom.contype or geom.conaffinity:
                spec.delete(geom)  # collision shapes: not needed, and slow to compile
        used = {geom.meshname for geom in spec.geoms}
        for mesh in list(spec.meshes):
            if mesh.name not in used:
                spec.delete(mesh)
        for mesh in spec.meshes:
            mesh.inertia = mujoco.mjtMeshInertia.mjMESH_INERTIA_SHELL
        for body in spec.bodies[1:]:  # without collision geoms, moving bodies have lost their mass
            if not body.explicitinertial:
                body.explicitinertial = True
                body.mass, body.inertia = 1.0, [1.0, 1.0, 1.0]
        model = spec.compile()
    except (ValueError, OSError) as error:
        raise AssetError("a MuJoCo model cannot be read", str(path), str(error)) from error
    bodies: dict[str, list[RawPart]] = {}
    for geom in range(model.ngeom):
        name = model.body(model.geom_bodyid[geom]).name
        if keep_body(name):
            bodies.setdefault(name, []).append(_geom_part(mujoco, model, geom))
    return bodies


def _geom_part(mujoco: Any, model: Any, geom: int) -> RawPart:
    """A mesh geom as a part in its body's frame."""
    mesh = model.geom_dataid[geom]
    first_vertex, first_face = model.mesh_vertadr[mesh], model.mesh_faceadr[mesh]
    vertices = model.mesh_vert[first_vertex : first_vertex + model.mesh_vertnum[mesh]].astype(np.float64)
    rows = slice(first_face, first_face + model.mesh_facenum[mesh])
    faces = model.mesh_face[rows].astype(np.int64)
    rotation = np.zeros(9)
    mujoco.mju_quat2Mat(rotation, model.geom_quat[geom])
    vertices = vertices @ rotation.reshape(3, 3).T + model.geom_pos[geom]
    material = model.geom_matid[geom]
    if material < 0:
        return RawPart(vertices, faces, rgba=_rgba(model.geom_rgba[geom]))
    rgba = _rgba(model.mat_rgba[material])
    texture = model.mat_texid[material][mujoco.mjtTextureRole.mjTEXROLE_RGB]
    if texture < 0 or model.mesh_texcoordadr[mesh] < 0:
        return RawPart(vertices, faces, rgba=rgba)
    first_uv = model.mesh_texcoordadr[mesh]
    uv = model.mesh_texcoord[first_uv : first_uv + model.mesh_texcoordnum[mesh]].astype(np.float64)
    uv = uv * model.mat_texrepeat[material]
    corners = np.stack([faces, model.mesh_facetexcoord[rows]], axis=2).reshape(-1, 2)
    used, faces = np.unique(corners, axis=0, return_inverse=True)
    return RawPart(vertices[used[:, 0]], faces.reshape(-1, 3), uv[used[:, 1]], rgba, _texture(model, texture))


def _rgba(values: np.ndarray) -> Rgba:
    red, green, blue, alpha = (float(v) for v in values)
    return red, green, blue, alpha


def _texture(model: Any, texture: int) -> np.ndarray:
    height, width = model.tex_height[texture], model.tex_width[texture]
    channels, start = model.tex_nchannel[texture], model.tex_adr[texture]
    pixels = model.tex_data[start : start + height * width * channels].reshape(height, width, channels)
    return np.ascontiguousarray(np.repeat(pixels, 3, axis=2) if channels == 1 else pixels[..., :3])


def read_stl(path: Path) -> RawPart:
    """Triangles of a binary STL file, in the file's frame and unit; raises `AssetError` when it is cut short."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise AssetError("a mesh file cannot be read", str(path), "Delete the cache folder and build again.") from error
    count = int(np.frombuffer(data[80:84], dtype="<u4")[0]) if len(data) >= 84 else -1
    if count <= 0 or len(data) < 84 + 50 * count:
        raise AssetError("an STL file is damaged or not binary", str(path), "Delete the cache folder and build again.")
    records = np.frombuffer(
        data[84 : 84 + 50 * count], dtype=np.dtype([("n", "<f4", 3), ("v", "<f4", (3, 3)), ("a", "<u2")])
    )
    corners = records["v"].reshape(-1, 3).astype(np.float64)
    vertices, faces = np.unique(corners, axis=0, return_inverse=True)
    return RawPart(vertices, faces.reshape(-1, 3))


def read_body_include(body: Path) -> list[RawPart]:
    """Visual geoms of an included body file whose STL meshes lie beside it, with their colours, metres.

    Args:
        body: file with ``<geom name="..._visual" mesh="..." rgba="..." pos="..."/>``; ``assets.xml`` beside it may
            scale a mesh.

    Raises:
        AssetError: a file is missing or not XML, or there is no visual geom.
    """
    try:
        geoms = ElementTree.parse(body).getroot().iter("geom")
        meshes = ElementTree.parse(body.with_name("assets.xml")).getroot().iter("mesh")
    except (OSError, ElementTree.ParseError) as error:
        raise AssetError("a MuJoCo body file cannot be read", str(body), str(error)) from error
    scales = {mesh.get("name"): _vector(mesh.get("scale", "1 1 1")) for mesh in meshes}
    parts = []
    for geom in geoms:
        if not geom.get("name", "").endswith("_visual"):
            continue
        mesh = geom.get("mesh", "")
        part = read_stl(body.with_name(f"{mesh}.stl"))
        red, green, blue, alpha = _vector(geom.get("rgba", "0.7 0.7 0.7 1"))
        vertices = part.vertices * scales.get(mesh, np.ones(3)) + _vector(geom.get("pos", "0 0 0"))
        parts.append(RawPart(vertices, part.faces, rgba=(red, green, blue, alpha)))
    if not parts:
        raise AssetError("a MuJoCo body file has no visual geom", str(body), "Drop it from nouns.yaml.")
    return parts


def _vector(text: str) -> np.ndarray:
    return np.array([float(v) for v in text.split()])
