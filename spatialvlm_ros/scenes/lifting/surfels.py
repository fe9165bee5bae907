"""Oriented surface points (surfels) from a depth picture.

In a pinhole picture the inverse depth of a plane is linear in the ray's x and y: with the plane A X + B Y + C Z = 1
and the ray (x, y, 1), 1/Z = A x + B y + C. A least-squares fit of inverse depth in a window therefore gives the local
plane; stereo and structured-light sensors have constant noise in inverse depth, so the fit weighs their noise right.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.geometry.cameras import Camera

Float = NDArray[np.float64]

_GRID_WIDTH = 320  # columns of the grid the windows live on; more costs time and gains nothing measurable
_WINDOW = 7  # grid cells
_MIN_RELATIVE_RESIDUAL = 0.003
_RESIDUAL_FACTOR = 3.0  # windows whose residual is this much above the typical one lie across an edge


@dataclass(frozen=True)
class Surfels:
    """N oriented surface points of one view.

    Attributes:
        points: (N, 3) metres, optical frame.
        normals: (N, 3) unit, pointing to the camera's side.
        pixels: (N, 2) int, column and row.
        owners: (N,) index of the detection whose mask covers the pixel, -1 for background.
    """

    points: Float
    normals: Float
    pixels: NDArray[np.int64]
    owners: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.points)

    def __getitem__(self, index: NDArray) -> Surfels:
        return Surfels(self.points[index], self.normals[index], self.pixels[index], self.owners[index])


def surfels(depth: NDArray[np.float32], camera: Camera, owners: NDArray[np.int16], every: int = 2) -> Surfels:
    """Surfels of a depth picture on a regular grid.

    Args:
        depth: (H, W) metres, NaN where invalid.
        camera: of that picture.
        owners: (H, W) index of the detection at each pixel, -1 for none.
        every: keep every n-th grid cell in both directions.
    """
    import cv2

    step = max(1, round(depth.shape[1] / _GRID_WIDTH))
    rays = camera.pixel_rays()[::step, ::step].astype(np.float64)
    z = depth[::step, ::step].astype(np.float64)
    # Beyond the lens model a pixel has no ray; one NaN would spread through the running sums over the whole picture.
    seen = np.asarray(np.isfinite(rays).all(axis=2))
    weight = (np.isfinite(z) & (z > 0) & seen).astype(np.float64)
    rays = np.where(seen[..., None], rays, 0.0)
    q = np.where(weight > 0, 1.0 / np.where(weight > 0, z, 1.0), 0.0)
    x, y = rays[..., 0] * weight, rays[..., 1] * weight

    def window_sum(values: Float) -> Float:
        summed = cv2.boxFilter(values, cv2.CV_64F, (_WINDOW, _WINDOW), normalize=False, borderType=cv2.BORDER_CONSTANT)
        return np.asarray(summed, dtype=np.float64)

    count = window_sum(weight)
    with np.errstate(divide="ignore", invalid="ignore"):
        mx, my, mq = (window_sum(a) / count for a in (x, y, q))
        cxx, cyy, cqq = (window_sum(a * a) / count - m * m for a, m in ((x, mx), (y, my), (q, mq)))
        cxy = window_sum(x * y) / count - mx * my
        cxq = window_sum(x * q) / count - mx * mq
        cyq = window_sum(y * q) / count - my * mq
        determinant = cxx * cyy - cxy * cxy
        a = (cxq * cyy - cyq * cxy) / determinant
        b = (cyq * cxx - cxq * cxy) / determinant
        c = mq - a * mx - b * my
        residual = np.sqrt(np.maximum(cqq - a * cxq - b * cyq, 0.0)) / mq
        fitted = a * rays[..., 0] + b * rays[..., 1] + c

    # Windows with few valid pixels or all of them in one line have no plane.
    usable = (weight > 0) & (count >= 0.5 * _WINDOW**2) & (determinant > 0.1 * cxx * cyy) & (fitted > 0)
    usable &= np.isfinite(fitted) & np.isfinite(residual)
    if not usable.any():
        return Surfels(np.zeros((0, 3)), np.zeros((0, 3)), np.zeros((0, 2), np.int64), np.zeros(0, np.int64))
    usable &= residual < max(_MIN_RELATIVE_RESIDUAL, _RESIDUAL_FACTOR * float(np.median(residual[usable])))
    kept = np.zeros_like(usable)
    kept[::every, ::every] = usable[::every, ::every]
    rows, columns = np.nonzero(kept)
    plane = np.stack([a[kept], b[kept], c[kept]], axis=1)
    normals = -plane / np.linalg.norm(plane, axis=1, keepdims=True)
    points = rays[kept] / fitted[kept][:, None]
    pixels = np.stack([columns * step, rows * step], axis=1)
    return Surfels(points, normals, pixels, owners[pixels[:, 1], pixels[:, 0]].astype(np.int64))
