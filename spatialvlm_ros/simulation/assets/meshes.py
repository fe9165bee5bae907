"""Triangles made few: joining equal vertices, merging parts, decimation that keeps texture coordinates, sharp edges."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.optional import require
from spatialvlm_ros.simulation.assets.sources.raw import RawPart

log = logging.getLogger(__name__)

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


def decimate(parts: Sequence[RawPart], max_faces: int) -> list[RawPart]:
    """Bring an object to about ``max_faces`` triangles.

    Parts with few triangles keep them all; only those above a common limit are reduced, down to it. Quadric edge
    collapse does the work; an object on which it stalls far above the limit (thousands of loose pieces) has its
    vertices joined on a grid instead.
    """
    counts = [len(part.faces) for part in parts]
    limit = _common_limit(counts, max_faces)
    reduced = [
        part if count <= limit else _collapse_edges(part, limit) for part, count in zip(parts, counts, strict=True)
    ]
    cells = 160
    while sum(len(part.faces) for part in reduced) > 1.15 * max_faces and cells > 8:
        reduced = [_join_on_grid(part, cells) if len(part.faces) > limit else part for part in reduced]
        cells = int(cells * 0.8)
    return [part for part in reduced if len(part.faces)]


def _common_limit(counts: Sequence[int], total: int) -> int:
    """The largest L for which the sum of min(count, L) stays within ``total``."""
    left, remaining = total, sorted(counts)
    for index, count in enumerate(remaining):
        share = left // (len(remaining) - index)
        if count > share:
            return max(share, 12)
        left -= count
    return max(counts, default=0)


def _collapse_edges(part: RawPart, target: int) -> RawPart:
    """Quadric edge collapse.

    Open edges get a skirt of extra triangles at a right angle to the surface. Without them, moving a vertex of a flat
    sheet within its plane costs nothing, and boards whose sides are separate sheets (each has its own texture
    coordinates) would fall apart.
    """
    simplification = require("fast_simplification", "simulation")
    # A local unit keeps the library's single precision away from its limits for small things.
    low = part.vertices.min(axis=0)
    unit = float(np.ptp(part.vertices, axis=0).max()) or 1.0
    real = (part.vertices - low) / unit
    skirt_vertices, skirt_faces = _skirts(real, part.faces)
    points = np.ascontiguousarray(np.concatenate([real, skirt_vertices]), dtype=np.float32)
    triangles = np.ascontiguousarray(np.concatenate([part.faces, skirt_faces]), dtype=np.int32)
    _, _, collapses = simplification.simplify(
        points, triangles, target_count=target + len(skirt_faces), agg=5, return_collapses=True
    )
    vertices, faces, target_of = simplification.replay_simplification(points, triangles, collapses)
    target_of = np.asarray(target_of)[: len(real)]
    is_real = np.zeros(len(vertices), dtype=bool)
    is_real[target_of[(target_of >= 0) & (target_of < len(vertices))]] = True
    faces = faces[is_real[faces].all(axis=1)].astype(np.int64)
    if len(faces) == 0:
        return part
    vertices = vertices.astype(np.float64)
    uv = None if part.uv is None else _carry_uv(real, part.uv, vertices, target_of)
    return compact(replace(part, vertices=vertices * unit + low, faces=faces, uv=uv))


def _skirts(vertices: NDArray, faces: NDArray) -> tuple[NDArray, NDArray]:
    """One extra vertex and triangle for each open edge: (S, 3) positions, (S, 3) indices after the given vertices."""
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    owner = np.tile(np.arange(len(faces)), 3)
    _, inverse, counts = np.unique(np.sort(edges, axis=1), axis=0, return_inverse=True, return_counts=True)
    is_open = counts[inverse.reshape(-1)] == 1
    edges, owner = edges[is_open], owner[is_open]
    a, b, c = (vertices[faces[:, i]] for i in range(3))
    normals = np.cross(b - a, c - a)
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-30)
    start, end = vertices[edges[:, 0]], vertices[edges[:, 1]]
    length = np.linalg.norm(end - start, axis=1, keepdims=True)
    tips = (start + end) / 2 + normals[owner] * length
    return tips, np.column_stack([edges[:, 1], edges[:, 0], len(vertices) + np.arange(len(edges))])


def _carry_uv(old: NDArray, old_uv: NDArray, new: NDArray, target_of: NDArray) -> NDArray[np.float64]:
    """(N, 2) texture coordinates of collapsed vertices: that of the nearest vertex that went into each."""
    valid = (target_of >= 0) & (target_of < len(new))
    sources = np.flatnonzero(valid)
    targets = target_of[sources]
    distance = np.linalg.norm(old[sources] - new[targets], axis=1)
    order = np.lexsort((distance, targets))
    chosen_targets, first = np.unique(targets[order], return_index=True)
    uv = np.zeros((len(new), 2))
    uv[chosen_targets] = old_uv[sources[order][first]]
    return uv


def _join_on_grid(part: RawPart, cells: int) -> RawPart:
    """Vertex clustering: every vertex moves to the vertex nearest to the middle of its grid cell."""
    low = part.vertices.min(axis=0)
    cell = (float(np.ptp(part.vertices, axis=0).max()) or 1.0) / cells
    index = np.floor((part.vertices - low) / cell).astype(np.int64)
    _, group = np.unique(index, axis=0, return_inverse=True)
    group = group.reshape(-1)
    middle = np.zeros((group.max() + 1, 3))
    for axis in range(3):
        middle[:, axis] = np.bincount(group, part.vertices[:, axis]) / np.bincount(group)
    distance = np.linalg.norm(part.vertices - middle[group], axis=1)
    order = np.lexsort((distance, group))
    _, first = np.unique(group[order], return_index=True)
    representative = order[first]
    return compact(
        replace(
            part,
            vertices=part.vertices[representative],
            uv=None if part.uv is None else part.uv[representative],
            faces=group[part.faces],
        )
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
