"""Located objects measured in depth: foreground of each box, then the lifting of `scenes.lifting` to whole objects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.geometry.cameras import Camera
from spatialvlm_ros.models.readings import CLEAN, CUT, THIN, DepthReadings
from spatialvlm_ros.scenes.lifting.detection import Detection
from spatialvlm_ros.scenes.lifting.lift import lift_with_report
from spatialvlm_ros.scenes.observation import Observation

Float = NDArray[np.float64]
Depth = NDArray[np.float32]
Bool = NDArray[np.bool_]

_WIDTH = 320  # columns that are worked on
_RING_SHARE, _RING_PX = 0.3, 3  # around a box: where its background is looked for
_BACKGROUND = 0.015  # relative inverse depth within which a pixel is background
_NOISE_REACH = 3.0
_ROUNDS = 6
_FEWEST = 12  # pixels
_LEAST_FOREGROUND = 0.08  # of a box; less, and the box shows the background itself (a table, a wall)
_CENTRE_SHARE = 0.35  # of a box: how far from its middle pixels still count for the main depth
_LEAST_RANGE_STD = 0.2  # log: how much the model's range decides between clusters
_BIN = 0.02  # of log depth
_EMPTY_SHARE = 0.03
_EMPTY_BINS = 2
_THIN_SHARE = 0.25  # of a box
_LEAST_SIZE_M = 1e-3  # a face of which no side is seen has a thickness all the same
_LARGEST_PATCH = 70  # pixels along a side of what is examined


def read_depth(observation: Observation, boxes: Float, log_ranges: Float, log_range_stds: Float) -> DepthReadings:
    """Measure K objects in the depth of an observation.

    Args:
        observation: with depth; its vertical is used where known, else found from the planes in depth.
        boxes: (K, 4) x0, y0, x1, y1 pixels of the visible part; NaN rows are not measured.
        log_ranges, log_range_stds: (K,) as the model says, NaN where it does not.

    Returns:
        K readings, NaN where there is no valid depth in a box; no error for bad depth.
    """
    none = DepthReadings.none(len(boxes))
    depth = observation.depth
    if depth is None:
        return none
    step = max(1, round(depth.shape[1] / _WIDTH))
    small = _subsampled(observation, step)
    assert small.depth is not None
    valid = np.isfinite(small.depth) & (small.depth > 0)
    if not valid.any():
        return none
    clean = np.where(valid, small.depth, np.nan).astype(np.float32)
    small = replace(small, depth=clean)
    detections, indices = [], []
    for k in range(len(boxes)):
        mask = foreground(clean, small.camera, boxes[k] / step, float(log_ranges[k]), float(log_range_stds[k]))
        if mask is not None:
            detections.append(Detection.from_mask(f"object {k}", mask))
            indices.append(k)
    return _lifted(small, detections, indices, boxes / step, none)


def _subsampled(observation: Observation, step: int) -> Observation:
    """Every ``step``-th pixel; the camera stays exact because whole pixels are kept."""
    if step == 1:
        return observation
    camera, depth = observation.camera, observation.depth
    assert depth is not None
    rgb, depth = observation.rgb[::step, ::step], depth[::step, ::step]
    smaller = replace(
        camera,
        width=depth.shape[1],
        height=depth.shape[0],
        fx=camera.fx / step,
        fy=camera.fy / step,
        cx=camera.cx / step,
        cy=camera.cy / step,
    )
    return replace(observation, rgb=np.ascontiguousarray(rgb), depth=np.ascontiguousarray(depth), camera=smaller)


def foreground(depth: Depth, camera: Camera, box: Float, log_range: float, log_range_std: float) -> Bool | None:
    """(H, W) pixels of the object in a box, or None where there are too few with depth.

    What lies on the planes around the box is background. Of the rest the cluster in depth is taken that covers most
    of the box's middle, where the model says that the object is.
    """
    height, width = depth.shape
    if not np.isfinite(box).all():
        return None
    low = np.clip(np.floor(box[:2] + 0.5), 0, [width, height]).astype(int)
    high = np.clip(np.ceil(box[2:]), 0, [width, height]).astype(int)
    if (high <= low).any():
        return None
    margin = np.maximum(_RING_PX, _RING_SHARE * (high - low)).astype(int)
    x0, y0 = np.maximum(low - margin, 0)
    x1, y1 = np.minimum(high + margin, [width, height])
    thin = max(1, round(max(x1 - x0, y1 - y0) / _LARGEST_PATCH))
    rows, columns = np.mgrid[y0:y1:thin, x0:x1:thin]
    inverse = 1.0 / depth[y0:y1:thin, x0:x1:thin].astype(np.float64)
    inside = (columns >= low[0]) & (columns < high[0]) & (rows >= low[1]) & (rows < high[1])
    inside_valid = inside & np.isfinite(inverse)
    if inside_valid.sum() * thin**2 < _FEWEST:
        return None
    planes = _background_planes(inverse, columns, rows, inside, high[1])
    candidates = inside_valid & ~_on_planes(inverse, columns, rows, planes)
    if candidates.sum() < max(_LEAST_FOREGROUND * inside_valid.sum(), 4):
        candidates = inside_valid
    chosen = _main_cluster(
        -np.log(inverse[candidates]), _weights(columns, rows, candidates, box), log_range, log_range_std
    )
    # The full resolution: what is in the cluster and not on the background.
    nearest, farthest = np.exp(chosen)
    patch = depth[low[1] : high[1], low[0] : high[0]].astype(np.float64)
    rows, columns = np.mgrid[low[1] : high[1], low[0] : high[0]]
    with np.errstate(invalid="ignore"):
        kept = (patch >= nearest) & (patch <= farthest)
        if candidates is not inside_valid:
            kept &= ~_on_planes(1.0 / patch, columns, rows, planes)
    if kept.sum() < _FEWEST:
        return None
    mask = np.zeros(depth.shape, dtype=bool)
    mask[low[1] : high[1], low[0] : high[0]] = kept
    return mask


def _background_planes(
    inverse: Float, columns: NDArray[np.int64], rows: NDArray[np.int64], inside: Bool, bottom: int
) -> list[tuple[Float, float]]:
    """Planes of the ring's lower and upper part: (a, b, c) of inverse depth over pixels, and the tolerance."""
    ring = ~inside & np.isfinite(inverse)
    middle = np.median(rows[inside])
    planes = []
    for part in (ring & (rows >= middle), ring & (rows < middle)):
        if part.sum() < _FEWEST:
            continue
        plane = _robust_plane(columns[part].astype(float), rows[part].astype(float), inverse[part])
        if plane is not None:
            planes.append(plane)
    return planes


