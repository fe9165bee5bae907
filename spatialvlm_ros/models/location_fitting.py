"""Fits the part of a calibration that says how wrong located objects are, by the model and in depth."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from spatialvlm_ros.geometry.boxes import Boxes
from spatialvlm_ros.geometry.frames import CanonicalFrame
from spatialvlm_ros.models.backend import PRESENT
from spatialvlm_ros.models.calibration import DepthCalibration, LocationCalibration, Thresholds, Triple
from spatialvlm_ros.models.calibration_examples import Example
from spatialvlm_ros.models.distributions import RELATION_ORDER, quantile_at
from spatialvlm_ros.models.readings import N_BUCKETS
from spatialvlm_ros.models.robust_fitting import bias, drawn, factor, shared_variance
from spatialvlm_ros.scenes.relations import Relation

Float = NDArray[np.float64]

_NEVER_ZERO = np.array([r in (Relation.DISTANCE, Relation.HEIGHT, Relation.WIDTH) for r in RELATION_ORDER])
_LEAST_SHARED = 0.02
_MEDIAN_OF_ANGLE = 1.1774  # of the length of a 2D normal vector
_Q90_OF_ANGLE = 2.1460
_MOST_REFUSED = 0.022  # of present objects: two of them stay below 5% of queries
_REFUSED = 0.93  # wanted, of absent and ambiguous ones
_FEWEST = 20
_DEPTH_WEIGHT = 30.0


def fit_locations(examples: Sequence[Example]) -> LocationCalibration:
    """From the located objects of all views."""
    parts = [_location_errors(e, number) for number, e in enumerate(examples)]
    errors = {name: np.concatenate([p[name] for p in parts]) for name in parts[0]} if parts else {}
    if not parts or not np.isfinite(errors["range"]).any():
        return LocationCalibration(direct_bias=bias(np.concatenate([_direct_error(e) for e in examples])))
    default = LocationCalibration()
    range_bias = bias(errors["range"])
    ranges = errors["range"] - range_bias
    variance = shared_variance(ranges, errors["view"].astype(np.int64))
    n = int(np.isfinite(ranges).sum())
    shared = drawn(np.sqrt(max(variance, _LEAST_SHARED**2)), n // 3, default.shared_std, 15.0)
    size_bias = tuple(bias(errors["size"][:, k]) for k in range(3))
    sizes = errors["size"] - np.asarray(size_bias)
    follows = shared_variance(ranges, errors["view"].astype(np.int64), sizes.mean(axis=1)) / max(variance, 1e-4)
    heights = np.concatenate([_height_error(e) for e in examples])
    height_bias = bias(heights[:, 0])
    return LocationCalibration(
        range_bias=range_bias,
        range_factor=factor(ranges / errors["range_std"]),
        shared_std=float(shared),
        size_bias=_triple(size_bias),
        size_factor=_triple([factor(sizes[:, k] / errors["size_std"][:, k]) for k in range(3)]),
        size_shared=float(np.clip(drawn(float(np.clip(follows, 0, 1)), n // 3, default.size_shared, 15.0), 0, 1)),
        center_factor=factor((errors["center"] / errors["center_std"]).ravel()),
        box_factor=1.0,
        height_bias=height_bias,
        height_factor=factor((heights[:, 0] - height_bias) / heights[:, 1]),
        direct_bias=bias(np.concatenate([_direct_error(e) for e in examples])),
        up_factor=factor(heights[:, 2] / np.maximum(heights[:, 3], 1e-4) / _MEDIAN_OF_ANGLE * 0.9945),
    )


def _triple(values: Sequence[float]) -> Triple:
    a, b, c = (float(v) for v in values)
    return a, b, c


def _location_errors(example: Example, number: int) -> dict[str, Float]:
    said, boxes = example.readings.locations, example.truth.boxes
    frame = CanonicalFrame.from_up(example.truth.up)
    extents = np.stack([boxes.extent_along(a) for a in (frame.left, frame.forward, frame.up)], axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return {
            "view": np.full(len(said), float(number)),
            "range": said.log_ranges - np.log(np.linalg.norm(boxes.centers, axis=1)),
            "range_std": said.log_range_stds,
            "size": said.log_sizes - np.log(extents),
            "size_std": said.log_size_stds,
            "center": said.centers - example.readings.camera.project(boxes.centers),
            "center_std": np.maximum(said.center_stds, 0.3),
        }


def _direct_error(example: Example) -> Float:
    """Log errors of the direct medians of lengths that are never near zero."""
    said = quantile_at(example.readings.direct, 0.5)
    with np.errstate(invalid="ignore", divide="ignore"):
        errors = np.log(said / example.truth.values)
    return errors[_NEVER_ZERO[example.readings.relations] & np.isfinite(errors)]


def _height_error(example: Example) -> Float:
    """(1, 4) error of the log height, its stated deviation, angle between the verticals, its stated deviation."""
    said, truth = example.readings.frame, example.truth
    if said is None or truth.up is None:
        return np.full((1, 4), np.nan)
    angle = np.arccos(np.clip(float(said.up @ truth.up), -1.0, 1.0))
    with np.errstate(invalid="ignore", divide="ignore"):
        error = said.log_height - np.log(truth.camera_height)
    return np.array([[error, said.log_height_std, angle, said.up_std]])


def fit_depth(examples: Sequence[Example]) -> DepthCalibration:
    """From the objects that were measured in depth, by bucket; buckets with few objects stay near the defaults."""
    default = DepthCalibration()
    rows = [_depth_errors(e) for e in examples]
    errors = np.concatenate(rows) if rows else np.zeros((0, 6))
    values: dict[str, list[float]] = {"along_bias": [], "along_std": [], "lateral_std": []}
    size_bias, size_std = [], []
    for bucket in range(N_BUCKETS):
        own = errors[(errors[:, 0] == bucket) & np.isfinite(errors).all(axis=1)]
        n = len(own)
        along_bias = bias(own[:, 1], default.along_bias[bucket], _DEPTH_WEIGHT)
        values["along_bias"].append(along_bias)
        values["along_std"].append(_scatter(own[:, 1] - along_bias, default.along_std[bucket]))
        lateral = default.lateral_std[bucket]
        if n:
            lateral = max(np.quantile(own[:, 2], 0.5) / _MEDIAN_OF_ANGLE, np.quantile(own[:, 2], 0.9) / _Q90_OF_ANGLE)
        values["lateral_std"].append(drawn(float(lateral), n, default.lateral_std[bucket], _DEPTH_WEIGHT))
        biases = [bias(own[:, 3 + k], default.size_bias[bucket][k], _DEPTH_WEIGHT) for k in range(3)]
        size_bias.append(_triple(biases))
        size_std.append(_triple([_scatter(own[:, 3 + k] - biases[k], default.size_std[bucket][k]) for k in range(3)]))
    return DepthCalibration(
        **{name: _triple(found) for name, found in values.items()}, size_bias=tuple(size_bias), size_std=tuple(size_std)
    )


def _scatter(errors: Float, default: float) -> float:
    """A deviation that also holds the heavier tails."""
    if len(errors) == 0:
        return default
    size = np.abs(errors)
    found = max(float(np.quantile(size, 0.68)), float(np.quantile(size, 0.9)) / 1.6449, 0.01)
    return drawn(found, len(errors), default, _DEPTH_WEIGHT)


def _depth_errors(example: Example) -> Float:
    """(K, 6) bucket, error along the ray and across it over the scale, log errors of the three sizes."""
    measured, boxes = example.readings.depth, example.truth.boxes
    known = measured.known & np.isfinite(boxes.centers).all(axis=1)
    if not known.any():
        return np.zeros((0, 6))
    truth, rotations = boxes[known], measured.rotations[known]
    centers, scales = measured.centers[known], measured.scales[known]
    directions = centers / np.linalg.norm(centers, axis=1, keepdims=True)
    along = (np.linalg.norm(centers, axis=1) - np.linalg.norm(truth.centers, axis=1)) / scales
    offset = centers - truth.centers
    across = np.linalg.norm(offset - np.einsum("ki,ki->k", offset, directions)[:, None] * directions, axis=1) / scales
    true_sizes = np.stack([_extent(truth, rotations[:, :, k]) for k in range(3)], axis=1)
    sizes = np.log(np.maximum(measured.sizes[known], 1e-4) / np.maximum(true_sizes, 1e-4))
    return np.concatenate([np.stack([measured.buckets[known].astype(float), along, across], axis=1), sizes], axis=1)


def _extent(boxes: Boxes, axes: Float) -> Float:
    return boxes.extent_along(axes)


def fit_thresholds(examples: Sequence[Example]) -> Thresholds:
    """The least probability of presence: most absent and ambiguous names are refused, hardly any present one."""
    default = Thresholds()
    said = np.concatenate([e.readings.locations.presence[:, PRESENT] for e in examples])
    truth = np.concatenate([e.truth.presence for e in examples])
    use = np.isfinite(said) & (truth >= 0)
    there, gone = said[use & (truth == PRESENT)], said[use & (truth != PRESENT)]
    if len(there) < _FEWEST or len(gone) < _FEWEST:
        return default
    most = float(np.quantile(there, _MOST_REFUSED))
    least = float(np.quantile(gone, _REFUSED))
    chosen = (most + least) / 2 if least < most else most
    return Thresholds(present=float(np.clip(chosen, 0.02, 0.98)), overflow=default.overflow)
