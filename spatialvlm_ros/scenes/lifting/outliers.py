"""From the pixels of a mask to the clean points of an object.

A mask is never exact at its border, and depth sensors invent points between an object and what is behind it. The
method "edges" drops pixels beside depth steps and clusters that are small; "paper" is the cleaning of the paper
(appendix A.2): statistical outlier removal (50 neighbours, ratio 1.2), voxels, DBSCAN, all scaled by the spread.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.geometry.cameras import Camera
from spatialvlm_ros.optional import require
from spatialvlm_ros.scenes.lifting.options import OutlierOptions

Float = NDArray[np.float64]
Bool = NDArray[np.bool_]

_LEAST_KEPT = 0.3  # a mask that loses more than the rest to edges is thin: keep its edges
_CLUSTER_CELLS = 12.0  # cells of the cluster grid along the spread of the points
_FEWEST_CELL_M = 0.008
_NEIGHBOURS = 50
_STATISTICAL_RATIO = 1.2


def edge_pixels(depth: NDArray[np.float32], relative_step: float) -> Bool:
    """(H, W) pixels on the far side of a depth step: points invented between two surfaces, and the rim of what is
    behind a mask that is a little too large. The near side of a step is the object's own outline and stays.

    The bend of inverse depth along rows and columns is 0 on any plane, however steep, so slopes are no steps.

    Args:
        depth: metres, NaN invalid.
        relative_step: step over depth from which it counts; more where the picture is noisier than that.
    """
    valid = np.isfinite(depth) & (depth > 0)
    inverse = np.where(valid, 1.0 / np.where(valid, depth, 1.0), np.nan).astype(np.float32)
    edges = np.zeros(depth.shape, dtype=bool)
    for values, marked in ((inverse, edges), (inverse.T, edges.T)):
        if len(values) < 3:
            continue
        bend = (values[:-2] + values[2:]) / values[1:-1] - 2.0  # NaN beside invalid pixels: no edge known there
        noise = np.nanmedian(np.abs(bend[::4, ::4])) if np.isfinite(bend[::4, ::4]).any() else 0.0
        marked[1:-1] |= bend > max(relative_step, 4.0 * float(noise))
    return edges


def object_points(
    depth: NDArray[np.float32], camera: Camera, mask: Bool, edges: Bool, options: OutlierOptions
) -> Float:
    """(N, 3) clean points in metres of the pixels in ``mask`` (H, W), at most ``options.max_points`` of them.

    Args:
        depth: (H, W) metres, NaN invalid.
        edges: (H, W) from `edge_pixels`; unused by the other methods.
    """
    rows, columns = np.nonzero(mask & np.isfinite(depth) & (depth > 0))
    if options.method == "edges" and len(rows):
        inner = ~edges[rows, columns]
        if inner.sum() >= max(options.min_points, _LEAST_KEPT * len(rows)):
            rows, columns = rows[inner], columns[inner]
    if len(rows) > options.max_points:
        chosen = np.linspace(0, len(rows) - 1, options.max_points).round().astype(np.int64)
        rows, columns = rows[chosen], columns[chosen]
    points = camera.pixel_rays()[rows, columns] * depth[rows, columns].astype(np.float64)[:, None]
    points = points[np.isfinite(points).all(axis=1)]
    if len(points) < options.min_points:
        return points
    return _METHODS[options.method](points, options)


def paper_outliers(points: Float) -> Float:
    """The points (M, 3) that the paper's cleaning keeps of points (N, 3), metres."""
    from scipy.spatial import cKDTree

    cluster = require("sklearn.cluster", "perception")
    scale = 3.0 * float(np.linalg.norm(points.std(axis=0))) + 1e-6
    k = min(_NEIGHBOURS, len(points))
    distances, _ = cKDTree(points).query(points, k=k)
    mean = np.atleast_2d(distances.reshape(len(points), -1)).mean(axis=1)
    points = points[mean <= mean.mean() + _STATISTICAL_RATIO * mean.std()]
    points = voxel_means(points, max(0.01, scale / 20.0))
    found = cluster.DBSCAN(eps=scale / 3.6, min_samples=max(1, len(points) // 10)).fit(points)
    kept = points[found.labels_ >= 0]
    return kept if len(kept) else points


def voxel_means(points: Float, size: float) -> Float:
    """(M, 3) the mean of the points (N, 3) in each cube of edge ``size`` metres."""
    cells = np.floor(points / size).astype(np.int64)
    _, index, counts = np.unique(cells, axis=0, return_inverse=True, return_counts=True)
    index = index.ravel()
    sums = np.stack([np.bincount(index, weights=points[:, k]) for k in range(3)], axis=1)
    return sums / counts[:, None]


def main_clusters(points: Float, options: OutlierOptions) -> Float:
    """The points (M, 3) without the clusters that hold less than ``options.min_cluster`` of the points (N, 3)."""
    from scipy import ndimage

    spread = np.percentile(points, 90, axis=0) - np.percentile(points, 10, axis=0)
    cell = max(_FEWEST_CELL_M, float(np.linalg.norm(spread)) / _CLUSTER_CELLS)
    cells = np.floor((points - np.median(points, axis=0)) / cell).astype(np.int64)
    cells = np.clip(cells, -40, 40)  # points further off are outliers and share the border cells
    cells -= cells.min(axis=0)
    grid = np.zeros(cells.max(axis=0) + 1, dtype=bool)
    grid[tuple(cells.T)] = True
    labels, n = ndimage.label(grid, structure=np.ones((3, 3, 3)))
    if n <= 1:
        return points
    of_point = labels[tuple(cells.T)]
    counts = np.bincount(of_point, minlength=n + 1)
    keep = counts >= options.min_cluster * len(points)
    keep[counts.argmax()] = True
    return points[keep[of_point]]


_METHODS: dict[str, Callable[[Float, OutlierOptions], Float]] = {
    "edges": main_clusters,
    "paper": lambda points, options: paper_outliers(points),
    "none": lambda points, options: points,
}