def _robust_plane(u: Float, v: Float, q: Float) -> tuple[Float, float] | None:
    """Least squares with a threshold that shrinks: the plane that most of the ring lies on."""
    design = np.stack([u - u.mean(), v - v.mean(), np.ones_like(u)], axis=1)
    kept = np.abs(q - np.median(q)) <= max(np.quantile(np.abs(q - np.median(q)), 0.7), 1e-9)
    plane = np.zeros(3)
    deviation = 0.0
    for _ in range(_ROUNDS):
        part = design[kept]
        moments = part.T @ part + 1e-9 * np.eye(3)
        plane = np.linalg.solve(moments, part.T @ q[kept])
        error = np.abs(q - design @ plane)
        deviation = 1.4826 * float(np.median(error[kept]))
        kept = error < max(2.5 * deviation, _BACKGROUND * float(np.median(q)))
        if kept.sum() < _FEWEST:
            return None
    if kept.mean() < 0.3:
        return None
    return np.array([plane[0], plane[1], plane[2] - plane[0] * u.mean() - plane[1] * v.mean()]), deviation


def _on_planes(
    inverse: Float, columns: NDArray[np.int64], rows: NDArray[np.int64], planes: Sequence[tuple[Float, float]]
) -> Bool:
    """Pixels on one of the planes, or behind all of them."""
    on = np.zeros(inverse.shape, dtype=bool)
    for (a, b, c), deviation in planes:
        expected = a * columns + b * rows + c
        with np.errstate(invalid="ignore"):
            on |= np.abs(inverse - expected) < np.maximum(_BACKGROUND * np.abs(expected), _NOISE_REACH * deviation)
    return on


def _weights(columns: NDArray[np.int64], rows: NDArray[np.int64], use: Bool, box: Float) -> Float:
    size = np.maximum(box[2:] - box[:2], 1.0) * _CENTRE_SHARE
    middle = (box[:2] + box[2:]) / 2 - 0.5
    return np.exp(-0.5 * (((columns[use] - middle[0]) / size[0]) ** 2 + ((rows[use] - middle[1]) / size[1]) ** 2))


def _main_cluster(logs: Float, weights: Float, log_range: float, log_range_std: float) -> tuple[float, float]:
    """Least and largest log depth of the main cluster."""
    start = logs.min() - _BIN
    bins = np.bincount(((logs - start) / _BIN).astype(np.int64), weights=weights)
    bins = np.convolve(np.append(bins, 0.0), [0.25, 0.5, 0.25], mode="same")
    preferred = bins.copy()
    if np.isfinite(log_range):
        std = max(log_range_std if np.isfinite(log_range_std) else 0.0, _LEAST_RANGE_STD)
        at = start + (np.arange(len(bins)) + 0.5) * _BIN
        preferred *= np.exp(-0.5 * np.minimum(((at - log_range) / std) ** 2, 20.0))
    peak = int(preferred.argmax())
    full = bins > _EMPTY_SHARE * bins[peak]
    first, last = peak, peak
    while first > 0 and full[max(first - _EMPTY_BINS, 0) : first].any():
        first -= 1
    while last < len(bins) - 1 and full[last + 1 : last + 1 + _EMPTY_BINS].any():
        last += 1
    return start + first * _BIN, start + (last + 1) * _BIN


def _lifted(
    observation: Observation, detections: list[Detection], indices: list[int], boxes: Float, none: DepthReadings
) -> DepthReadings:
    if not detections:
        return none
    report = lift_with_report(observation, detections)
    frame = report.scene.frame
    n = len(boxes)
    centers, sizes, scales = np.full((n, 3), np.nan), np.full((n, 3), np.nan), np.full(n, np.nan)
    rotations = np.array(none.rotations)
    buckets, heights = np.zeros(n, np.int64), np.full(n, np.nan)
    supports = [""] * n
    for position, item in enumerate(report.scene.objects):
        k = indices[report.kept[position]]
        assert item.box3d is not None and item.mask is not None
        centers[k], sizes[k] = item.box3d.centers[0], np.maximum(item.box3d.sizes[0], _LEAST_SIZE_M)
        rotations[k] = item.box3d.rotations[0]
        scales[k] = max(float(np.sort(sizes[k])[1:].mean()), 0.005)
        area = max(float(np.prod(boxes[k, 2:] - boxes[k, :2])), 1.0)
        buckets[k] = CUT if report.cut_by_border[position] else THIN if item.mask.sum() < _THIN_SHARE * area else CLEAN
        heights[k] = np.nan if item.camera_height is None else item.camera_height
        supports[k] = item.support_id or ""
    up = frame.up if observation.up is None and frame.level >= 1 else None
    return DepthReadings(centers, sizes, rotations, scales, buckets, heights, tuple(supports), up)
