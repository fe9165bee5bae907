"""Metric depth from one picture: ZoeDepth, Depth Anything V2 (metric), Depth Pro.

Each gives metres of the picture's own size. A model that only knows relative depth is refused: a constant that turns
it into metres does not exist.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.errors import PerceptionError
from spatialvlm_ros.geometry.cameras import Camera
from spatialvlm_ros.perception.capture import Capture
from spatialvlm_ros.perception.loading import (
    ModelSource,
    device_guard,
    load_image_processor,
    load_model,
    load_preprocessor_settings,
)
from spatialvlm_ros.perception.preprocess import SquashedInput, resize_map
from spatialvlm_ros.perception.protocols import DepthEstimate


def _metres(values: Any) -> NDArray[np.float32]:
    """(H, W) tensor to float32 metres, NaN where not a positive number."""
    metres = values.float().cpu().numpy().astype(np.float32)
    return np.where(np.isfinite(metres) & (metres > 0), metres, np.float32(np.nan))


class DepthAnythingEstimator:
    """Depth Anything V2, metric (`DepthEstimator`). It assumes the focal length of its training; none is used here.

    Args:
        model, image_processor: of Depth Anything.

    Raises:
        PerceptionError: the model gives relative depth.
    """

    def __init__(self, model: Any, image_processor: Any) -> None:
        if getattr(model.config, "depth_estimation_type", "relative") != "metric":
            raise PerceptionError(
                "this Depth Anything gives relative depth, not metres",
                model.config.depth_estimation_type,
                "Use a metric one, e.g. depth-anything/Depth-Anything-V2-Metric-Indoor-Small-hf.",
            )
        self._model, self._image_processor = model, image_processor

    @classmethod
    def load(cls, source: ModelSource) -> DepthAnythingEstimator:
        """E.g. depth-anything/Depth-Anything-V2-Metric-Indoor-Small-hf."""
        return cls(load_model(source, "DepthAnythingForDepthEstimation"), load_image_processor(source))

    def estimate(self, captures: Sequence[Capture], cameras: Sequence[Camera | None]) -> list[DepthEstimate]:
        inputs = [self._image_processor([c.rgb], return_tensors="pt")["pixel_values"] for c in captures]
        with device_guard():
            depths = _run_by_size(lambda batch: self._model(pixel_values=batch).predicted_depth, inputs, self._model)
            return [
                DepthEstimate(_metres(resize_map(depth, c.height, c.width)))
                for c, depth in zip(captures, depths, strict=True)
            ]


class ZoeDepthEstimator:
    """ZoeDepth, the paper's choice (`DepthEstimator`). It pads by reflection; the padding is cut off again.

    Args:
        model, image_processor: of ZoeDepth.
        flip: average with the estimate of the mirrored picture, as its authors do; twice the time.
    """

    def __init__(self, model: Any, image_processor: Any, flip: bool = True) -> None:
        self._model, self._image_processor, self._flip = model, image_processor, flip

    @classmethod
    def load(cls, source: ModelSource, **options: Any) -> ZoeDepthEstimator:
        """E.g. Intel/zoedepth-nyu-kitti."""
        return cls(load_model(source, "ZoeDepthForDepthEstimation"), load_image_processor(source), **options)

    def estimate(self, captures: Sequence[Capture], cameras: Sequence[Camera | None]) -> list[DepthEstimate]:
        inputs = [self._image_processor([c.rgb], return_tensors="pt")["pixel_values"] for c in captures]
        with device_guard():
            depths = _run_by_size(self._forward, inputs, self._model)
            return [
                DepthEstimate(_metres(self._without_padding(depth, c)))
                for c, depth in zip(captures, depths, strict=True)
            ]

    def _forward(self, batch: Any) -> Any:
        depth = self._model(pixel_values=batch).predicted_depth
        if self._flip:
            depth = (depth + self._model(pixel_values=batch.flip(-1)).predicted_depth.flip(-1)) / 2
        return depth

    def _without_padding(self, depth: Any, capture: Capture) -> Any:
        # The processor pads int(3 sqrt(side / 2)) pixels on each side of the original picture, then resizes.
        padded = getattr(self._image_processor, "do_pad", True)
        top, left = (int(np.sqrt(s / 2) * 3) if padded else 0 for s in (capture.height, capture.width))
        whole = resize_map(depth, capture.height + 2 * top, capture.width + 2 * left)
        return whole[top : top + capture.height, left : left + capture.width]


class DepthProEstimator:
    """Depth Pro: metric depth and field of view (`DepthEstimator`, `FieldOfViewEstimator`).

    The network gives inverse depth for a focal length of one picture width; metres need the true focal length. A
    known camera's is used where there is one, else the network's own estimate.

    Args:
        model: of Depth Pro, with its field-of-view head.
        squash: from picture to input tensor.
    """

    def __init__(self, model: Any, squash: SquashedInput) -> None:
        self._model, self._squash = model, squash

    @classmethod
    def load(cls, source: ModelSource) -> DepthProEstimator:
        """E.g. apple/DepthPro-hf."""
        settings = load_preprocessor_settings(source)
        return cls(
            load_model(source, "DepthProForDepthEstimation"), SquashedInput.from_settings(settings, antialias=False)
        )

    def estimate(self, captures: Sequence[Capture], cameras: Sequence[Camera | None]) -> list[DepthEstimate]:
        inverse, angles = self._forward(captures)
        return [
            self._one(capture, camera, inverse[i], angles[i])
            for i, (capture, camera) in enumerate(zip(captures, cameras, strict=True))
        ]

    def hfov(self, captures: Sequence[Capture]) -> list[float]:
        angles = self._forward(captures)[1]
        if any(angle is None for angle in angles):
            raise PerceptionError("this Depth Pro has no field-of-view head", remedy="Load it with use_fov_model.")
        return [float(angle) for angle in angles if angle is not None]

    def _forward(self, captures: Sequence[Capture]) -> tuple[Any, list[float | None]]:
        """Canonical inverse depth (N, h, w) and N fields of view in radians."""
        with device_guard():
            pixels = self._squash([c.rgb for c in captures]).to(self._model.device, self._model.dtype)
            output = self._model(pixel_values=pixels)
            degrees = output.field_of_view
            if degrees is None:
                return output.predicted_depth, [None] * len(captures)
            return output.predicted_depth, [float(np.radians(d)) for d in degrees.float().cpu().numpy().reshape(-1)]

    @staticmethod
    def _one(capture: Capture, camera: Camera | None, inverse: Any, angle: float | None) -> DepthEstimate:
        if camera is not None:
            focal, hfov = camera.fx, None
        elif angle is not None and 0 < angle < np.pi:
            focal, hfov = 0.5 * capture.width / np.tan(0.5 * angle), angle
        else:
            raise PerceptionError("Depth Pro gave no field of view", angle, "Give the camera's calibration.")
        with device_guard():
            scaled = resize_map(inverse, capture.height, capture.width) * (capture.width / focal)
            # The network's limits: 0.1 mm to 10 km.
            return DepthEstimate(_metres(1.0 / scaled.clamp(1e-4, 1e4)), hfov)


def _run_by_size(forward: Any, inputs: Sequence[Any], model: Any) -> list[Any]:
    """Run inputs (1, 3, h, w) together with those of the same size; results (h', w') in the order of the inputs."""
    import torch

    groups: dict[tuple[int, ...], list[int]] = {}
    for index, tensor in enumerate(inputs):
        groups.setdefault(tuple(tensor.shape), []).append(index)
    results: list[Any] = [None] * len(inputs)
    for indices in groups.values():
        batch = torch.cat([inputs[i] for i in indices]).to(model.device, model.dtype)
        for index, result in zip(indices, forward(batch), strict=True):
            results[index] = result
    return results
