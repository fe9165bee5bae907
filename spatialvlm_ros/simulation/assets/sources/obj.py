"""Wavefront OBJ and MTL text, parsed by whole arrays: model files here have up to a million lines."""

from __future__ import annotations

import posixpath
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.errors import AssetError
from spatialvlm_ros.simulation.assets.items import Rgba
from spatialvlm_ros.simulation.assets.sources.raw import RawPart
from spatialvlm_ros.simulation.assets.textures import Texture

ReadFile = Callable[[str], bytes | None]


@dataclass(frozen=True)
class ObjMaterial:
    """A material of an MTL file: colour and, where it has one, the name of its texture picture."""

    rgba: Rgba = (0.7, 0.7, 0.7, 1.0)
    texture: str | None = None


# Glass is drawn this opaque at least: MuJoCo has no reflections by which a clearer one could be seen.
_LEAST_ALPHA = 0.35
_INVISIBLE_ALPHA = 0.02


def parse_mtl(text: str) -> dict[str, ObjMaterial]:
    """Material name -> material."""
    materials: dict[str, ObjMaterial] = {}
    name, diffuse, alpha, texture = None, (0.7, 0.7, 0.7), 1.0, None

    def store() -> None:
        if name is not None:
            materials[name] = ObjMaterial((*diffuse, alpha), texture)

    for line in text.splitlines():
        key, _, value = line.strip().partition(" ")
        value = value.strip()
        if key == "newmtl":
            store()
            name, diffuse, alpha, texture = value, (0.7, 0.7, 0.7), 1.0, None
        elif key == "Kd":
            red, green, blue = (min(1.0, max(0.0, float(v))) for v in value.split()[:3])
            diffuse = (red, green, blue)
        elif key == "d":
            alpha = float(value.split()[-1])
        elif key == "map_Kd":
            texture = value.replace("\\", "/")
    store()
    return materials


def read_obj(path: str, read: ReadFile, load_texture: Callable[[bytes], Texture | None]) -> list[RawPart]:
    """Parts of an OBJ file, one for each material, in the file's own axes and unit.

    Args:
        path: of the OBJ file inside its archive or folder.
        read: gives the bytes of a file by its path, or None when there is no such file.
        load_texture: decodes a picture.

    Raises:
        AssetError: no such file, or it holds something else than OBJ text.
    """
    data = read(path)
    if data is None:
        raise AssetError("a model file is missing in its package", path, "Delete the cache folder and build again.")
    try:
        vertices, texcoords, groups, libraries = _parse(data)
    except (ValueError, IndexError) as error:
        raise AssetError("a model file is not readable as OBJ text", path, "Drop it from nouns.yaml.") from error
    folder = posixpath.dirname(path)
    materials: dict[str, ObjMaterial] = {}
    for library in libraries:
        text = read(posixpath.join(folder, library))
        if text is not None:
            materials.update(parse_mtl(text.decode("latin-1")))
    parts = []
    for name, corners in groups.items():
        material = materials.get(name, ObjMaterial())
        if material.rgba[3] > _INVISIBLE_ALPHA:
            parts.append(_part(vertices, texcoords, corners, material, folder, read, load_texture))
    return parts


def _part(
    vertices: NDArray[np.float64],
    texcoords: NDArray[np.float64],
    corners: NDArray[np.int64],
    material: ObjMaterial,
    folder: str,
    read: ReadFile,
    load_texture: Callable[[bytes], Texture | None],
) -> RawPart:
    """One part from (F, 3, 2) corner indices (vertex, texture coordinate or -1)."""
    texture = None
    if material.texture is not None and (corners[..., 1] >= 0).all() and len(texcoords):
        data = read(posixpath.join(folder, material.texture))
        if data is None:  # exporters wrote the path on their own disk
            data = read(posixpath.join(folder, posixpath.basename(material.texture)))
        texture = load_texture(data) if data is not None else None
    red, green, blue, alpha = material.rgba
    alpha = 1.0 if alpha >= 0.99 else max(_LEAST_ALPHA, alpha)
    if texture is None:
        used, faces = np.unique(corners[..., 0], return_inverse=True)
        return RawPart(vertices[used], faces.reshape(-1, 3), rgba=(red, green, blue, alpha))
    used, faces = np.unique(corners.reshape(-1, 2), axis=0, return_inverse=True)
    uv = texcoords[used[:, 1]] * [1, -1] + [0, 1]  # OBJ counts v upwards
    return RawPart(
        vertices[used[:, 0]],
        faces.reshape(-1, 3),
        uv,
        (1.0, 1.0, 1.0, alpha),
        texture.rgb,
        texture.cut_out,
    )


