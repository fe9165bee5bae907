"""Triangles in good order: parts of one material merged, equal vertices joined, sharp edges split."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from spatialvlm_ros.simulation.assets.sources.raw import RawPart

_SHARP_COSINE = float(np.cos(np.radians(40.0)))


def merge_parts(parts: Sequence[RawPart]) -> list[RawPart]:
    """Parts with the same colour and texture become one: fewer geoms to draw."""
    groups: dict[tuple, list[RawPart]] = {}
    for part in parts:
        picture = None if part.texture is None else part.texture.tobytes()
        colour = tuple(round(v, 2) for v in part.rgba)
        groups.setdefault((colour, picture, part.uv is None), []).append(part)
    merged = []
    for members in groups.values():
        offsets = np.cumsum([0] + [len(part.vertices) for part in members[:-1]])
        first = members[0]
        merged.append(
            replace(
                first,
                vertices=np.concatenate([part.vertices for part in members]),
                faces=np.concatenate([part.faces + offset for part, offset in zip(members, offsets, strict=True)]),
                uv=None if first.uv is None else np.concatenate([part.uv for part in members]),
            )
        )
    return merged


def weld(part: RawPart) -> RawPart:
    """Join vertices at the same place (to a hundredth of a millimetre) and texture coordinate; drop empty triangles."""
    key = np.round(part.vertices, 5)
    if part.uv is not None:
        key = np.concatenate([key, np.round(part.uv, 4)], axis=1)
    _, first, inverse = np.unique(key, axis=0, return_index=True, return_inverse=True)
    return compact(
        replace(
            part,
            vertices=part.vertices[first],
            uv=None if part.uv is None else part.uv[first],
            faces=inverse.reshape(-1)[part.faces],
        )
    )


def compact(part: RawPart) -> RawPart:
    """Drop triangles without area, repeated triangles, and vertices that no triangle uses."""
    faces = part.faces
    different = (faces[:, 0] != faces[:, 1]) & (faces[:, 1] != faces[:, 2]) & (faces[:, 2] != faces[:, 0])
    faces = faces[different]
    a, b, c = (part.vertices[faces[:, i]] for i in range(3))
    faces = faces[np.linalg.norm(np.cross(b - a, c - a), axis=1) > 1e-12]
    if len(faces):
        rolled = np.take_along_axis(faces, (np.argmin(faces, axis=1)[:, None] + np.arange(3)) % 3, axis=1)
        _, first = np.unique(rolled, axis=0, return_index=True)  # same winding; a two-sided sheet keeps both sides
        faces = faces[np.sort(first)]
    used, inverse = np.unique(faces, return_inverse=True)
    return replace(
        part,
        vertices=part.vertices[used],
        uv=None if part.uv is None else part.uv[used],
        faces=inverse.reshape(-1, 3),
    )


def split_sharp_edges(part: RawPart) -> RawPart:
    """Double the vertices along edges sharper than 40 degrees, so that each side is shaded by itself."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    faces = part.faces
    count = len(faces)
    a, b, c = (part.vertices[faces[:, i]] for i in range(3))
    normals = np.cross(b - a, c - a)
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-30)
    # Half edges (start corner, end corner) of each face; two faces share an edge when the vertex pairs are equal.
    start = np.concatenate([np.arange(count) * 3 + k for k in range(3)])
    end = np.concatenate([np.arange(count) * 3 + (k + 1) % 3 for k in range(3)])
    flat = faces.reshape(-1)
    pair = np.sort(np.stack([flat[start], flat[end]], axis=1), axis=1)
    order = np.lexsort((pair[:, 1], pair[:, 0]))
    same = (pair[order][1:] == pair[order][:-1]).all(axis=1)
    first, second = order[:-1][same], order[1:][same]
    smooth = (normals[start[first] // 3] * normals[start[second] // 3]).sum(axis=1) > _SHARP_COSINE
    first, second = first[smooth], second[smooth]
    aligned = flat[start[first]] == flat[start[second]]
    joined_a = np.concatenate([start[first], end[first]])
    joined_b = np.concatenate(
        [np.where(aligned, start[second], end[second]), np.where(aligned, end[second], start[second])]
    )
    graph = coo_matrix((np.ones(len(joined_a), bool), (joined_a, joined_b)), shape=(3 * count, 3 * count))
    _, group = connected_components(graph, directed=False)
    _, representative, inverse = np.unique(group, return_index=True, return_inverse=True)
    source = flat[representative]
    return replace(
        part,
        vertices=part.vertices[source],
        uv=None if part.uv is None else part.uv[source],
        faces=inverse.reshape(-1, 3),
    )
