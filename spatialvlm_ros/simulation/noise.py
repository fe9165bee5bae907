"""What real sensors do to picture and depth.

Depth: a stereo camera of the RealSense D4xx kind (after Ahn et al. 2019, "Analysis and noise modeling of the Intel
RealSense D435", and Nguyen et al. 2012 for the dependence on distance and angle): axial noise that grows with the
square of the distance, disparity in steps, flying pixels and holes along depth edges, holes on grazing, dark and
featureless far surfaces, and a limited range.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.geometry.cameras import Camera

Picture = NDArray[np.uint8]
Depth = NDArray[np.float32]


@dataclass(frozen=True)
class DepthNoise:
    """Parameters of the depth noise.

    Attributes:
        baseline_m: between the two infrared cameras.
        disparity_noise_px: standard deviation of the matched disparity, smooth over some pixels.
        disparity_step_px: disparities come in such steps.
        range_m: nearer and farther is lost.
        edge_jump_share: a step of depth between neighbours above this share of the depth is an edge.
        edge_holes, edge_flying: share of edge pixels lost, and of those that get a depth between both sides.
        grazing_deg: surfaces that face away by more than this lose pixels.
        dark_level: picture values (0..255) below this lose pixels.
    """

    baseline_m: float = 0.05
    disparity_noise_px: float = 0.08
    disparity_step_px: float = 1 / 32
    range_m: tuple[float, float] = (0.2, 6.0)
    edge_jump_share: float = 0.04
    edge_holes: float = 0.45
    edge_flying: float = 0.2
    grazing_deg: float = 78.0
    dark_level: float = 18.0

    def apply(self, depth: Depth, rgb: Picture, camera: Camera, rng: np.random.Generator) -> Depth:
        """A noisy copy of ``depth`` (H, W) metres, NaN where the sensor sees nothing."""
        import cv2

        height, width = depth.shape
        valid = np.isfinite(depth)
        clean = np.where(valid, depth, 0.0).astype(np.float32)
        product = camera.fx * self.baseline_m
        disparity = product / np.maximum(clean, 1e-3)
        # Matching windows share their error: noise of a few pixels' extent, at the stated standard deviation.
        white = rng.standard_normal((height, width)).astype(np.float32)
        smooth = cv2.GaussianBlur(white, (0, 0), 1.2)
        noise = smooth / max(float(smooth.std()), 1e-9) * self.disparity_noise_px
        noisy = np.round((disparity + noise) / self.disparity_step_px) * self.disparity_step_px
        result = (product / np.maximum(noisy, 1e-6)).astype(np.float32)
        edge, other = self._edges(clean, valid)
        chance = rng.random((height, width))
        flying = edge & (chance < self.edge_flying)
        share = rng.random((height, width)).astype(np.float32)
        result = np.where(flying, clean * share + other * (1 - share), result)
        lost = ~valid | (clean < self.range_m[0]) | (clean > self.range_m[1])
        lost |= edge & (chance > 1 - self.edge_holes)
        lost |= self._unseen(clean, edge, rgb, camera, rng)
        return np.where(lost, np.float32(np.nan), result).astype(np.float32)

    def _edges(self, depth: Depth, valid: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], Depth]:
        """Pixels beside a step of depth, and the depth on its other side."""
        import cv2

        kernel = np.ones((3, 3), np.uint8)
        high, low = cv2.dilate(depth, kernel), cv2.erode(depth, kernel)
        jump = np.maximum(high - depth, depth - low)  # to the farthest neighbour; a slope stays below
        edge = (jump > self.edge_jump_share * np.maximum(depth, 1e-3)) & valid
        other = np.where(high - depth > depth - low, high, low)
        return edge, np.where(other > 0, other, depth)

    def _unseen(
        self, depth: Depth, edge: NDArray[np.bool_], rgb: Picture, camera: Camera, rng: np.random.Generator
    ) -> NDArray[np.bool_]:
        """Patches lost on grazing and on dark surfaces."""
        import cv2

        # The cosine between surface and ray, from the slope of the depth: |dz/du| * fx / z = tan of the tilt.
        slope_x, slope_y = (
            cv2.Sobel(depth, cv2.CV_32F, 1, 0, scale=1 / 8),
            cv2.Sobel(depth, cv2.CV_32F, 0, 1, scale=1 / 8),
        )
        tilt = np.hypot(slope_x * camera.fx, slope_y * camera.fy) / np.maximum(depth, 1e-3)
        grazing = (tilt > np.tan(np.radians(self.grazing_deg))) & ~edge  # a step is not a slope
        dark = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY) < self.dark_level
        patches = cv2.GaussianBlur(rng.standard_normal(depth.shape).astype(np.float32), (0, 0), 2.5)
        patches /= max(float(patches.std()), 1e-9)
        return (grazing & (patches > -0.3)) | (dark & (patches > 0.3))


@dataclass(frozen=True)
class CameraNoise:
    """What a cheap camera does to a picture; ranges are drawn from evenly, once for a picture.

    Attributes:
        exposure: factor on the light.
        gain_noise: standard deviation of a pixel's noise at mid grey, of 255; its square grows with the brightness.
        blur_px: standard deviation of the blur.
        jpeg_quality: of the compression.
    """

    exposure: tuple[float, float] = (0.7, 1.35)
    gain_noise: tuple[float, float] = (1.0, 9.0)
    blur_px: tuple[float, float] = (0.0, 1.3)
    jpeg_quality: tuple[int, int] = (45, 95)

    def apply(self, rgb: Picture, rng: np.random.Generator) -> Picture:
        """A noisy copy of ``rgb`` (H, W, 3)."""
        import cv2

        exposure, gain, blur = (float(rng.uniform(*r)) for r in (self.exposure, self.gain_noise, self.blur_px))
        quality = int(rng.integers(self.jpeg_quality[0], self.jpeg_quality[1] + 1))
        picture = rgb.astype(np.float32) * exposure
        if blur > 0.2:
            picture = cv2.GaussianBlur(picture, (0, 0), blur)
        deviation = gain * np.sqrt(0.25 + np.clip(picture, 0, 255) / 170)
        picture += rng.standard_normal(picture.shape, dtype=np.float32) * deviation
        clipped = np.clip(np.round(picture), 0, 255).astype(np.uint8)
        _, coded = cv2.imencode(".jpg", clipped[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
        return np.ascontiguousarray(cv2.imdecode(coded, cv2.IMREAD_COLOR)[..., ::-1])