def _parse(data: bytes) -> tuple[NDArray, NDArray, dict[str, NDArray[np.int64]], list[str]]:
    """Vertices (V, 3), texture coordinates (T, 2), corners (F, 3, 2) by material, and material libraries."""
    vertex_lines: list[bytes] = []
    uv_lines: list[bytes] = []
    face_lines: dict[str, list[bytes]] = {}
    libraries: list[str] = []
    current = face_lines.setdefault("", [])
    for line in data.replace(b"\\\n", b" ").replace(b"\t", b" ").split(b"\n"):
        start = line[:2]
        if start == b"v ":
            vertex_lines.append(line[2:])
        elif start == b"vt":
            uv_lines.append(line[3:])
        elif start == b"f ":
            current.append(line[2:])
        elif line.startswith(b"usemtl"):
            current = face_lines.setdefault(line[6:].strip().decode("latin-1"), [])
        elif line.startswith(b"mtllib"):
            libraries.append(line[6:].strip().decode("latin-1"))
    vertices = _numbers(vertex_lines, 3)
    texcoords = _numbers(uv_lines, 2)
    counts = (len(vertices), len(texcoords))
    groups = {name: _corners(lines, counts) for name, lines in face_lines.items() if lines}
    return vertices, texcoords, groups, libraries


def _numbers(lines: list[bytes], columns: int) -> NDArray[np.float64]:
    if not lines:
        return np.zeros((0, columns))
    width = len(lines[0].split())
    values = np.array(b" ".join(lines).split(), dtype=np.float64)
    if len(values) == width * len(lines):
        return values.reshape(len(lines), width)[:, :columns]
    return np.array([line.split()[:columns] for line in lines], dtype=np.float64)


def _corners(lines: list[bytes], counts: tuple[int, int]) -> NDArray[np.int64]:
    """(F, 3, 2) zero-based vertex and texture indices (-1 where there is none) of fans over polygon lines."""
    tokens_of = [line.split() for line in lines]
    sizes = np.array([len(tokens) for tokens in tokens_of])
    tokens = [token for row in tokens_of for token in row]
    slashes = tokens[0].count(b"/")
    joined = b" ".join(tokens)
    if joined.count(b"/") == slashes * len(tokens) and b"//" not in joined:
        table = np.array(joined.replace(b"/", b" ").split(), dtype=np.int64).reshape(len(tokens), slashes + 1)
        indices = np.stack([table[:, 0], table[:, 1] if slashes else np.zeros(len(tokens), np.int64)], axis=1)
    else:  # "1//3", or a mixture
        split = [token.split(b"/") for token in tokens]
        indices = np.array([[int(s[0]), int(s[1]) if len(s) > 1 and s[1] else 0] for s in split], dtype=np.int64)
    for column, count in enumerate(counts):
        values = indices[:, column]
        indices[:, column] = np.where(values < 0, values + count, values - 1)  # 0 (none) becomes -1
    if (indices[:, 0] >= counts[0]).any() or (indices[:, 0] < 0).any() or (indices[:, 1] >= counts[1]).any():
        raise ValueError("face index outside the file")
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    triangles = []
    for size in np.unique(sizes[sizes >= 3]):
        first = starts[sizes == size]
        for k in range(1, size - 1):
            triangles.append(np.stack([first, first + k, first + k + 1], axis=1))
    if not triangles:
        return np.zeros((0, 3, 2), np.int64)
    return indices[np.concatenate(triangles)]
